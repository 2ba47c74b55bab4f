-- Documents by month of their id (UUIDv7: its first 48 bits are the time): old months do not slow
-- new rows. Months are made when the first document of one is drafted; what was there before stays
-- as one part. Listed table (not by account): document_month.
CREATE TABLE document_month (
  from_date date PRIMARY KEY,
  to_date   date NOT NULL CHECK (to_date > from_date)  -- exclusive
);
DO $$
DECLARE
  part text;
  last uuid;
  bound timestamptz;
BEGIN
  SELECT document_id INTO last FROM document ORDER BY document_id DESC LIMIT 1;
  IF last IS NOT NULL THEN
    bound := date_trunc('month', to_timestamp(('x' || translate(left(last::text, 13), '-', ''))::bit(48)::int8
             / 1000.0) AT TIME ZONE 'UTC') + interval '1 month';
    INSERT INTO document_month VALUES ('-infinity', bound::date);
  END IF;
  FOREACH part IN ARRAY ARRAY['document', 'line', 'document_tax'] LOOP
    EXECUTE format('ALTER TABLE %I RENAME TO %I', part, part || '_before');
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL) PARTITION BY RANGE (document_id)', part,
                   part || '_before');
    IF last IS NULL THEN
      EXECUTE format('DROP TABLE %I', part || '_before');
    ELSE
      EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)', part,
                     part || '_before',
                     (lpad(to_hex((extract(epoch FROM bound) * 1000)::int8), 12, '0')
                      || repeat('0', 20))::uuid);
    END IF;
  END LOOP;
END $$;
