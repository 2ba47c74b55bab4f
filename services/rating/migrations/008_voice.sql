-- What an account's calls may come to before somebody is told; the nil account: all without a row.
CREATE TABLE call_limit (
  account_id         uuid PRIMARY KEY,
  hour_micros        int8 CHECK (hour_micros >= 0),  -- of any 60 minutes
  day_micros         int8 CHECK (day_micros >= 0),   -- of a day in the account's zone
  hour_calls         int8 CHECK (hour_calls >= 0),   -- of any 60 minutes
  international_only bool NOT NULL
);

-- Accounts with limits whose calls changed and were not looked at since: written with the calls,
-- deleted with what came of it.
CREATE TABLE call_touched (
  touch_id   uuid PRIMARY KEY,
  account_id uuid NOT NULL,
  first_at   timestamptz NOT NULL,  -- of the calls' answers
  last_at    timestamptz NOT NULL
);

-- Limits that were exceeded, each told once a window.
CREATE TABLE call_alarm (
  account_id      uuid NOT NULL,
  kind            int2 NOT NULL CHECK (kind IN (1, 2, 3)),  -- hour's spend, day's spend, hour's calls
  window_start    timestamptz NOT NULL,
  alarm_id        uuid NOT NULL,
  window_end      timestamptz NOT NULL,
  exceeded_at     timestamptz NOT NULL,  -- the answer of the call that did
  calls           int8 NOT NULL,
  micros          int8 NOT NULL,
  limit_value     int8 NOT NULL,         -- millionths, or calls
  currency        text NOT NULL,
  raised_at       timestamptz NOT NULL,
  acknowledged_at timestamptz,
  acknowledged_by text NOT NULL DEFAULT '',
  note            text NOT NULL DEFAULT '',
  PRIMARY KEY (account_id, kind, window_start)
);
CREATE UNIQUE INDEX call_alarm_id ON call_alarm (alarm_id);
CREATE INDEX call_alarm_open ON call_alarm (alarm_id) WHERE acknowledged_at IS NULL;

-- Whose deck says what a deck's calls cost us.
ALTER TABLE deck ADD COLUMN supplier_deck text NOT NULL DEFAULT '';
