-- Read models, built from the feeds of accounts, invoicing and payments only.

-- The feeds of one partition are applied one after the other: what one writes, the next one sees.
-- Listed tables (not by account): feed_lock, feed_applied, tax, ledger_code and the sums by day.
CREATE TABLE feed_lock (
  partition int2 PRIMARY KEY
);
INSERT INTO feed_lock SELECT p FROM generate_series(0, 63) p;
CREATE TABLE feed_applied (
  source    text NOT NULL,
  partition int2 NOT NULL,
  at        timestamptz NOT NULL,      -- of the last event applied
  PRIMARY KEY (source, partition)
);

-- Who a customer is. A nil company: only payments has told of it so far.
CREATE TABLE account (
  account_id     uuid PRIMARY KEY,
  account_number text NOT NULL,
  name           text NOT NULL,
  company_id     uuid NOT NULL,
  currency       text NOT NULL,
  version        int8 NOT NULL
);

-- Posted documents, as they were.
CREATE TABLE document (
  account_id     uuid NOT NULL,
  document_id    uuid NOT NULL,
  kind           int2 NOT NULL CHECK (kind IN (1, 2)),  -- invoice, credit note
  number         text NOT NULL COLLATE "C",
  company_id     uuid NOT NULL,
  run_id         uuid,
  currency       text NOT NULL,
  invoice_date   date NOT NULL,
  due_date       date,
  net            int8 NOT NULL,
  tax            int8 NOT NULL,
  total          int8 NOT NULL,
  account_number text NOT NULL,
  customer_name  text NOT NULL,
  PRIMARY KEY (account_id, document_id)
);
CREATE INDEX document_date ON document (invoice_date, number);

-- Drafts that wait; gone when posted or voided.
CREATE TABLE draft (
  account_id    uuid NOT NULL,
  document_id   uuid NOT NULL,
  kind          int2 NOT NULL CHECK (kind IN (1, 2)),
  company_id    uuid NOT NULL,
  run_id        uuid,
  currency      text NOT NULL,
  as_of         date NOT NULL,
  net           int8 NOT NULL,
  tax           int8 NOT NULL,
  total         int8 NOT NULL,
  customer_name text NOT NULL,
  PRIMARY KEY (account_id, document_id)
);
CREATE INDEX draft_id ON draft (document_id);

-- The ledger's entries as payments told them: one debit account, one credit account.
CREATE TABLE entry (
  account_id   uuid NOT NULL,
  transfer_id  uuid NOT NULL,
  kind         int2 NOT NULL,
  debit        text NOT NULL,
  credit       text NOT NULL,
  currency     text NOT NULL,
  amount       int8 NOT NULL CHECK (amount > 0),
  value_date   date NOT NULL,
  posting_date date NOT NULL,
  document_id  uuid,
  payment_id   uuid,
  PRIMARY KEY (account_id, transfer_id)
);
-- Entries come in order of their dates, nearly: block ranges find those after a day for a few bytes.
CREATE INDEX entry_posting ON entry USING brin (posting_date) WITH (pages_per_range = 16);
CREATE INDEX entry_value ON entry USING brin (value_date) WITH (pages_per_range = 16);

-- What is open now of each document, and what each account owes and holds now. A past day is now
-- less the entries after it.
CREATE TABLE item (
  account_id  uuid NOT NULL,
  document_id uuid NOT NULL,
  currency    text NOT NULL,
  due_date    date NOT NULL,
  credit_note bool NOT NULL,
  open        int8 NOT NULL,           -- credit notes: what is not applied, 0 or less
  PRIMARY KEY (account_id, document_id)
) WITH (fillfactor = 80);
CREATE TABLE balance (
  account_id uuid NOT NULL,
  currency   text NOT NULL,
  receivable int8 NOT NULL,
  credit     int8 NOT NULL,            -- the customer's, as a positive amount
  PRIMARY KEY (account_id, currency)
) WITH (fillfactor = 80);

CREATE TABLE payment (
  account_id uuid NOT NULL,
  payment_id uuid NOT NULL,
  kind       int2 NOT NULL,
  currency   text NOT NULL,
  amount     int8 NOT NULL CHECK (amount > 0),
  value_date date NOT NULL,
  PRIMARY KEY (account_id, payment_id)
);
CREATE INDEX payment_value ON payment USING brin (value_date) WITH (pages_per_range = 16);
CREATE TABLE decline (
  account_id uuid NOT NULL,
  attempt_id uuid NOT NULL,
  kind       int2 NOT NULL,
  currency   text NOT NULL,
  amount     int8 NOT NULL,
  day        date NOT NULL,
  PRIMARY KEY (account_id, attempt_id)
);

-- The general ledger by day: payments' entries, and the split of sales_clearing into revenue and tax.
CREATE TABLE ledger_day (
  partition    int2 NOT NULL,
  posting_date date NOT NULL,
  company_id   uuid NOT NULL,
  currency     text NOT NULL,
  code         text NOT NULL,
  debits       int8 NOT NULL,
  credits      int8 NOT NULL,
  PRIMARY KEY (partition, posting_date, company_id, currency, code)
);
CREATE TABLE ledger_code (
  code text PRIMARY KEY,
  name text NOT NULL
);

-- Taxes: what each is, and sums by day.
CREATE TABLE tax (
  tax_id            uuid PRIMARY KEY,  -- made from all of the below
  jurisdiction_id   text NOT NULL,
  jurisdiction_code text NOT NULL,
  jurisdiction_name text NOT NULL,
  tax_code          text NOT NULL,
  tax_name          text NOT NULL,
  rate              numeric NOT NULL
);
CREATE TABLE tax_day (
  partition    int2 NOT NULL,
  invoice_date date NOT NULL,
  company_id   uuid NOT NULL,
  currency     text NOT NULL,
  credit_notes bool NOT NULL,
  tax_id       uuid NOT NULL,
  taxable      int8 NOT NULL,
  exempt       int8 NOT NULL,
  amount       int8 NOT NULL,
  documents    int8 NOT NULL,
  PRIMARY KEY (partition, invoice_date, company_id, currency, credit_notes, tax_id)
);
CREATE TABLE exempt_day (
  partition    int2 NOT NULL,
  invoice_date date NOT NULL,
  company_id   uuid NOT NULL,
  currency     text NOT NULL,
  credit_notes bool NOT NULL,
  tax_id       uuid NOT NULL,
  reason       text NOT NULL,
  amount       int8 NOT NULL,
  PRIMARY KEY (partition, invoice_date, company_id, currency, credit_notes, tax_id, reason)
);
