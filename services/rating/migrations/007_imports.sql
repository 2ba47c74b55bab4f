-- Files of usage and calls that were loaded.
CREATE TABLE import (
  import_id        uuid PRIMARY KEY,
  kind             int2 NOT NULL,        -- 1 usage, 2 calls
  source_name      text NOT NULL,
  content_hash     bytea NOT NULL CHECK (length(content_hash) = 32),
  received_at      timestamptz NOT NULL, -- by the business clock
  received_by      text NOT NULL,
  rows_read        int8 NOT NULL,
  rows_applied     int8 NOT NULL,
  rows_duplicate   int8 NOT NULL,
  rows_waiting     int8 NOT NULL,
  rows_conflicting int8 NOT NULL,
  rows_malformed   int8 NOT NULL,
  undone_at        timestamptz,
  undone_by        text NOT NULL DEFAULT '',
  note             text NOT NULL DEFAULT ''
);

-- The file that a record came with; NULL for all that comes in other ways. A file's records stand
-- together, so that a summary of blocks finds them and costs those who bring no file nothing.
ALTER TABLE usage_sample ADD COLUMN import_id uuid;
ALTER TABLE usage_event ADD COLUMN import_id uuid;
ALTER TABLE call ADD COLUMN import_id uuid;
CREATE INDEX usage_sample_import ON usage_sample USING brin (import_id)
  WITH (pages_per_range = 32, autosummarize = on) WHERE import_id IS NOT NULL;
CREATE INDEX usage_event_import ON usage_event USING brin (import_id)
  WITH (pages_per_range = 32, autosummarize = on) WHERE import_id IS NOT NULL;
CREATE INDEX call_import ON call USING brin (import_id)
  WITH (pages_per_range = 32, autosummarize = on) WHERE import_id IS NOT NULL;

-- kind 4: a row of a file that cannot be read.
ALTER TABLE waiting
  ADD COLUMN import_id uuid,
  -- 1 waits, 2 dismissed, 3 was corrected and rated: its first form stays known.
  ADD COLUMN state int2 NOT NULL DEFAULT 1 CHECK (state IN (1, 2, 3));
CREATE INDEX waiting_import ON waiting (import_id) WHERE import_id IS NOT NULL;
CREATE UNIQUE INDEX waiting_record ON waiting (record_id);

-- What people did with records that waited.
CREATE TABLE waiting_change (
  change_id  uuid PRIMARY KEY,
  record_id  uuid NOT NULL,
  at         timestamptz NOT NULL,       -- by the business clock
  changed_by text NOT NULL,
  action     int2 NOT NULL,              -- 1 dismissed, 2 taken back, 3 corrected
  note       text NOT NULL,
  before     text NOT NULL               -- what the record said until then
);
CREATE INDEX waiting_change_record ON waiting_change (record_id, change_id);

-- How files of mapped columns are read, by name.
CREATE TABLE import_recipe (
  code       text PRIMARY KEY,
  updated_at timestamptz NOT NULL,       -- by the business clock
  recipe     bytea NOT NULL              -- rating.v1.ImportRecipe
);
