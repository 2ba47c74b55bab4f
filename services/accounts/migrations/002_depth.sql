ALTER TABLE account ADD FOREIGN KEY (parent_account_id) REFERENCES account;
CREATE INDEX account_parent ON account (parent_account_id) WHERE parent_account_id IS NOT NULL;

ALTER TABLE subscription
  ADD COLUMN coterminous_with uuid,
  ADD COLUMN setup_fee_waived bool NOT NULL DEFAULT false,
  ADD FOREIGN KEY (account_id, coterminous_with) REFERENCES subscription;

ALTER TABLE subscription_change
  ADD COLUMN location_id uuid,         -- kind 8: where it is delivered from the day on
  ADD FOREIGN KEY (account_id, location_id) REFERENCES location,
  DROP CONSTRAINT subscription_change_kind_check,
  ADD CHECK (kind >= 1 AND kind <= 8);
