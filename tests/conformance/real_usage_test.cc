// Accounting as access servers and FreeRADIUS write it.

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "absl/strings/str_cat.h"
#include "broadbill/rating/v1/usage.pb.h"
#include "broadbill/rating/v1/waiting.pb.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/status/error.h"
#include "tests/conformance/inputs.h"
#include "tests/conformance/suite.h"

namespace broadbill::conformance {
namespace {

namespace pb = broadbill::rating::v1;

struct Bytes {
  int64_t in = 0, out = 0;
  bool operator==(const Bytes&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Bytes& bytes) {
  return out << bytes.in << " in, " << bytes.out << " out";
}

using Ids = std::pair<std::string, std::string>;

// Usage between two days of the world's zone.
Bytes Usage(Suite& suite, const Ids& ids, CivilDay from, CivilDay to) {
  const absl::TimeZone zone = *LoadZone(suite.world().time_zone);
  pb::ListUsageRequest request;
  request.set_account_id(ids.first);
  request.set_item_id(ids.second);
  request.set_granularity(pb::ListUsageRequest::MONTH);
  *request.mutable_start_time() = convert::ToProto(StartOfDay(from, zone));
  *request.mutable_end_time() = convert::ToProto(StartOfDay(to, zone));
  const auto answer =
      suite.Call<pb::ListUsageResponse>("broadbill.rating.v1.Rating/ListUsage", request);
  INFO(answer.status().message());
  REQUIRE(answer.ok());
  Bytes out;
  for (const pb::UsageBucket& bucket : answer->buckets()) {
    out.in += bucket.bytes_in();
    out.out += bucket.bytes_out();
  }
  return out;
}

std::vector<std::string> Waiting(Suite& suite) {
  std::vector<std::string> out;
  const auto answer = suite.Call<pb::ListWaitingRecordsResponse>(
      "broadbill.rating.v1.Rating/ListWaitingRecords", pb::ListWaitingRecordsRequest());
  REQUIRE(answer.ok());
  for (const pb::WaitingRecord& record : answer->records()) {
    out.push_back(absl::StrCat(record.subject(), " ", record.reason(), " ", record.source_line()));
  }
  return out;
}

const CivilDay kOctober(2023, 10, 1), kNovember(2023, 11, 1), kDecember(2023, 12, 1);

// What the months of the export's rows should be: a session's octets are spread evenly over its
// time and cut by floor where the month begins.
struct Months {
  Bytes october, november;
};
std::map<std::string, Months> ExpectedMonths(const std::string& text, absl::TimeZone zone) {
  std::map<std::string, Months> out;
  const int64_t edge = absl::ToUnixSeconds(StartOfDay(kNovember, zone));
  for (const Row& row : Table(text)) {
    absl::Time start;
    std::string error;
    REQUIRE(absl::ParseTime("%Y-%m-%d %H:%M:%S", row.at("acctstarttime"), zone, &start, &error));
    const int64_t length = std::stoll(row.at("acctsessiontime"));
    const int64_t before = std::clamp<int64_t>(edge - absl::ToUnixSeconds(start), 0, length);
    const auto cut = [&](const char* column, int64_t& first, int64_t& second) {
      const int64_t octets = std::stoll(row.at(column));
      const auto part = static_cast<int64_t>(Int128{octets} * before / length);
      first += part;
      second += octets - part;
    };
    Months& months = out[row.at("username")];
    // The customer receives what the access server puts out.
    cut("acctoutputoctets", months.october.in, months.november.in);
    cut("acctinputoctets", months.october.out, months.november.out);
  }
  return out;
}

}  // namespace

TEST_CASE("a radacct export: totals and months of every user, twice, dry, and broken") {
  if (!HaveShared()) return;
  Suite suite({"accounts", "rating"});
  suite.world().time_zone = "America/Chicago";
  const std::map<std::string, std::string> fields = {{"time_zone", "America/Chicago"}};
  const std::string text = SharedFile("data/radius/radacct.csv");
  const auto expected = ExpectedMonths(text, *LoadZone("America/Chicago"));
  REQUIRE(expected.size() == 27);
  std::map<std::string, Ids> users;
  for (const auto& [user, months] : expected) {
    if (user != "SUB-W") users[user] = suite.Subscribe(user, "RADIUS_USERNAME", user);
  }
  suite.Settle();
  const auto check = [&] {
    for (const auto& [user, ids] : users) {
      INFO(user);
      CHECK(Usage(suite, ids, kOctober, kNovember) == expected.at(user).october);
      CHECK(Usage(suite, ids, kNovember, kDecember) == expected.at(user).november);
    }
  };

  const auto dry = suite.Import("usage-radacct", "radacct.csv", text, fields, true);
  REQUIRE(dry.ok());
  CHECK(dry->rows_applied() == 28);
  CHECK(Usage(suite, users["SUB-A"], kOctober, kDecember) == Bytes());
  CHECK(Waiting(suite).empty());

  // Rows that cannot be read are listed; the others count.
  std::vector<std::string> lines = Lines(text);
  std::vector<std::string> broken = lines;
  broken[1] = "S001,SUB-A,10.255.0.103,2023-10-31 19:22:45,,,600,81867,23502,76705,2366940514,x";
  broken[3].replace(broken[3].find("2023-10-31"), 10, "31/10/2023");
  broken[5].replace(broken[5].find("2087225196"), 10, "2.087e9");
  broken[7] = broken[7].substr(0, 70);
  broken[9].replace(broken[9].find("SUB-I"), 5, "SUB-\xcd");
  const auto partly = suite.Import("usage-radacct", "radacct.csv", Join(broken), fields);
  REQUIRE(partly.ok());
  CHECK(partly->rows_read() == 30);
  CHECK(partly->rows_refused() == 5);
  CHECK(Suite::Places(*partly) ==
        std::vector<std::string>{"2 ", "4 acctstarttime", "6 acctinputoctets", "8 ", "10 "});
  CHECK(Usage(suite, users["SUB-A"], kOctober, kDecember) == Bytes());

  // The whole file then adds what was missing and nothing twice.
  const auto whole = suite.Import("usage-radacct", "radacct.csv", text, fields);
  REQUIRE(whole.ok());
  CHECK(whole->rows_read() == 30);
  CHECK(whole->rows_applied() == 5);
  CHECK(whole->rows_skipped() == 25);
  CHECK(whole->errors_total() == 0);
  check();
  // Read off by hand: SUB-C's 557,908 + 1,113,485 octets in 81,537 s, 16,305 s of them in October.
  CHECK(expected.at("SUB-C").october == Bytes{222664, 111565});

  // Saved by other programs: the same records.
  std::string quoted = "\xef\xbb\xbf";
  for (const std::string& line : lines) {
    std::string out;
    for (const std::string& field : Split(line, ',')) {
      absl::StrAppend(&out, out.empty() ? "" : ",", "\"", field, "\"");
    }
    quoted += out + "\r\n";
  }
  const auto again = suite.Import("usage-radacct", "copy of radacct.csv", quoted, fields);
  REQUIRE(again.ok());
  CHECK(again->rows_applied() == 0);
  CHECK(again->rows_skipped() == 30);
  check();

  // Nobody's two sessions waited, and count when somebody has the name; the broken rows wait on.
  const std::vector<std::string> unreadable = {" WRONG_COLUMN_COUNT 2", " INVALID_VALUE 4",
                                               " INVALID_VALUE 6", " WRONG_COLUMN_COUNT 8",
                                               " INVALID_VALUE 10"};
  std::vector<std::string> waiting = {"SUB-W UNKNOWN_SUBJECT 24", "SUB-W UNKNOWN_SUBJECT 30"};
  waiting.insert(waiting.end(), unreadable.begin(), unreadable.end());
  CHECK(Waiting(suite) == waiting);
  users["SUB-W"] = suite.Subscribe("SUB-W", "RADIUS_USERNAME", "SUB-W");
  suite.Settle();
  REQUIRE(
      suite
          .Call<pb::RetryWaitingRecordsResponse>("broadbill.rating.v1.Rating/RetryWaitingRecords",
                                                 pb::RetryWaitingRecordsRequest())
          .ok());
  CHECK(Waiting(suite) == unreadable);
  check();

  lines[0].replace(lines[0].find("acctoutputoctets"), 16, "octets");
  const auto lacking = suite.Import("usage-radacct", "radacct.csv", Join(lines), fields);
  CHECK(ReasonOf(lacking.status()) == "MISSING_COLUMN");
  CHECK(std::string(lacking.status().message()).find("acctoutputoctets") != std::string::npos);
}

// tests/conformance/data/README.md says what was sent.
TEST_CASE("a detail file of Debian's FreeRADIUS: the totals are what was sent, to the byte") {
  Suite suite({"accounts", "rating"});
  suite.world().time_zone = "America/Chicago";
  const std::map<std::string, std::string> fields = {{"time_zone", "America/Chicago"}};
  const std::string text = ProjectFile("tests/conformance/data/freeradius_detail");
  const std::map<std::string, Bytes> sent = {
      {"anna", {9000000017, 5494967299}},
      {"bertil", {4299968296, 222}},
      {"chlo\xc3\xa9@fibre.example", {31052425393, 13008358677}},
      {"dora", {66, 55}},
      {"ACME\\o\"neil = 50% #1", {90000, 7000}},
      {"emil", {90000, 30000}},
      {"frida", {8000, 4000}},
      {"gustav", {99, 77}},
  };
  std::map<std::string, Ids> users;
  int number = 0;
  for (const auto& [user, bytes] : sent) {
    if (user == "gustav") continue;
    users[user] = suite.Subscribe(absl::StrCat("A", ++number), "RADIUS_USERNAME", user);
  }
  suite.Settle();
  const CivilDay from(2026, 1, 1), to(2027, 1, 1);
  const auto check = [&] {
    for (const auto& [user, ids] : users) {
      INFO(user);
      CHECK(Usage(suite, ids, from, to) == sent.at(user));
    }
  };

  const auto dry = suite.Import("usage-detail", "detail", text, fields, true);
  REQUIRE(dry.ok());
  CHECK(Usage(suite, users["anna"], from, to) == Bytes());
  const auto first = suite.Import("usage-detail", "detail", text, fields);
  REQUIRE(first.ok());
  CHECK(first->rows_read() == 28);
  CHECK(first->rows_applied() == 21);
  CHECK(Suite::Count(*first, "duplicates") == 1);    // anna's Stop, sent again
  CHECK(Suite::Count(*first, "not_billable") == 3);  // Accounting-On and -Off
  CHECK(Suite::Count(*first, "waiting") == 2);       // gustav, and a name that nobody can have
  CHECK(Suite::Places(*first) == std::vector<std::string>{"341 User-Name"});  // Latin-1
  check();

  // The month's end in Chicago lies 600 s of 3,000 s between two of anna's readings, so a fifth of
  // what they differ by is March's: 3,000,000,007 + 600,000,000 down, 900,000,001 + 20,000,000 up.
  const CivilDay april(2026, 4, 1);
  CHECK(Usage(suite, users["anna"], CivilDay(2026, 3, 1), april) == Bytes{3600000007, 920000001});
  // emil's 01:10 CST comes after his 01:50 CDT: one session, all of it on that day.
  CHECK(Usage(suite, users["emil"], CivilDay(2026, 11, 1), CivilDay(2026, 11, 2)) ==
        sent.at("emil"));
  // frida's access server has no clock: her usage ended 400 s before it was received.
  CHECK(Usage(suite, users["frida"], CivilDay(2026, 11, 24), CivilDay(2026, 11, 25)) ==
        sent.at("frida"));

  // Twice; as a file with other line ends; in pieces that overlap; with records that are cut.
  for (const std::string& copy : {text, Join(Lines(text), "\r\n"), "\xef\xbb\xbf" + text}) {
    const auto again = suite.Import("usage-detail", "detail", copy, fields);
    REQUIRE(again.ok());
    CHECK(again->rows_applied() == 0);
    CHECK(Suite::Count(*again, "waiting") == 0);
  }
  Suite other({"accounts", "rating"});
  other.world().time_zone = "America/Chicago";
  const Ids anna = other.Subscribe("anna", "RADIUS_USERNAME", "anna");
  other.Settle();
  for (size_t at = text.size(); at > 0; at -= std::min<size_t>(at, 700)) {
    const size_t begin = text.rfind("\n\n", at);
    REQUIRE(other
                .Import("usage-detail", "detail",
                        text.substr(begin == std::string::npos ? 0 : begin + 2, 1500), fields)
                .ok());
  }
  REQUIRE(other.Import("usage-detail", "detail", text.substr(0, 1500), fields).ok());
  CHECK(Usage(other, anna, from, to) == sent.at("anna"));

  // Without the server's zone its times mean nothing, and say so, those of On and Off too.
  const auto zoneless = other.Import("usage-detail", "detail", text);
  REQUIRE(zoneless.ok());
  CHECK(zoneless->rows_refused() == 26);
  CHECK(zoneless->errors(0).column() == "Event-Timestamp");

  users["gustav"] = suite.Subscribe("late", "RADIUS_USERNAME", "gustav");
  suite.Settle();
  REQUIRE(
      suite
          .Call<pb::RetryWaitingRecordsResponse>("broadbill.rating.v1.Rating/RetryWaitingRecords",
                                                 pb::RetryWaitingRecordsRequest())
          .ok());
  check();
  CHECK(ReasonOf(suite.Import("usage-detail", "detail", "a,b\n1,2\n", fields).status()) ==
        "MALFORMED_FILE");
}

}  // namespace broadbill::conformance
