-- Units bought on top of an item's allowance, each with the price of that moment; never changed.
CREATE TABLE top_up (
  top_up_id   uuid PRIMARY KEY,
  account_id  uuid NOT NULL,
  item_id     uuid NOT NULL,
  code        text NOT NULL,
  description text NOT NULL,
  bought_at   timestamptz NOT NULL,
  bought_on   date NOT NULL,           -- the account's civil day of bought_at
  usable_to   date,                    -- exclusive; NULL: to the end of the whole period of bought_on
  units       numeric NOT NULL,
  unit_name   text NOT NULL,
  bytes       int8 NOT NULL CHECK (bytes > 0),
  price       numeric NOT NULL CHECK (price >= 0),
  currency    text NOT NULL,
  automatic   bool NOT NULL,
  bought_by   text NOT NULL            -- who asked for it
);
CREATE INDEX top_up_item ON top_up (item_id, bought_on);

-- Items of an account that share what they include, by their terms.
ALTER TABLE item_terms ADD COLUMN pool text NOT NULL DEFAULT '';
