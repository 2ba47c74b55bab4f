-- Which file set a row belongs to: a state's Streamlined files are complete, so a new one replaces
-- the rows of the state's last one; other files replace the rows of their own version. '' = by hand.
ALTER TABLE rule ADD COLUMN file_set text NOT NULL DEFAULT '';
CREATE INDEX rule_file_set ON rule (file_set);
ALTER TABLE boundary ADD COLUMN file_set text NOT NULL DEFAULT '';
UPDATE boundary SET file_set = data_version;
DROP INDEX boundary_version;
CREATE INDEX boundary_file_set ON boundary (file_set);
-- Areas are many and change once a quarter: they have a version of their own, so that another change
-- does not make processes read them all again.
ALTER TABLE data_state ADD COLUMN area_version int8 NOT NULL DEFAULT 1;
