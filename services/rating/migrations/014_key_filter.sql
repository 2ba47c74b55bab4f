-- What event_key_held surely does not hold (store/key_filter): Bloom filters of its ids by slice of
-- the space of keys (the first byte). They change in the transactions that move ids, so every
-- process that ingests reads what is true.
CREATE TABLE event_key_slice (
  slice   int2 PRIMARY KEY CHECK (slice BETWEEN 0 AND 255),
  version int8 NOT NULL,   -- one more with each move
  covered bool NOT NULL    -- its filters know all its ids; false: until its next move
);
INSERT INTO event_key_slice
SELECT s, 0, NOT EXISTS (SELECT FROM event_key_held) FROM generate_series(0, 255) s;
CREATE TABLE event_key_filter (
  slice int2 NOT NULL,
  part  int4 NOT NULL,     -- 0, 1, …; only the last one changes
  keys  int4 NOT NULL,
  bits  bytea NOT NULL,
  PRIMARY KEY (slice, part)
);
ALTER TABLE event_key_filter ALTER COLUMN bits SET STORAGE EXTERNAL;
