-- Sums of events, so that a look at an item need not read its period again (ADR 12). A cache: whoever
-- deletes an item's row of usage_summed has its sums made anew from its events.
CREATE TABLE usage_summed (
  account_id uuid NOT NULL,
  item_id    uuid NOT NULL,
  since      date NOT NULL,      -- usage_sum has all events from this day (UTC) on
  PRIMARY KEY (account_id, item_id)
);
CREATE UNIQUE INDEX usage_summed_item ON usage_summed (item_id);

CREATE TABLE usage_sum (
  account_id uuid NOT NULL,
  item_id    uuid NOT NULL,
  day        date NOT NULL,      -- of UTC
  in_octets  int8 NOT NULL,      -- of the day, modulo 2^64
  out_octets int8 NOT NULL,
  quarters   bytea NOT NULL,     -- the same by quarters of an hour (domain/usage_sums)
  PRIMARY KEY (account_id, item_id, day)
) WITH (fillfactor = 80);

-- Of items whose usage changed: in which quarter of an hour since 1970, one for each of `items`; none:
-- their terms or units changed. What is named here is not in the sums yet.
ALTER TABLE usage_touched
  ADD COLUMN quarters int4[] NOT NULL DEFAULT '{}',
  ALTER COLUMN quarters SET STORAGE EXTERNAL;
