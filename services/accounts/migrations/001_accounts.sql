CREATE TABLE company (
  company_id uuid PRIMARY KEY,
  code       text NOT NULL UNIQUE CHECK (code <> ''),
  version    int8 NOT NULL,
  body       jsonb NOT NULL            -- broadbill.accounts.v1.Company
);

CREATE TABLE account (
  account_id        uuid PRIMARY KEY,
  bucket            int2 NOT NULL CHECK (bucket >= 0 AND bucket < 64),
  company_id        uuid NOT NULL REFERENCES company,
  account_number    text NOT NULL CHECK (account_number <> ''),
  external_id       text NOT NULL,
  parent_account_id uuid,
  name              text NOT NULL CHECK (name <> ''),
  customer_class    text NOT NULL,
  currency          text NOT NULL,
  time_zone         text NOT NULL,
  language          text NOT NULL,
  cycle_days        date[] NOT NULL,   -- first days of …
  cycle_day_values  int4[] NOT NULL,   -- … these cycle days, 1 to 31
  anchor_rule       int4 NOT NULL,
  bill_ahead_days   int4 NOT NULL CHECK (bill_ahead_days >= 0),
  terms_days        int4 NOT NULL CHECK (terms_days >= 0),
  document_mode     int4 NOT NULL,
  state             int4 NOT NULL,
  billing_address   bytea NOT NULL,    -- common.v1.Address
  tax_id            text NOT NULL,
  account_group     text NOT NULL,
  version           int8 NOT NULL,
  created_at        timestamptz NOT NULL,
  updated_at        timestamptz NOT NULL,
  UNIQUE (company_id, account_number)
);
CREATE INDEX account_bucket ON account (bucket, account_id);
CREATE INDEX account_external ON account (external_id) WHERE external_id <> '';

CREATE TABLE contact (
  account_id        uuid NOT NULL REFERENCES account,
  contact_id        uuid NOT NULL,
  name              text NOT NULL,
  email             text NOT NULL,
  phone             text NOT NULL,
  receives_invoices bool NOT NULL,
  receives_notices  bool NOT NULL,
  PRIMARY KEY (account_id, contact_id)
);

CREATE TABLE location (
  account_id  uuid NOT NULL REFERENCES account,
  location_id uuid NOT NULL,
  external_id text NOT NULL,
  name        text NOT NULL,
  address     bytea NOT NULL,          -- common.v1.Address
  PRIMARY KEY (account_id, location_id)
);

CREATE TABLE plan (
  plan_id uuid PRIMARY KEY,
  code    text NOT NULL UNIQUE CHECK (code <> ''),
  version int8 NOT NULL,
  body    jsonb NOT NULL               -- broadbill.accounts.v1.Plan, prices included
);

CREATE TABLE subscription (
  account_id      uuid NOT NULL REFERENCES account,
  subscription_id uuid NOT NULL,
  external_id     text NOT NULL,
  location_id     uuid,
  plan_id         uuid NOT NULL REFERENCES plan,
  quantity        numeric NOT NULL CHECK (quantity > 0),
  start_date      date NOT NULL,
  end_date        date,
  price_override  numeric CHECK (price_override >= 0),
  override_reason text NOT NULL,
  months          int4 NOT NULL CHECK (months >= 0 AND months <= 60),
  days            int4 NOT NULL CHECK (days >= 0),
  paid_through    date,
  description     text NOT NULL,
  no_refund       bool NOT NULL,
  version         int8 NOT NULL,
  acknowledged    int4 NOT NULL,       -- service state the network confirmed
  acknowledged_at timestamptz,
  PRIMARY KEY (account_id, subscription_id)
);
CREATE UNIQUE INDEX subscription_id ON subscription (subscription_id);
CREATE UNIQUE INDEX subscription_external ON subscription (external_id) WHERE external_id <> '';

CREATE TABLE subscription_change (
  account_id      uuid NOT NULL,
  subscription_id uuid NOT NULL,
  change_id       uuid NOT NULL,
  effective       date NOT NULL,
  entered         int8 NOT NULL,
  kind            int2 NOT NULL CHECK (kind >= 1 AND kind <= 7),
  plan_id         uuid REFERENCES plan,
  keep_price      bool NOT NULL,
  value           numeric,
  reason          text NOT NULL,
  no_refund       bool NOT NULL,
  created_by      text NOT NULL,
  created_at      timestamptz NOT NULL,
  PRIMARY KEY (account_id, subscription_id, change_id),
  FOREIGN KEY (account_id, subscription_id) REFERENCES subscription
);

CREATE TABLE discount (
  account_id      uuid NOT NULL REFERENCES account,
  discount_id     uuid NOT NULL,
  subscription_id uuid,                -- NULL: the whole account
  label           text NOT NULL CHECK (label <> ''),
  percent         numeric CHECK (percent >= 0 AND percent <= 100),
  amount          numeric CHECK (amount >= 0),
  from_date       date,
  to_date         date,
  periods         int4 NOT NULL CHECK (periods >= 0),
  position        int4 NOT NULL,
  account_code    text NOT NULL,
  PRIMARY KEY (account_id, discount_id),
  CHECK ((percent IS NULL) <> (amount IS NULL))
);

CREATE TABLE identifier (
  account_id      uuid NOT NULL REFERENCES account,
  identifier_id   uuid NOT NULL,
  subscription_id uuid NOT NULL,
  kind            int4 NOT NULL,
  value           text NOT NULL CHECK (value <> ''),
  from_date       date NOT NULL,
  to_date         date NOT NULL,       -- exclusive; infinity = open
  PRIMARY KEY (account_id, identifier_id),
  CHECK (to_date > from_date)
);
CREATE INDEX identifier_value ON identifier (kind, value);
CREATE INDEX identifier_subscription ON identifier (subscription_id);
