-- A call is known by 128 bits of its key's hash, which are also its id: rows and their index are
-- smaller. Fixed widths first, so that nothing is padded between them.
ALTER TABLE call RENAME TO call_before;
ALTER TABLE call_before DROP CONSTRAINT call_pkey;
DROP INDEX call_item;
DROP INDEX call_import;

CREATE TABLE call (
  answered_at    timestamptz NOT NULL,
  seconds        int8 NOT NULL CHECK (seconds > 0),
  billed_seconds int8 NOT NULL CHECK (billed_seconds >= 0),
  cost_micros    int8 NOT NULL CHECK (cost_micros >= 0),
  call_key       uuid NOT NULL,
  account_id     uuid NOT NULL,
  item_id        uuid NOT NULL,
  import_id      uuid,           -- the file it came with
  inbound        bool NOT NULL,
  calling        text NOT NULL,
  called         text NOT NULL,
  destination    text NOT NULL,
  deck           text NOT NULL,
  prefix         text NOT NULL,
  currency       text NOT NULL
);
INSERT INTO call (answered_at, seconds, billed_seconds, cost_micros, call_key, account_id, item_id,
                  import_id, inbound, calling, called, destination, deck, prefix, currency)
  SELECT answered_at, seconds, billed_seconds, cost_micros,
         encode(substring(call_key FROM 1 FOR 16), 'hex')::uuid, account_id, item_id, import_id,
         inbound, calling, called, destination, deck, prefix, currency
  FROM call_before;
DROP TABLE call_before;
ALTER TABLE call ADD PRIMARY KEY (call_key);
CREATE INDEX call_item ON call (item_id, answered_at);
CREATE INDEX call_import ON call USING brin (import_id)
  WITH (pages_per_range = 32, autosummarize = on) WHERE import_id IS NOT NULL;
