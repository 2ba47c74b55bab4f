-- Days in a set of dates; the check below holds coverage together.
CREATE FUNCTION multirange_days(r datemultirange) RETURNS int8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT coalesce(sum(upper(x) - lower(x)), 0)::int8 FROM unnest(r) x $$;

-- The current state of an item: which days are billed, and at what (pieces, encoded). A double bill
-- or double credit changes the days without changing the set, so the check refuses it.
CREATE TABLE item_coverage (
  account_id   uuid NOT NULL,
  item_id      uuid NOT NULL,
  covered      datemultirange NOT NULL,
  covered_days int8 NOT NULL,
  version      int8 NOT NULL,
  pieces       bytea NOT NULL,
  PRIMARY KEY (account_id, item_id),
  CHECK (covered_days = multirange_days(covered))
) WITH (fillfactor = 80);

-- What a draft replaced of an item's coverage; voiding the draft brings it back.
CREATE TABLE coverage_replaced (
  account_id  uuid NOT NULL,
  document_id uuid NOT NULL,
  item_id     uuid NOT NULL,
  version     int8 NOT NULL,
  pieces      bytea NOT NULL,
  PRIMARY KEY (account_id, document_id, item_id)
);

-- What usage of a period was billed so far; late usage bills the difference.
CREATE TABLE usage_billed (
  account_id   uuid NOT NULL,
  item_id      uuid NOT NULL,
  meter        text NOT NULL,
  period_start date NOT NULL,
  billed_minor int8 NOT NULL,
  PRIMARY KEY (account_id, item_id, meter, period_start)
);

CREATE TABLE pending_charge (
  account_id   uuid NOT NULL,
  charge_id    uuid NOT NULL,
  source       text NOT NULL,
  source_id    text NOT NULL,
  kind         int2 NOT NULL,
  item_id      uuid,
  location_id  uuid,
  description  text NOT NULL,
  quantity     numeric NOT NULL,
  unit_price   numeric NOT NULL,
  tax_class    text NOT NULL,
  account_code text NOT NULL,
  due_date     date NOT NULL,
  bill_alone   bool NOT NULL,
  state        int2 NOT NULL CHECK (state IN (1, 2, 3)),  -- pending, billed, cancelled
  document_id  uuid,
  created_at   timestamptz NOT NULL,
  PRIMARY KEY (account_id, charge_id),
  UNIQUE (account_id, source, source_id)
);

CREATE TABLE document (
  account_id           uuid NOT NULL,
  document_id          uuid NOT NULL,
  kind                 int2 NOT NULL CHECK (kind IN (1, 2)),  -- invoice, credit note
  account_version      int8 NOT NULL,
  company_id           uuid NOT NULL,
  run_id               uuid,
  chunk                int4 NOT NULL,
  corrects_document_id uuid,
  currency             text NOT NULL,
  as_of                date NOT NULL,
  due_days             int4 NOT NULL,
  service_start        date,
  service_end          date,
  net                  int8 NOT NULL,
  tax                  int8 NOT NULL,
  total                int8 NOT NULL,
  parties              bytea NOT NULL,  -- seller, customer and locations as they were
  language             text NOT NULL,
  held                 bool NOT NULL,   -- waits with an exception
  created_at           timestamptz NOT NULL,
  PRIMARY KEY (account_id, document_id),
  CHECK (total = net + tax)
);
CREATE INDEX document_id ON document (document_id);
CREATE INDEX document_run ON document (run_id, chunk);

CREATE TABLE line (
  account_id       uuid NOT NULL,
  document_id      uuid NOT NULL,
  position         int4 NOT NULL,
  line_id          uuid NOT NULL,
  kind             int2 NOT NULL,
  item_id          uuid,
  location_id      uuid,
  description      text NOT NULL,
  start_date       date,
  end_date         date,
  quantity         numeric NOT NULL,
  unit_price       numeric NOT NULL,
  amount           int8 NOT NULL,
  tax_class        text NOT NULL,
  account_code     text NOT NULL,
  parent_line_id   uuid,
  corrects_line_id uuid,
  corrects_document_id uuid,
  derivation       text NOT NULL,
  source           text NOT NULL,
  source_id        text NOT NULL,
  PRIMARY KEY (account_id, document_id, position)
);
CREATE INDEX line_corrects ON line (corrects_line_id) WHERE corrects_line_id IS NOT NULL;

CREATE TABLE document_tax (
  account_id        uuid NOT NULL,
  document_id       uuid NOT NULL,
  position          int4 NOT NULL,
  rule_id           text NOT NULL,
  jurisdiction_id   text NOT NULL,
  jurisdiction_code text NOT NULL,
  jurisdiction_name text NOT NULL,
  tax_code          text NOT NULL,
  name              text NOT NULL,
  category          text NOT NULL,
  rate              numeric NOT NULL,
  fixed             bool NOT NULL,
  inclusive         bool NOT NULL,
  base              int8 NOT NULL,
  exempt            int8 NOT NULL,
  exempt_reason     text NOT NULL,
  unrounded         numeric NOT NULL,
  amount            int8 NOT NULL,
  line_ids          uuid[] NOT NULL,
  line_bases        int8[] NOT NULL,
  line_exempts      int8[] NOT NULL,
  line_amounts      int8[] NOT NULL,
  PRIMARY KEY (account_id, document_id, position)
);

-- A document is posted when its row is here. Listed table: by series, not by account.
CREATE TABLE posting (
  series       text NOT NULL,
  number       int8 NOT NULL CHECK (number > 0),
  account_id   uuid NOT NULL,
  document_id  uuid NOT NULL UNIQUE,
  invoice_date date NOT NULL,
  due_date     date NOT NULL,
  full_number  text NOT NULL UNIQUE,
  posted_at    timestamptz NOT NULL,
  PRIMARY KEY (series, number)
);
CREATE TABLE series (
  series      text PRIMARY KEY,
  next_number int8 NOT NULL,
  last_date   date NOT NULL
);
CREATE TABLE voiding (
  document_id uuid PRIMARY KEY,
  account_id  uuid NOT NULL,
  reason      text NOT NULL,
  at          timestamptz NOT NULL
);
CREATE TABLE rendering (
  document_id uuid NOT NULL,
  format      int4 NOT NULL,
  content     bytea NOT NULL,
  sha256      text NOT NULL,
  at          timestamptz NOT NULL,
  PRIMARY KEY (document_id, format)
);

CREATE TABLE bill_run (
  run_id      uuid PRIMARY KEY,
  as_of       date NOT NULL,
  mode        int4 NOT NULL,
  scope       bytea NOT NULL,
  state       int4 NOT NULL,
  accounts    int8 NOT NULL,
  chunks      int4 NOT NULL,
  next_post   int4 NOT NULL,
  created_by  text NOT NULL,
  created_at  timestamptz NOT NULL,
  started_at  timestamptz NOT NULL,   -- machine clock
  finished_at timestamptz
);
CREATE TABLE bill_run_chunk (
  run_id       uuid NOT NULL REFERENCES bill_run,
  chunk        int4 NOT NULL,
  account_ids  uuid[] NOT NULL,
  drafted      bool NOT NULL,
  posted       bool NOT NULL,
  documents    int8 NOT NULL,
  credit_notes int8 NOT NULL,
  lines        int8 NOT NULL,
  net          int8 NOT NULL,
  tax          int8 NOT NULL,
  total        int8 NOT NULL,
  exceptions   int8 NOT NULL,
  PRIMARY KEY (run_id, chunk)
);
CREATE TABLE run_exception (
  exception_id uuid PRIMARY KEY,
  run_id       uuid NOT NULL,
  account_id   uuid NOT NULL,
  reason       int4 NOT NULL,
  message      text NOT NULL,
  document_id  uuid,
  amount       int8 NOT NULL,
  currency     text NOT NULL,
  state        int4 NOT NULL,
  created_at   timestamptz NOT NULL
);
CREATE INDEX run_exception_run ON run_exception (run_id, exception_id);
