-- Counting the days of a set by the function costs more than all else about a row; it is needed for
-- sets with gaps only.
ALTER TABLE item_coverage DROP CONSTRAINT item_coverage_check;
ALTER TABLE item_coverage ADD CONSTRAINT item_coverage_days CHECK (
  covered_days = CASE WHEN isempty(covered) THEN 0
                      WHEN covered = datemultirange(range_merge(covered))
                      THEN upper(covered) - lower(covered)
                      ELSE multirange_days(covered) END);
-- Every row changes once a cycle: room for its next version beside it.
ALTER TABLE item_coverage SET (fillfactor = 50);
