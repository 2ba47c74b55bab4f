-- One more with each change of a subject, in its transaction: processes that ingest keep subjects in
-- memory (app/usage_owners) and ask only whether they are as they were.
CREATE TABLE subject_version (
  one     bool PRIMARY KEY DEFAULT true CHECK (one),
  version int8 NOT NULL
);
INSERT INTO subject_version (version) VALUES (1);
