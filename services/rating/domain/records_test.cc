#include "services/rating/domain/records.h"

#include <catch2/catch.hpp>

#include "libs/status/error.h"
#include "services/rating/domain/overage.h"

namespace broadbill::rating {

TEST_CASE("a detail file: records, odd lines, missing attributes") {
  const char* const text =
      "Sun Mar  1 00:10:00 2026\n"
      "\tAcct-Status-Type = Interim-Update\n"
      "\tUser-Name = \"ann\"\n"
      "\tAcct-Session-Id = \"S1\"\n"
      "\tNAS-IP-Address = 127.0.0.1\n"
      "\tAcct-Session-Time = 600\n"
      "\tAcct-Input-Octets = 100\n"
      "\tAcct-Output-Octets = 5\n"
      "\tAcct-Output-Gigawords = 2\n"
      "\tEvent-Timestamp = \"Mar  1 2026 00:10:00 UTC\"\n"
      "\tTimestamp = 1772323801\n"
      "\n"
      "Sun Mar  1 00:11:00 2026\n"
      "\tAcct-Status-Type = Accounting-On\n"
      "\tTimestamp = 1772323801\n"
      "\n"
      "Sun Mar  1 00:12:00 2026\n"
      "\tAcct-Status-Type = Stop\n"
      "\tAcct-Session-Id = \"S2\"\n"
      "\tnonsense\n"
      "\tTimestamp = 1772323801\n";
  const auto parsed = ParseDetail(text, absl::UTCTimeZone());
  CHECK(parsed.read == 3);
  CHECK(parsed.skipped == 1);
  REQUIRE(parsed.records.size() == 1);
  const RadiusRecord& record = parsed.records[0];
  CHECK(record.user_name == "ann");
  CHECK(record.session_id == "127.0.0.1/S1");
  CHECK(record.sample.in_octets == 2 * (uint64_t{1} << 32) + 5);
  CHECK(record.sample.out_octets == 100);
  CHECK(absl::ToUnixSeconds(record.sample.at) == 1772323800);
  REQUIRE(parsed.errors.size() == 2);
  CHECK(parsed.errors[0].line == 20);
  CHECK(parsed.errors[1].column == "User-Name");
  CHECK(parsed.errors[1].line == 17);
}

TEST_CASE("a radacct export lacking a needed column is refused whole") {
  const auto parsed = ParseRadacct("acctsessionid,username\n1,a\n", absl::UTCTimeZone());
  CHECK(ReasonOf(parsed.status()) == "MISSING_COLUMN");
  CHECK(std::string(parsed.status().message()).find("acctinputoctets") != std::string::npos);
}

TEST_CASE("Asterisk rows: identity, what is not billable, what is malformed") {
  const std::string row =
      "\"\",\"16125550142\",\"01149301234567\",\"c\",\"x\",\"SIP/1\",\"\",\"Dial\",\"\","
      "\"2026-03-01 10:00:00\",\"2026-03-01 10:00:05\",\"2026-03-01 10:01:05\",65,60,\"ANSWERED\","
      "\"DOCUMENTATION\"";
  const auto parsed =
      ParseAsterisk(row + "\n" + row + "\n" + row + ",\"u1\",\"\",\"\",\"u1\",7\n" +
                        "\"\",\"1\",\"2\",\"c\",\"x\",\"s\",\"\",\"Dial\",\"\",\"2026-03-01 "
                        "10:00:00\",,\"2026-03-01 10:01:05\",65,60,\"NO ANSWER\",\"D\"\n" +
                        "\"too\",\"short\"\n",
                    absl::UTCTimeZone());
  REQUIRE(parsed.records.size() == 3);
  CHECK(parsed.records[0].key != parsed.records[1].key);
  CHECK(parsed.records[2].key == "u1:7");
  CHECK(parsed.skipped == 1);
  REQUIRE(parsed.errors.size() == 1);
  CHECK(parsed.errors[0].line == 5);
}

TEST_CASE("data: allowance, started blocks, proration, maximum") {
  DataTerms terms;
  terms.allowance = Decimal::FromInt(100);
  terms.block_size = Decimal::FromInt(10);
  terms.block_price = Decimal::FromInt(5);
  const int64_t gb = 1000000000;
  CHECK(PriceData(terms, 60 * gb, 40 * gb, 31, 31, 2)->amount_minor == 0);
  CHECK(PriceData(terms, 60 * gb, 40 * gb + 1, 31, 31, 2)->amount_minor == 500);
  CHECK(PriceData(terms, 112 * gb, 0, 31, 31, 2)->blocks == 2);
  terms.direction = Direction::kOut;
  CHECK(PriceData(terms, 112 * gb, 0, 31, 31, 2)->amount_minor == 0);
  terms.direction = Direction::kIn;
  terms.prorate_allowance = true;
  // 22 of 31 days: 70.97 rounded up to 71 GB.
  CHECK(PriceData(terms, 71 * gb, 0, 22, 31, 2)->amount_minor == 0);
  CHECK(PriceData(terms, 72 * gb, 0, 22, 31, 2)->amount_minor == 500);
  terms.maximum_charge = Decimal::FromInt(7);
  CHECK(PriceData(terms, 300 * gb, 0, 31, 31, 2)->amount_minor == 700);
}

}  // namespace broadbill::rating
