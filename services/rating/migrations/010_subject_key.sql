-- Whoever looks a subject up knows its value but not always its kind: with the value first, a batch
-- of values is looked for once and not once for each kind.
ALTER TABLE subject DROP CONSTRAINT subject_pkey;
ALTER TABLE subject ADD PRIMARY KEY (value, kind, item_id, valid_from);
-- Random bytes: compressing them costs time and saves nothing.
ALTER TABLE usage_touched ALTER COLUMN items SET STORAGE EXTERNAL;
