#include "libs/convert/convert.h"

#include <catch2/catch.hpp>

namespace broadbill::convert {

TEST_CASE("dates, instants, money and decimals come back") {
  Violations violations;
  const CivilDay day(2026, 2, 28);
  CHECK(ReadDate(ToProto(day), "date", violations) == day);
  const absl::Time at = absl::FromUnixMicros(-1234567);
  CHECK(FromProto(ToProto(at)) == at);
  CHECK(ReadMoney(ToMoney(-2129, "USD"), "USD", "amount", violations) == -2129);
  CHECK(ReadMoney(ToMoney(500, "JPY"), "JPY", "amount", violations) == 500);
  CHECK(violations.ToStatus().ok());
}

TEST_CASE("what is wrong is collected by field") {
  Violations violations;
  google::type::Date date;
  ReadDate(date, "as_of", violations);
  date.set_year(2026);
  date.set_month(2);
  date.set_day(30);
  ReadDate(date, "start", violations);
  ReadDecimal({}, "price", violations);
  ReadMoney(ToMoney(1, "EUR"), "USD", "amount", violations);
  ReadId("acc", "", "account_id", violations);
  ReadPageSize(-1, 100, violations);
  CHECK(ViolationsOf(violations.ToStatus()).size() == 6);
}

TEST_CASE("page tokens are opaque and checked") {
  CHECK(ReadPageToken(MakePageToken("key\xff")).value() == "key\xff");
  CHECK(ReadPageToken("").value().empty());
  CHECK_FALSE(ReadPageToken("bm9uc2Vuc2U").ok());
}

}  // namespace broadbill::convert
