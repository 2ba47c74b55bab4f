-- One policy a group; "" holds for the accounts of no other policy.
CREATE UNIQUE INDEX policy_group ON policy (account_group);

-- Paid after its due date, and no collections run has looked since: a fee of a day in between may be
-- missing. Cleared by the run that looks.
ALTER TABLE item ADD COLUMN paid_late bool NOT NULL DEFAULT false;
DROP INDEX item_open;
CREATE INDEX item_open ON item (account_id, due_date) WHERE open > 0 OR paid_late;

-- A returned payment: its allocations are taken off again by negative ones.
ALTER TABLE credit ADD COLUMN returned bool NOT NULL DEFAULT false;
ALTER TABLE allocation DROP CONSTRAINT allocation_amount_check;
ALTER TABLE allocation ADD CONSTRAINT allocation_amount_check CHECK (amount <> 0);

CREATE TABLE dispute (
  account_id  uuid NOT NULL,
  dispute_id  uuid NOT NULL,
  document_id uuid NOT NULL,
  amount      int8 NOT NULL CHECK (amount > 0),
  from_date   date NOT NULL,
  end_date    date CHECK (end_date >= from_date),
  reason      text NOT NULL,
  PRIMARY KEY (account_id, dispute_id)
);
CREATE INDEX dispute_document ON dispute (account_id, document_id);
