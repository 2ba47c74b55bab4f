-- All of these are reference data of the seller: read into memory, not by account, except exemptions
-- and resolved areas.
CREATE TABLE jurisdiction (
  code            text PRIMARY KEY,
  jurisdiction_id uuid NOT NULL UNIQUE,
  name            text NOT NULL,
  level           int4 NOT NULL CHECK (level >= 1 AND level <= 5)
);
CREATE TABLE rule (
  rule_id           uuid PRIMARY KEY,
  jurisdiction_code text NOT NULL REFERENCES jurisdiction,
  tax_code          text NOT NULL,
  name              text NOT NULL,
  category          text NOT NULL,
  kind              int4 NOT NULL,
  rate              numeric NOT NULL,
  amount            numeric NOT NULL,
  base_factor       numeric NOT NULL,
  rounding          int4 NOT NULL,
  round_level       int4 NOT NULL,
  valid_from        date NOT NULL,
  valid_to          date NOT NULL CHECK (valid_to > valid_from),
  tax_classes       text[] NOT NULL,
  customer_classes  text[] NOT NULL,
  data_version      text NOT NULL,
  UNIQUE (jurisdiction_code, tax_code, valid_from)
);
CREATE TABLE taxability (
  jurisdiction_prefix text NOT NULL,
  tax_code            text NOT NULL,
  tax_class           text NOT NULL,
  customer_class      text NOT NULL,
  taxable             bool NOT NULL,
  treatment           int4 NOT NULL,
  reason              text NOT NULL,
  valid_from          date NOT NULL,
  valid_to            date NOT NULL,
  PRIMARY KEY (jurisdiction_prefix, tax_code, tax_class, customer_class, valid_from)
);
-- 47 USC 151 note (ITFA): no state or local tax on internet access. Deposits are no sale.
INSERT INTO taxability VALUES
  ('US', '', 'internet_access', '', false, 2, 'ITFA', '1970-01-01', 'infinity'),
  ('', '', 'deposit', '', false, 4, 'NO_SALE', '1970-01-01', 'infinity');
CREATE TABLE boundary (
  country      text NOT NULL,
  region       text NOT NULL,
  zip_low      text NOT NULL,
  zip_high     text NOT NULL,
  plus4_low    text NOT NULL,
  plus4_high   text NOT NULL,
  city         text NOT NULL,
  codes        text[] NOT NULL,
  valid_from   date NOT NULL,
  valid_to     date NOT NULL CHECK (valid_to > valid_from),
  data_version text NOT NULL
);
CREATE INDEX boundary_version ON boundary (data_version);
CREATE TABLE exemption (
  account_id         uuid NOT NULL,
  exemption_id       uuid NOT NULL,
  certificate        text NOT NULL,
  reason             text NOT NULL,
  jurisdiction_codes text[] NOT NULL,
  tax_codes          text[] NOT NULL,
  tax_classes        text[] NOT NULL,
  location_id        text NOT NULL,
  percent            numeric NOT NULL CHECK (percent > 0 AND percent <= 100),
  valid_from         date NOT NULL,
  valid_to           date NOT NULL,
  PRIMARY KEY (account_id, exemption_id)
);
-- Rises with every change of the data above; processes reload when it does.
CREATE TABLE data_state (one bool PRIMARY KEY CHECK (one), version int8 NOT NULL, name text NOT NULL);
INSERT INTO data_state VALUES (true, 1, '');
