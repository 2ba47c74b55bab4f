#include "services/notification/app/mailer.h"

#include <catch2/catch.hpp>

namespace broadbill::notification {

TEST_CASE("a refused message is tried again ever more rarely, and not for ever") {
  const absl::Duration first = absl::Minutes(1);
  CHECK(RetryAfter(1, first) == absl::Minutes(1));
  CHECK(RetryAfter(2, first) == absl::Minutes(2));
  CHECK(RetryAfter(8, first) == absl::Minutes(128));
  CHECK(RetryAfter(9, first) == absl::Hours(4));
  CHECK(RetryAfter(11, first) == absl::Hours(4));
  CHECK_FALSE(RetryAfter(12, first).has_value());
}

TEST_CASE("where mail goes is checked before anything is sent there") {
  for (const char* good : {"smtp://127.0.0.1:25", "smtps://mail.isp.example"}) {
    CHECK(CheckSmtpUrl(good).ok());
  }
  for (const char* bad : {"", "smtp://", "http://mail.isp.example", "mail.isp.example",
                          "smtp://user:secret@mail.isp.example"}) {
    CHECK_FALSE(CheckSmtpUrl(bad).ok());
  }
}

}  // namespace broadbill::notification
