-- A charge in parts: the parts share their series; a deposit's return names the line it gives back.
ALTER TABLE pending_charge
  ADD COLUMN series text NOT NULL DEFAULT '',
  ADD COLUMN part int4 NOT NULL DEFAULT 0,
  ADD COLUMN parts int4 NOT NULL DEFAULT 0,
  ADD COLUMN corrects_line_id uuid,
  ADD COLUMN corrects_document_id uuid;
CREATE INDEX pending_charge_deposit ON pending_charge (account_id) WHERE kind = 9;
