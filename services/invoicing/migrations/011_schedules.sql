-- Bill runs that start by themselves. Listed table: not by account.
CREATE TABLE bill_schedule (
  schedule_id  uuid PRIMARY KEY,
  code         text NOT NULL UNIQUE,
  enabled      bool NOT NULL,
  local_hour   int4 NOT NULL CHECK (local_hour BETWEEN 0 AND 23),
  body         bytea NOT NULL,         -- invoicing.v1.BillSchedule: scope, mode, checks
  done_through date NOT NULL,          -- a later day's run is still to be started
  last_run_id  uuid,
  last_error   text NOT NULL
);

-- What a run may post without approval; a run without a row posts any amount.
CREATE TABLE bill_run_approval (
  run_id         uuid PRIMARY KEY,
  approval_above numeric NOT NULL
);
