-- What rating wants of the network while a period's included usage is used up. Apart from suspensions:
-- billing does not read it.
CREATE TABLE usage_cap (
  account_id      uuid NOT NULL,
  subscription_id uuid NOT NULL,
  action          int2 NOT NULL CHECK (action IN (0, 2, 3)),  -- 0 lifted, 2 throttle, 3 block
  download_kbps   int8 NOT NULL CHECK (download_kbps >= 0),
  upload_kbps     int8 NOT NULL CHECK (upload_kbps >= 0),
  since           timestamptz NOT NULL,
  changes         int8 NOT NULL,
  PRIMARY KEY (account_id, subscription_id),
  FOREIGN KEY (account_id, subscription_id) REFERENCES subscription
);
