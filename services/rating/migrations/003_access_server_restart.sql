-- When access servers said that all their sessions had ended (Accounting-On and -Off).
CREATE TABLE access_server_restart (
  nas text NOT NULL,         -- as session ids begin with it
  at  timestamptz NOT NULL,
  off bool NOT NULL,
  PRIMARY KEY (nas, at, off)
);
