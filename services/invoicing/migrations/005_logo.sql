-- Logo images of companies, by content: documents name the one they were made with.
CREATE TABLE logo (
  sha256  text PRIMARY KEY,
  content bytea NOT NULL
);
