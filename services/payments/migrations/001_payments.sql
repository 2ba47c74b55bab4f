-- Who a customer is, from accounts' feed: for imports by number and for policies by group.
CREATE TABLE customer (
  account_id     uuid PRIMARY KEY,
  account_number text NOT NULL,
  external_id    text NOT NULL,
  currency       text NOT NULL,
  account_group  text NOT NULL,
  time_zone      text NOT NULL
);
CREATE INDEX customer_number ON customer (account_number);

-- The ledger: one debit account, one credit account, an amount above zero. Only ever inserted.
CREATE TABLE transfer (
  account_id     uuid NOT NULL,
  transfer_id    uuid NOT NULL,
  transaction_id uuid NOT NULL,
  kind           int4 NOT NULL,
  debit          text NOT NULL,
  credit         text NOT NULL CHECK (credit <> debit),
  currency       text NOT NULL,
  amount         int8 NOT NULL CHECK (amount > 0),
  value_date     date NOT NULL,
  posting_date   date NOT NULL,
  document_id    uuid,
  payment_id     uuid,
  PRIMARY KEY (account_id, transfer_id)
);

-- Open items: what each posted invoice still lacks.
CREATE TABLE item (
  account_id   uuid NOT NULL,
  document_id  uuid NOT NULL,
  number       text NOT NULL,
  currency     text NOT NULL,
  invoice_date date NOT NULL,
  due_date     date NOT NULL,
  total        int8 NOT NULL CHECK (total >= 0),
  open         int8 NOT NULL CHECK (open >= 0 AND open <= total),
  fees         int8 NOT NULL,          -- part of the total that is late fees
  PRIMARY KEY (account_id, document_id)
);
CREATE INDEX item_open ON item (account_id, due_date) WHERE open > 0;

-- Payments and credit notes: what the customer has given or been given.
CREATE TABLE credit (
  account_id   uuid NOT NULL,
  credit_id    uuid NOT NULL,
  kind         int4 NOT NULL,          -- Payment.Kind; 0 = credit note
  currency     text NOT NULL,
  amount       int8 NOT NULL CHECK (amount > 0),
  unapplied    int8 NOT NULL CHECK (unapplied >= 0),
  refunded     int8 NOT NULL CHECK (refunded >= 0),
  value_date   date NOT NULL,
  posting_date date NOT NULL,
  manual_hold  bool NOT NULL,
  reference    text NOT NULL,
  method_id    uuid,
  attempt_id   uuid UNIQUE,
  created_at   timestamptz NOT NULL,
  PRIMARY KEY (account_id, credit_id),
  CHECK (unapplied + refunded <= amount)
);
CREATE INDEX credit_unapplied ON credit (account_id) WHERE unapplied > 0;
CREATE INDEX credit_id ON credit (credit_id);

CREATE TABLE allocation (
  account_id    uuid NOT NULL,
  allocation_id uuid NOT NULL,
  credit_id     uuid NOT NULL,
  document_id   uuid NOT NULL,
  amount        int8 NOT NULL CHECK (amount > 0),
  value_date    date NOT NULL,
  posting_date  date NOT NULL,
  PRIMARY KEY (account_id, allocation_id)
);
CREATE INDEX allocation_document ON allocation (account_id, document_id);

CREATE TABLE payment_method (
  account_id uuid NOT NULL,
  method_id  uuid NOT NULL,
  kind       int4 NOT NULL,
  processor  text NOT NULL,
  token      text NOT NULL CHECK (token <> ''),
  label      text NOT NULL,
  state      int4 NOT NULL,
  last_decline text NOT NULL,
  PRIMARY KEY (account_id, method_id)
);
CREATE TABLE autopay (
  account_id  uuid PRIMARY KEY,
  enabled     bool NOT NULL,
  method_id   uuid NOT NULL,
  day         int4 NOT NULL,
  offset_days int4 NOT NULL,
  amount      int4 NOT NULL
);

-- Stored before the processor is called; an unknown outcome blocks new attempts until it is settled.
CREATE TABLE attempt (
  account_id   uuid NOT NULL,
  attempt_id   uuid NOT NULL,
  method_id    uuid NOT NULL,
  token        text NOT NULL,
  currency     text NOT NULL,
  amount       int8 NOT NULL CHECK (amount > 0),
  number       int4 NOT NULL,
  first_date   date NOT NULL,
  scheduled    date NOT NULL,
  state        int4 NOT NULL,
  decline_code text NOT NULL,
  hard         bool NOT NULL,
  next_retry   date,
  created_at   timestamptz NOT NULL,
  PRIMARY KEY (account_id, attempt_id)
);
CREATE UNIQUE INDEX attempt_open ON attempt (account_id) WHERE state IN (1, 2, 3);
CREATE INDEX attempt_retry ON attempt (next_retry) WHERE next_retry IS NOT NULL;

-- The simulator's own books: what a real processor would know. Not part of the ledger.
CREATE TABLE simulator_charge (
  idempotency_key uuid PRIMARY KEY,
  token           text NOT NULL,
  amount          int8 NOT NULL,
  succeeded       bool NOT NULL,
  decline_code    text NOT NULL,
  hard            bool NOT NULL,
  sequence        int8 NOT NULL
);
CREATE INDEX simulator_token ON simulator_charge (token);

CREATE TABLE policy (
  policy_id uuid PRIMARY KEY,
  code      text NOT NULL UNIQUE,
  account_group text NOT NULL,
  body      bytea NOT NULL             -- payments.v1.DunningPolicy
);
CREATE TABLE fired_step (
  account_id  uuid NOT NULL,
  document_id uuid NOT NULL,
  step        text NOT NULL,
  occurrence  int4 NOT NULL,
  fired_on    date NOT NULL,
  amount      int8 NOT NULL,
  PRIMARY KEY (account_id, document_id, step, occurrence)
);
