-- Runs can be paused; when a chunk was drafted and posted tells their speed. Machine clock.
ALTER TABLE bill_run ADD COLUMN paused_at timestamptz, ADD COLUMN paused_ms int8 NOT NULL DEFAULT 0;
ALTER TABLE bill_run_chunk ADD COLUMN accounts int4 NOT NULL DEFAULT 0,
  ADD COLUMN drafted_at timestamptz, ADD COLUMN posted_at timestamptz;
UPDATE bill_run_chunk SET accounts = cardinality(account_ids);

-- What a chunk's documents come to, by currency. The chunk after the last holds what retries made.
-- No foreign key: its lock on the run would wait for the poster.
CREATE TABLE bill_run_total (
  run_id       uuid NOT NULL,
  chunk        int4 NOT NULL,
  currency     text NOT NULL,
  invoices     int8 NOT NULL,
  credit_notes int8 NOT NULL,
  net          int8 NOT NULL,
  tax          int8 NOT NULL,
  total        int8 NOT NULL,
  PRIMARY KEY (run_id, chunk, currency)
);
INSERT INTO bill_run_total
  SELECT c.run_id, c.chunk, coalesce(d.currency, 'USD'), c.documents - c.credit_notes,
         c.credit_notes, c.net, c.tax, c.total
  FROM bill_run_chunk c
  LEFT JOIN LATERAL (SELECT currency FROM document WHERE run_id = c.run_id LIMIT 1) d ON true
  WHERE c.documents > 0;
ALTER TABLE bill_run_chunk DROP COLUMN credit_notes, DROP COLUMN net, DROP COLUMN tax,
  DROP COLUMN total;
