-- Times of the week and holidays with rates of their own; second rates and maxima of calls.
ALTER TABLE deck ADD COLUMN windows text NOT NULL DEFAULT '';    -- "peak Mon-Fri 08:00-18:00"
ALTER TABLE deck ADD COLUMN time_zone text NOT NULL DEFAULT '';  -- '' = the line's

ALTER TABLE deck_rate ADD COLUMN time_window text NOT NULL DEFAULT '';  -- '' = all other times
ALTER TABLE deck_rate ADD COLUMN step_from int4 NOT NULL DEFAULT 0 CHECK (step_from >= 0);
ALTER TABLE deck_rate ADD COLUMN step_per_minute_micros int8 NOT NULL DEFAULT 0
  CHECK (step_per_minute_micros >= 0);
ALTER TABLE deck_rate ADD COLUMN step_increment int4 NOT NULL DEFAULT 0 CHECK (step_increment >= 0);
ALTER TABLE deck_rate ADD COLUMN maximum_micros int8 CHECK (maximum_micros >= 0);
ALTER TABLE deck_rate DROP CONSTRAINT deck_rate_pkey;
ALTER TABLE deck_rate ADD PRIMARY KEY (deck, prefix, valid_from, time_window);
