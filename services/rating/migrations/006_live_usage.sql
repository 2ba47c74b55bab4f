-- What, with the first and last day, decides an item's months of usage; from accounts' feed. Whoever
-- judges an item's usage locks its row first, so that the last judgement saw everything.
CREATE TABLE usage_cycle (
  account_id       uuid NOT NULL,
  item_id          uuid NOT NULL,
  start_date       date NOT NULL,
  end_date         date NOT NULL,        -- exclusive; infinity = open
  cycle_days       date[] NOT NULL,      -- first days of …
  cycle_day_values int4[] NOT NULL,      -- … these cycle days, 1 to 31
  anchor_rule      int2 NOT NULL,
  anchor_date      date,
  full_first       bool NOT NULL,
  PRIMARY KEY (account_id, item_id)
);
CREATE UNIQUE INDEX usage_cycle_item ON usage_cycle (item_id);

ALTER TABLE item_terms
  ADD COLUMN usage bytea NOT NULL DEFAULT '',        -- common.v1.UsageTerms; empty: none
  ADD COLUMN service text NOT NULL DEFAULT '',       -- what people call it
  ADD COLUMN watched bool NOT NULL DEFAULT false;    -- they include an amount that can be used up

-- Items whose usage or terms changed and were not looked at since: one row a transaction, written in
-- it and deleted with what came of it.
CREATE TABLE usage_touched (
  touch_id uuid PRIMARY KEY,
  at       timestamptz NOT NULL,         -- by the business clock
  items    uuid[] NOT NULL
);

-- Thresholds that were reached, each told once.
CREATE TABLE usage_threshold (
  account_id   uuid NOT NULL,
  item_id      uuid NOT NULL,
  period_start date NOT NULL,            -- of the period, or of the part of it under one plan
  percent      int4 NOT NULL CHECK (percent > 0),
  reached_at   timestamptz NOT NULL,
  PRIMARY KEY (account_id, item_id, period_start, percent)
);

-- What the network was last told about an item's cap.
CREATE TABLE usage_cap (
  account_id    uuid NOT NULL,
  item_id       uuid NOT NULL,
  period_start  date NOT NULL,
  period_end    date NOT NULL,
  action        int2 NOT NULL CHECK (action IN (0, 2, 3)),  -- 0 lifted, 2 throttle, 3 block
  download_kbps int8 NOT NULL,
  upload_kbps   int8 NOT NULL,
  ends_at       timestamptz NOT NULL,    -- the next period's first instant
  PRIMARY KEY (account_id, item_id)
);
CREATE INDEX usage_cap_due ON usage_cap (ends_at) WHERE action <> 0;
