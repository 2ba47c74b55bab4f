#include "services/rating/domain/freeswitch.h"

#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
#include "libs/status/error.h"

namespace broadbill::rating {
namespace {

std::string Row(const std::string& answer, const std::string& seconds, const std::string& uuid) {
  return absl::StrCat("\"Ann\",\"1001\",\"0049301234\",\"default\",\"2026-03-01 12:00:00\",\"",
                      answer, "\",\"2026-03-01 12:02:00\",\"71\",\"", seconds,
                      "\",\"NORMAL_CLEARING\",\"", uuid, "\",\"\",\"A1\",\"PCMU\",\"PCMU\"\n");
}

std::string Json(const std::string& variables) {
  return "{\"core-uuid\":\"x\",\"variables\":{" + variables +
         "},\"callflow\":[{\"caller_profile\":{\"caller_id_number\":\"%2B15125550142\","
         "\"destination_number\":\"0049301234\"}}]}\n";
}

}  // namespace

TEST_CASE("mod_cdr_csv's default template") {
  const std::string answer = "2026-03-01 12:00:49";
  const auto file =
      ParseFreeswitchCsv(Row(answer, "68", "u1") + Row("", "0", "u2") + Row(answer, "0", "u3") +
                             Row(answer, "x", "u4") + Row("noon", "1", "u5") +
                             Row(answer, "1", "") + "a,b\n" + "\"cut",
                         absl::UTCTimeZone());
  REQUIRE(file.ok());
  REQUIRE(file->records.size() == 1);
  CHECK(file->records[0].key == "freeswitch:u1");
  CHECK(file->records[0].calling == "1001");
  CHECK(file->records[0].called == "0049301234");
  CHECK(file->records[0].account_code == "A1");
  CHECK(file->records[0].seconds == 68);
  CHECK(file->records[0].answered == absl::FromUnixSeconds(1772366449));
  CHECK(file->skipped == 2);
  CHECK(file->errors.size() == 5);
  CHECK(file->read == 8);
  CHECK(ReasonOf(ParseFreeswitchCsv("a,b\n", absl::UTCTimeZone()).status()) == "MISSING_COLUMN");
}

TEST_CASE("mod_json_cdr: seconds by microseconds, the first leg only") {
  const std::string times =
      "\"answer_uepoch\":\"1772366449000001\",\"end_uepoch\":\"1772366516540001\"";
  const auto file = ParseFreeswitchJson(
      Json("\"uuid\":\"u1\",\"accountcode\":\"A1\"," + times) +
      Json("\"uuid\":\"u2\",\"originator\":\"u1\"," + times) +
      Json("\"uuid\":\"u3\",\"answer_uepoch\":\"0\",\"end_uepoch\":\"1772366516540001\"") +
      Json(times) + "{\"a\":1}\nnonsense\n");
  REQUIRE(file.ok());
  REQUIRE(file->records.size() == 1);
  CHECK(file->records[0].key == "freeswitch:u1");
  CHECK(file->records[0].seconds == 68);
  CHECK(file->records[0].calling == "+15125550142");
  CHECK(file->records[0].called == "0049301234");
  CHECK(file->records[0].account_code == "A1");
  CHECK(file->records[0].answered == absl::FromUnixMicros(1772366449000001));
  CHECK(file->skipped == 2);
  CHECK(file->errors.size() == 3);
  CHECK(ReasonOf(ParseFreeswitchJson("nonsense\n").status()) == "MALFORMED_FILE");
}

TEST_CASE(
    "mod_json_cdr: seconds that the switch bills are taken as they are, as its CSV has them") {
  const std::string times =
      "\"answer_uepoch\":\"1772366449900000\",\"end_uepoch\":\"1772366509950000\"";
  const auto file =
      ParseFreeswitchJson(Json("\"uuid\":\"u1\",\"billsec\":\"60\"," + times) +
                          Json("\"uuid\":\"u2\",\"billsec\":\"0\"," + times) +
                          Json("\"uuid\":\"u3\",\"billsec\":\"-1\"," + times) +
                          Json("\"uuid\":\"u4\",\"billsec\":\"4294967296\"," + times));
  REQUIRE(file.ok());
  REQUIRE(file->records.size() == 1);
  CHECK(file->records[0].seconds == 60);
  CHECK(file->skipped == 1);
  REQUIRE(file->errors.size() == 2);
  CHECK(file->errors[0].column == "billsec");
  CHECK(file->errors[1].column == "billsec");
}

TEST_CASE("mod_json_cdr: times at the end of 64 bits are refused") {
  const auto file = ParseFreeswitchJson(
      Json("\"uuid\":\"u1\",\"answer_uepoch\":\"1\",\"end_uepoch\":\"9223372036854775807\"") +
      Json("\"uuid\":\"u2\",\"answer_uepoch\":\"9223372036854775806\","
           "\"end_uepoch\":\"9223372036854775807\""));
  REQUIRE(file.ok());
  CHECK(file->records.empty());
  REQUIRE(file->errors.size() == 2);
  CHECK(file->errors[0].column == "end_uepoch");
  CHECK(file->errors[1].column == "answer_uepoch");
}

TEST_CASE("mod_json_cdr: numbers that are percent-encoded in part or wrongly") {
  const std::string times =
      "\"uuid\":\"u1\",\"answer_uepoch\":\"1772366449000001\",\"end_uepoch\":\"1772366516540001\"";
  const auto file = ParseFreeswitchJson(Json(times + ",\"accountcode\":\"a%2fb%-1%4\""));
  REQUIRE(file.ok());
  REQUIRE(file->records.size() == 1);
  CHECK(file->records[0].account_code == "a/b%-1%4");
}

}  // namespace broadbill::rating
