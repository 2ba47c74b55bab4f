-- Who a user name, number or meter subject belongs to, by day; from accounts' feed.
CREATE TABLE subject (
  kind       int2 NOT NULL,            -- 1 RADIUS user name, 2 DID, 3 trunk, 4 meter subject
  value      text NOT NULL,
  account_id uuid NOT NULL,
  item_id    uuid NOT NULL,
  valid_from date NOT NULL,
  valid_to   date NOT NULL,            -- exclusive; infinity = open
  PRIMARY KEY (kind, value, item_id, valid_from)
);
CREATE INDEX subject_item ON subject (item_id);

-- What an item's calls are rated by, by day.
CREATE TABLE item_terms (
  account_id uuid NOT NULL,
  item_id    uuid NOT NULL,
  valid_from date NOT NULL,
  valid_to   date NOT NULL,
  time_zone  text NOT NULL,
  country    text NOT NULL,
  currency   text NOT NULL,
  decks      text[] NOT NULL,
  PRIMARY KEY (account_id, item_id, valid_from)
);
CREATE INDEX item_terms_item ON item_terms (item_id);

-- Readings of session counters; the same reading again is the same row.
CREATE TABLE usage_sample (
  account_id      uuid NOT NULL,
  item_id         uuid NOT NULL,
  session_id      text NOT NULL,
  at              timestamptz NOT NULL,
  session_seconds int8 NOT NULL CHECK (session_seconds >= 0),
  in_octets       int8 NOT NULL CHECK (in_octets >= 0),
  out_octets      int8 NOT NULL CHECK (out_octets >= 0),
  wide            bool NOT NULL,
  PRIMARY KEY (account_id, item_id, session_id, session_seconds, in_octets, out_octets, at)
);
CREATE INDEX usage_sample_at ON usage_sample (item_id, at);

-- Generic events, unique for ever by (source, id): not by account, the id decides.
CREATE TABLE usage_event (
  source     text NOT NULL,
  event_id   text NOT NULL,
  account_id uuid NOT NULL,
  item_id    uuid NOT NULL,
  at         timestamptz NOT NULL,
  in_octets  int8 NOT NULL CHECK (in_octets >= 0),
  out_octets int8 NOT NULL CHECK (out_octets >= 0),
  PRIMARY KEY (source, event_id)
);
CREATE INDEX usage_event_item ON usage_event (item_id, at);

-- Rated calls, unique for ever by the switch's identity.
CREATE TABLE call (
  call_key       bytea PRIMARY KEY CHECK (length(call_key) = 32),
  call_id        uuid NOT NULL,
  account_id     uuid NOT NULL,
  item_id        uuid NOT NULL,
  inbound        bool NOT NULL,
  calling        text NOT NULL,
  called         text NOT NULL,
  answered_at    timestamptz NOT NULL,
  seconds        int8 NOT NULL CHECK (seconds > 0),
  billed_seconds int8 NOT NULL CHECK (billed_seconds >= 0),
  destination    text NOT NULL,
  deck           text NOT NULL,
  prefix         text NOT NULL,
  cost_micros    int8 NOT NULL CHECK (cost_micros >= 0),
  currency       text NOT NULL
);
CREATE INDEX call_item ON call (item_id, answered_at);

CREATE TABLE deck (
  code       text PRIMARY KEY,
  name       text NOT NULL,
  currency   text NOT NULL,
  version    int8 NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE TABLE deck_rate (
  deck              text NOT NULL REFERENCES deck,
  prefix            text NOT NULL CHECK (prefix ~ '^[0-9]{1,18}$'),
  valid_from        date NOT NULL,
  valid_to          date NOT NULL CHECK (valid_to > valid_from),
  destination       text NOT NULL,
  connect_micros    int8 NOT NULL CHECK (connect_micros >= 0),
  per_minute_micros int8 NOT NULL CHECK (per_minute_micros >= 0),
  first_increment   int4 NOT NULL CHECK (first_increment >= 1),
  next_increment    int4 NOT NULL CHECK (next_increment >= 1),
  minimum_micros    int8 NOT NULL CHECK (minimum_micros >= 0),
  PRIMARY KEY (deck, prefix, valid_from)
);

-- Records that could not be rated yet; they never vanish and never cost 0.
CREATE TABLE waiting (
  record_key  bytea PRIMARY KEY CHECK (length(record_key) = 32),
  record_id   uuid NOT NULL,
  kind        int2 NOT NULL,           -- 1 usage sample, 2 call, 3 usage event
  reason      text NOT NULL,
  message     text NOT NULL,
  subject     text NOT NULL,
  item_id     uuid,
  at          timestamptz NOT NULL,
  source_name text NOT NULL,
  source_line int8 NOT NULL,
  raw         bytea NOT NULL
);
CREATE INDEX waiting_reason ON waiting (reason, record_id);
CREATE INDEX waiting_item ON waiting (item_id) WHERE item_id IS NOT NULL;
