-- How far a run's documents may be off their forecast before they wait, percent; NULL: not checked.
ALTER TABLE bill_run ADD COLUMN tolerance numeric;
ALTER TABLE run_exception ADD COLUMN forecast int8;
-- The cycle day from which the due date counts, when it lies after the invoice date.
ALTER TABLE document ADD COLUMN due_from date;

-- What belongs to a document beside its own account: accounts whose items stand on it, and the
-- credit note that was made together with an invoice. Most documents have no row.
CREATE TABLE document_link (
  account_id  uuid NOT NULL,
  document_id uuid NOT NULL,
  kind        int2 NOT NULL CHECK (kind IN (1, 2)),  -- account, document
  other_id    uuid NOT NULL,
  PRIMARY KEY (account_id, document_id, other_id)
);
