-- What a company puts or once put before its document numbers: its own for ever.
CREATE TABLE company_prefix (
  prefix     text PRIMARY KEY,
  company_id uuid NOT NULL REFERENCES company
);
INSERT INTO company_prefix
  SELECT coalesce(body ->> 'numberPrefix', ''), company_id FROM company ORDER BY company_id
  ON CONFLICT DO NOTHING;
