-- API keys. The secret itself is never stored: 256 random bits need no slow hash, so a BLAKE2b-256
-- digest is kept and compared in constant time.
CREATE TABLE api_key (
  key_id      uuid PRIMARY KEY,
  name        text NOT NULL CHECK (name <> ''),
  digest      bytea NOT NULL CHECK (length(digest) = 32),
  permissions text[] NOT NULL CHECK (cardinality(permissions) > 0),
  account_id  text NOT NULL,
  hint        text NOT NULL,
  created_by  text NOT NULL,
  created_at  timestamptz NOT NULL,
  expires_at  timestamptz,
  revoked_at  timestamptz
);
