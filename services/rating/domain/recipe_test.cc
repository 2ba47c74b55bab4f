#include "services/rating/domain/recipe.h"

#include <catch2/catch.hpp>
#include <limits>

#include "absl/strings/str_cat.h"
#include "libs/status/error.h"

namespace broadbill::rating {
namespace {

std::string Digest(const std::string& content) { return absl::StrCat("<", content, ">"); }

Recipe Usage() {
  Recipe out;
  out.source = "recipe/test";
  out.digest = Digest;
  out.subject = "User";
  out.time = "when";
  out.total = "KB";
  out.octets_per_unit = {1000, 1};
  return out;
}

Recipe Calls() {
  Recipe out;
  out.source = "recipe/test";
  out.digest = Digest;
  out.header = false;
  out.delimiter = ';';
  out.id = "#1";
  out.calling = "#2";
  out.called = "#3";
  out.answered = "#4";
  out.seconds = "#5";
  out.direction = "#6";
  out.time_format = "%d.%m.%Y %H:%M:%S";
  out.seconds_per_unit = {1, 1000};
  out.swapped_directions = {"in"};
  out.skipped_directions = {"inner"};
  return out;
}

}  // namespace

TEST_CASE("usage by its recipe: columns by name, units, ids by content and ordinal") {
  const auto file = ParseMappedUsage(
      "When,other, user ,kb\n2026-03-01 12:00:00,x,ann,1.5\n2026-03-01 12:00:00,x,ann,1.5\n"
      "2026-03-01T12:00:00Z,x,bo,0.0004\n2026-03-01 12:00:00,x,,1\nnoon,x,ann,1\n"
      "2026-03-01 12:00:00,x,ann,-1\n",
      Usage(), absl::UTCTimeZone());
  REQUIRE(file.ok());
  REQUIRE(file->records.size() == 3);
  CHECK(file->records[0].octets == 1500);
  CHECK(file->records[0].id.back() == '>');
  CHECK(file->records[0].id != file->records[1].id);
  CHECK(file->records[2].octets == 0);
  CHECK(file->records[2].at == absl::FromUnixSeconds(1772366400));
  REQUIRE(file->errors.size() == 3);
  CHECK(file->errors[0].column == "User");
  CHECK(file->errors[1].column == "when");
  CHECK(file->errors[2].column == "KB");
  CHECK(file->read == 6);
  CHECK(ReasonOf(ParseMappedUsage("a,b\n", Usage(), absl::UTCTimeZone()).status()) ==
        "MISSING_COLUMN");
}

TEST_CASE("a row of two counters is two events; bits are an eighth") {
  Recipe recipe = Usage();
  recipe.total.clear();
  recipe.id = "id";
  recipe.in = "down";
  recipe.out = "up";
  recipe.octets_per_unit = {1, 8};
  recipe.time_format = "unix_ms";
  const auto file =
      ParseMappedUsage("id,user,when,down,up\n7,ann,1772366400500,16,9223372036854775807\n", recipe,
                       absl::UTCTimeZone());
  REQUIRE(file.ok());
  REQUIRE(file->records.size() == 2);
  CHECK(file->records[0].id == "7:in");
  CHECK(file->records[0].type == "data.in");
  CHECK(file->records[0].octets == 2);
  CHECK(file->records[1].id == "7:out");
  CHECK(file->records[1].octets == 1152921504606846976);
  CHECK(file->records[0].at == absl::FromUnixMillis(1772366400500));
}

TEST_CASE("calls by their recipe: places, a form of time, milliseconds, directions") {
  const auto file = ParseMappedCalls(
      "a;100;200;01.03.2026 12:00:00;1001;out\nb;100;200;01.03.2026 12:00:00;60000;in\n"
      "c;100;200;01.03.2026 12:00:00;60000;inner\nd;100;200;;60000;out\n"
      "e;100;200;01.03.2026 12:00:00;0;out\n;100;200;01.03.2026 12:00:00;1;out\n"
      "f;100;200;2026-03-01;1;out\n",
      Calls(), absl::UTCTimeZone());
  REQUIRE(file.ok());
  REQUIRE(file->records.size() == 2);
  CHECK(file->records[0].seconds == 2);
  CHECK(file->records[0].called == "200");
  CHECK(file->records[0].key == "recipe/test:a");
  CHECK(file->records[1].called == "100");
  CHECK(file->skipped == 3);
  CHECK(file->errors.size() == 2);
}

TEST_CASE("a quantity beyond 64 bits of bytes is refused, not wrapped") {
  Recipe recipe = Usage();
  recipe.octets_per_unit = {int64_t{1} << 30, 1};
  const std::string row = "User,when,KB\nann,2026-03-01 12:00:00,";
  // 2^98 units of 10^-12 are 2^128 with their 2^30.
  for (const char* quantity :
       {"316912650057057350.374175801344", "8589934592", "1000000000000000000000000"}) {
    CAPTURE(quantity);
    const auto file =
        ParseMappedUsage(absl::StrCat(row, quantity, "\n"), recipe, absl::UTCTimeZone());
    REQUIRE(file.ok());
    CHECK(file->records.empty());
    CHECK(file->errors.size() == 1);
  }
  const auto most =
      ParseMappedUsage(row + "8589934591.999999999068\n", recipe, absl::UTCTimeZone());
  REQUIRE(most.ok());
  REQUIRE(most->records.size() == 1);
  CHECK(most->records[0].octets == std::numeric_limits<int64_t>::max());
}

TEST_CASE("a recipe's columns that the file lacks, or has twice, refuse it by name") {
  const auto status = [](const std::string& text, const Recipe& recipe) {
    return ParseMappedUsage(text, recipe, absl::UTCTimeZone()).status();
  };
  CHECK(status("User,mb\n", Usage()).message() == "the file lacks the column(s): when, KB");
  CHECK(ReasonOf(status("User,when,KB,kb\n", Usage())) == "DUPLICATE_COLUMN");
  CHECK(status("other,User,when,KB,other\n", Usage()).ok());
  Recipe places = Usage();
  places.total = "#4";
  CHECK(status("User,when,KB\n", places).message() == "the file lacks the column(s): #4");
  places.header = false;
  places.subject = "#1";
  places.time = "#2";
  CHECK(status("ann,2026-03-01 12:00:00,1\n", places).message() ==
        "the file lacks the column(s): #4");
  CHECK(status("", places).ok());
}

TEST_CASE("a row that is cut or has a delimiter too many is refused, not passed over") {
  const auto calls = ParseMappedCalls("a;100;200;01.03.2026 12:00:00;1001;out\nb;100;200\n",
                                      Calls(), absl::UTCTimeZone());
  REQUIRE(calls.ok());
  CHECK(calls->records.size() == 1);
  CHECK(calls->skipped == 0);
  REQUIRE(calls->errors.size() == 1);
  CHECK(calls->errors[0].reason == "WRONG_COLUMN_COUNT");
  const auto usage = ParseMappedUsage(
      "User,when,KB\nann,2026-03-01 12:00:00,1,5\nann,2026-03-01 12:00:00\n"
      "ann,2026-03-01 12:00:00,7,\n",
      Usage(), absl::UTCTimeZone());
  REQUIRE(usage.ok());
  CHECK(usage->errors.size() == 2);
  REQUIRE(usage->records.size() == 1);
  CHECK(usage->records[0].octets == 7000);
}

TEST_CASE("a decimal comma, and durations as a clock shows them") {
  Recipe usage = Usage();
  usage.delimiter = ';';
  usage.decimal_comma = true;
  const auto file =
      ParseMappedUsage("User;when;KB\nann;2026-03-01 12:00:00;1,5\nann;2026-03-01 12:00:00;1.5\n",
                       usage, absl::UTCTimeZone());
  REQUIRE(file.ok());
  REQUIRE(file->records.size() == 1);
  CHECK(file->records[0].octets == 1500);
  CHECK(file->errors.size() == 1);
  Recipe calls = Calls();
  calls.clock = true;
  const std::string row = "a;100;200;01.03.2026 12:00:00;";
  const std::vector<std::pair<std::string, int64_t>> durations = {
      {"1:02:03", 3723},
      {"02:03", 123},
      {"0:00:01", 1},
      {"26:00:00", 93600},
      {"61", -1},
      {"1:60", -1},
      {"1:2:3:4", -1},
      {"1::3", -1},
      {"-1:00", -1},
      {"1:60:00", -1},
      {"9223372036854775807:00:00", -1}};
  for (const auto& [text, seconds] : durations) {
    CAPTURE(text);
    const auto parsed = ParseMappedCalls(row + text + ";out\n", calls, absl::UTCTimeZone());
    REQUIRE(parsed.ok());
    REQUIRE(parsed->records.size() == (seconds < 0 ? 0U : 1U));
    CHECK((seconds < 0 || parsed->records[0].seconds == seconds));
  }
}

TEST_CASE("local times where clocks change: the first of two hours, an hour later in a gap") {
  absl::TimeZone zone;
  REQUIRE(absl::LoadTimeZone("America/Chicago", &zone));
  const auto file = ParseMappedUsage(
      "User,when,KB\nann,2026-11-01 01:30:00,1\nann,2026-11-01 02:30:00,1\n"
      "ann,2026-03-08 02:30:00,1\nann,2026-11-01 01:30:00-06:00,1\n",
      Usage(), zone);
  REQUIRE(file.ok());
  REQUIRE(file->records.size() == 4);
  const auto at = [&](size_t i) {
    return absl::FormatTime("%Y-%m-%dT%H:%MZ", file->records[i].at, absl::UTCTimeZone());
  };
  CHECK(at(0) == "2026-11-01T06:30Z");
  CHECK(at(1) == "2026-11-01T08:30Z");
  CHECK(at(2) == "2026-03-08T08:30Z");
  CHECK(at(3) == "2026-11-01T07:30Z");
}

}  // namespace broadbill::rating
