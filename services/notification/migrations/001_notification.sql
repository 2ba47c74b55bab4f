-- Who the customers are and whom to write to, from accounts' feed. A row that is not `known` yet was
-- made by an event that came before the account's own.
CREATE TABLE customer (
  account_id     uuid PRIMARY KEY,
  known          bool NOT NULL,
  account_number text NOT NULL,
  company_id     uuid NOT NULL,
  name           text NOT NULL,
  language       text NOT NULL
);
CREATE TABLE contact (
  account_id        uuid NOT NULL,
  contact_id        uuid NOT NULL,
  name              text NOT NULL,
  email             text NOT NULL,
  receives_invoices bool NOT NULL,
  receives_notices  bool NOT NULL,
  PRIMARY KEY (account_id, contact_id)
);
CREATE TABLE preference (
  account_id uuid PRIMARY KEY,
  muted      text[] NOT NULL,          -- template codes
  version    int8 NOT NULL
);

-- Own templates; the built-in ones are code.
CREATE TABLE template (
  code       text NOT NULL CHECK (code <> ''),
  language   text NOT NULL,            -- '' = every language
  company_id text NOT NULL,            -- '' = every company
  subject    text NOT NULL CHECK (subject <> ''),
  text_body  text NOT NULL CHECK (text_body <> ''),
  html_body  text NOT NULL,
  version    int8 NOT NULL,
  PRIMARY KEY (code, language, company_id)
);

-- One message to one recipient, and the fact it tells. It is the queue as well: in state 1 it may be
-- taken from `due_at` on (machine clock); while `leased`, that is when its worker is given up.
CREATE TABLE message (
  account_id     uuid NOT NULL,
  message_id     uuid NOT NULL,
  event_id       uuid NOT NULL,
  template       text NOT NULL,
  contact_id     uuid NOT NULL,        -- nil: nobody (suppressed), or not addressed yet
  recipient      text NOT NULL,        -- '' likewise
  recipient_name text NOT NULL,
  document_id    uuid,
  number         text NOT NULL,
  currency       text NOT NULL,
  amount         int8 NOT NULL,
  day            date,
  due            date,
  method         text NOT NULL,
  reference      text NOT NULL,
  reason         text NOT NULL,
  state          int2 NOT NULL CHECK (state BETWEEN 1 AND 4),  -- Message.State
  error          text NOT NULL,
  subject        text NOT NULL,        -- of the last try
  file_name      text NOT NULL,        -- the attachment of the last try
  file_size      int8 NOT NULL,
  tries          int4 NOT NULL,
  strikes        int4 NOT NULL,        -- refusals since it was queued
  created_at     timestamptz NOT NULL,
  delivered_at   timestamptz,
  due_at         timestamptz NOT NULL,
  leased         bool NOT NULL,
  fence          int8 NOT NULL,        -- rises with every claim
  PRIMARY KEY (account_id, message_id),
  UNIQUE (account_id, event_id, template, contact_id),
  CHECK (state <> 2 OR (recipient <> '' AND delivered_at IS NOT NULL))
);
CREATE INDEX message_id ON message (message_id);
CREATE INDEX message_state ON message (state, template);
CREATE INDEX message_document ON message (document_id) WHERE document_id IS NOT NULL;
CREATE INDEX message_queue ON message (due_at) WHERE state = 1 AND recipient <> '';
CREATE INDEX message_unaddressed ON message (account_id) WHERE state = 1 AND recipient = '';

-- One try, with the words that were sent. Only ever inserted.
CREATE TABLE delivery (
  account_id uuid NOT NULL,
  message_id uuid NOT NULL,
  number     int4 NOT NULL,
  at         timestamptz NOT NULL,
  ok         bool NOT NULL,
  smtp_code  int4 NOT NULL,
  detail     text NOT NULL,
  elapsed_ms int8 NOT NULL,
  text_body  text NOT NULL,
  html_body  text NOT NULL,
  PRIMARY KEY (account_id, message_id, number)
);
