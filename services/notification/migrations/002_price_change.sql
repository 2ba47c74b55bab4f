-- Of price changes: the service, its price until then, and the price itself in "amount".
ALTER TABLE message
  ADD COLUMN service text NOT NULL DEFAULT '',
  ADD COLUMN old_amount int8 NOT NULL DEFAULT 0;
