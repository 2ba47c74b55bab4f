-- Usage by month of its time, so that what is held does not slow what comes: a month's keys stay as
-- few as a month has. Months are made when their first record comes (store/usage_months); records far
-- from today, and what was there before, stand in the parts without a month.
ALTER TABLE usage_sample RENAME TO usage_sample_before;
CREATE TABLE usage_sample (
  account_id      uuid NOT NULL,
  item_id         uuid NOT NULL,
  at              timestamptz NOT NULL,
  sample_key      uuid NOT NULL,  -- of session, seconds and octets: the same reading is the same row
  session_id      text NOT NULL,
  session_seconds int8 NOT NULL CHECK (session_seconds >= 0),
  in_octets       int8 NOT NULL CHECK (in_octets >= 0),
  out_octets      int8 NOT NULL CHECK (out_octets >= 0),
  wide            bool NOT NULL,
  import_id       uuid,
  PRIMARY KEY (account_id, item_id, at, sample_key)
) PARTITION BY RANGE (at);
CREATE TABLE usage_sample_other PARTITION OF usage_sample DEFAULT;
CREATE INDEX usage_sample_file ON usage_sample USING brin (import_id)
  WITH (pages_per_range = 32, autosummarize = on) WHERE import_id IS NOT NULL;
INSERT INTO usage_sample
SELECT account_id, item_id, at,
       encode(substring(sha256(int4send(octet_length(convert_to(session_id, 'UTF8'))) ||
                               convert_to(session_id, 'UTF8') || int8send(session_seconds) ||
                               int8send(in_octets) || int8send(out_octets)) FOR 16), 'hex')::uuid,
       session_id, session_seconds, in_octets, out_octets, wide, import_id
FROM usage_sample_before;
DROP TABLE usage_sample_before;

-- Who has a source's id, for ever: new ids in event_key, which stays small and is written at random
-- places; from time to time they go over to event_key_held in order of key, so that the large index
-- is written by runs of neighbours (store/event_keys). An id stands in one of the two.
CREATE TABLE event_key (
  event_key uuid PRIMARY KEY,     -- of source and id
  content   int8 NOT NULL         -- of subject, time and octets; 0: not known
);
CREATE TABLE event_key_held (
  event_key uuid PRIMARY KEY,
  content   int8 NOT NULL
);

ALTER TABLE usage_event RENAME TO usage_event_before;
CREATE TABLE usage_event (
  account_id uuid NOT NULL,
  item_id    uuid NOT NULL,
  at         timestamptz NOT NULL,
  event_key  uuid NOT NULL,
  source     text NOT NULL,
  event_id   text NOT NULL,
  in_octets  int8 NOT NULL CHECK (in_octets >= 0),
  out_octets int8 NOT NULL CHECK (out_octets >= 0),
  import_id  uuid,
  PRIMARY KEY (account_id, item_id, at, event_key)
) PARTITION BY RANGE (at);
CREATE TABLE usage_event_other PARTITION OF usage_event DEFAULT;
CREATE INDEX usage_event_file ON usage_event USING brin (import_id)
  WITH (pages_per_range = 32, autosummarize = on) WHERE import_id IS NOT NULL;
INSERT INTO usage_event
SELECT account_id, item_id, at,
       encode(substring(sha256(int4send(octet_length(convert_to(source, 'UTF8'))) ||
                               convert_to(source, 'UTF8') ||
                               int4send(octet_length(convert_to(event_id, 'UTF8'))) ||
                               convert_to(event_id, 'UTF8')) FOR 16), 'hex')::uuid,
       source, event_id, in_octets, out_octets, import_id
FROM usage_event_before;
INSERT INTO event_key_held SELECT event_key, 0 FROM usage_event ORDER BY event_key;
DROP TABLE usage_event_before;

-- What ingestion asks of a subject, in its own row.
ALTER TABLE subject
  ADD COLUMN time_zone text NOT NULL DEFAULT 'UTC',
  ADD COLUMN watched bool NOT NULL DEFAULT false;
UPDATE subject s SET time_zone = t.time_zone, watched = t.watched
FROM (SELECT item_id, min(time_zone) AS time_zone, bool_or(watched) AS watched FROM item_terms
      GROUP BY item_id) t
WHERE t.item_id = s.item_id;
