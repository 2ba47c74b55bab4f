#include "services/rating/domain/records.h"

#include <catch2/catch.hpp>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/calendar/time_zone.h"
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
  const auto read = ParseDetail(text, absl::UTCTimeZone());
  REQUIRE(read.ok());
  const Parsed<RadiusRecord>& parsed = *read;
  CHECK(parsed.read == 3);
  CHECK(parsed.skipped == 1);
  REQUIRE(parsed.records.size() == 1);
  const RadiusRecord& record = parsed.records[0];
  CHECK(record.user_name == "ann");
  CHECK(record.session_id == "127.0.0.1/S1");
  CHECK(record.sample.in_octets == 2 * (uint64_t{1} << 32) + 5);
  CHECK(record.sample.out_octets == 100);
  CHECK(absl::ToUnixSeconds(record.sample.at) == 1772323800);
  REQUIRE(parsed.errors.size() == 1);
  CHECK(parsed.errors[0].line == 20);
}

// A whole record with these attributes, below its time stamp line.
std::string DetailRecord(const std::string& attributes) {
  std::string out = "Sun Nov  1 01:10:00 2026\n";
  for (size_t at = 0; at < attributes.size();) {
    const size_t end = attributes.find(';', at);
    out += "\t" + attributes.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return out + "\tTimestamp = 1793517000\n\n";
}
const char* const kStop = "Acct-Status-Type = Stop;User-Name = \"u\";Acct-Session-Id = \"1\";";

absl::Time EventTime(const std::string& text, const char* zone, bool& ok) {
  absl::TimeZone loaded;
  absl::LoadTimeZone(zone, &loaded);
  const auto parsed =
      ParseDetail(DetailRecord(kStop + ("Event-Timestamp = \"" + text + "\";")), loaded);
  ok = parsed->records.size() == 1;
  return ok ? parsed->records[0].sample.at : absl::InfinitePast();
}

TEST_CASE("event times carry the abbreviation of the server's zone") {
  bool ok = false;
  // Clocks go back at 02:00 CDT: 01:10 happens twice.
  CHECK(absl::ToUnixSeconds(EventTime("Nov  1 2026 01:10:00 CDT", "America/Chicago", ok)) ==
        1793513400);
  CHECK(absl::ToUnixSeconds(EventTime("Nov  1 2026 01:10:00 CST", "America/Chicago", ok)) ==
        1793517000);
  CHECK(absl::ToUnixSeconds(EventTime("Nov  1 2026 07:10:00 UTC", "America/Chicago", ok)) ==
        1793517000);
  CHECK(absl::ToUnixSeconds(EventTime("Mar  3 2026 12:00:00 -03", "America/Sao_Paulo", ok)) ==
        1772550000);
  CHECK(ok);
  EventTime("Nov  1 2026 01:10:00 CST", "UTC", ok);
  CHECK_FALSE(ok);
  EventTime("Jul  1 2026 01:10:00 CST", "America/Chicago", ok);
  CHECK_FALSE(ok);
}

TEST_CASE("values are unescaped, numbers checked, addresses of both families keep NAS apart") {
  const auto parsed = ParseDetail(
      DetailRecord("Acct-Status-Type = Stop;User-Name = \"A\\\\b\\\"c \\303\\251\\n\";"
                   "Acct-Session-Id = \"1\";NAS-IPv6-Address = 2001:db8::1;") +
          DetailRecord(
              "Acct-Status-Type = Stop;User-Name = \"j\\366rg\";Acct-Session-Id = \"1\";") +
          DetailRecord(std::string(kStop) + "Acct-Input-Octets = 12x;") +
          DetailRecord(std::string(kStop) + "Acct-Output-Gigawords = 2147483648;") +
          DetailRecord(std::string(kStop) + "Acct-Session-Time = 4294967296;"),
      absl::UTCTimeZone());
  REQUIRE(parsed->records.size() == 1);
  CHECK(parsed->records[0].user_name == "A\\b\"c \xc3\xa9\n");
  CHECK(parsed->records[0].session_id == "2001:db8::1/1");
  REQUIRE(parsed->errors.size() == 4);
  CHECK(parsed->errors[0].column == "User-Name");
  CHECK(parsed->errors[1].column == "Acct-Input-Octets");
  CHECK(parsed->errors[2].column == "Acct-Output-Gigawords");
  CHECK(parsed->errors[3].column == "Acct-Session-Time");
}

TEST_CASE("a detail file that is being written, and one that is none") {
  const std::string whole = DetailRecord(std::string(kStop) + "Acct-Output-Octets = 123456;");
  const std::string next = DetailRecord(std::string(kStop) + "Acct-Output-Octets = 654321;");
  for (size_t cut = 1; cut + 2 < next.size(); ++cut) {
    const auto parsed = ParseDetail(whole + next.substr(0, cut), absl::UTCTimeZone());
    REQUIRE(parsed.ok());
    CHECK(parsed->records.size() == 1);
    CHECK(parsed->errors.size() == 1);
  }
  CHECK(ParseDetail(whole + next, absl::UTCTimeZone())->records.size() == 2);
  CHECK(ParseDetail("", absl::UTCTimeZone())->read == 0);
  CHECK(ReasonOf(ParseDetail("a,b\n1,2\n", absl::UTCTimeZone()).status()) == "MALFORMED_FILE");
}

TEST_CASE("detail: restarts of access servers, known as sessions know them") {
  const std::string nas = "NAS-IPv6-Address = 2001:db8::1;";
  const auto file = ParseDetail(
      DetailRecord("Acct-Status-Type = Accounting-On;" + nas + "Event-Timestamp = 1775000003;") +
          DetailRecord("Acct-Status-Type = Accounting-Off;NAS-Identifier = \"pop-1\";"
                       "Event-Timestamp = 1775000001;") +
          DetailRecord(std::string(kStop) + nas) +
          DetailRecord("Acct-Status-Type = Tunnel-Start;" + nas),
      absl::UTCTimeZone());
  REQUIRE(file.ok());
  CHECK(file->errors.empty());
  CHECK(file->skipped == 3);
  REQUIRE(file->restarts.size() == 2);
  CHECK(file->restarts[0] == NasRestart{"2001:db8::1", absl::FromUnixSeconds(1775000003), false});
  CHECK(file->restarts[1] == NasRestart{"pop-1", absl::FromUnixSeconds(1775000001), true});
  CHECK(file->records[0].session_id == "2001:db8::1/1");
}

TEST_CASE("radacct: offsets, open sessions, rows that were cut") {
  const auto parsed = ParseRadacct(
      "username,acctsessionid,nasipaddress,acctstarttime,acctupdatetime,acctsessiontime,"
      "acctinputoctets,acctoutputoctets\n"
      "a,1,10.0.0.1,2026-03-01 12:00:00+00,,60,1,2\n"
      "b,2,10.0.0.1,2026-03-01 06:00:00.5-06,2026-03-01 06:10:00-06,,,\n"
      "c,3,10.0.0.1,2026-03-01 12:00:00,,\\N,\\N,\\N\n"
      "d,4,10.0.0.1,2026-03-01 12:00:00,,60,1\n"
      "e,5,10.0.0.1,yesterday,,60,1,2\n",
      absl::UTCTimeZone());
  REQUIRE(parsed.ok());
  REQUIRE(parsed->records.size() == 3);
  CHECK(absl::ToUnixSeconds(parsed->records[0].sample.at) == 1772366460);
  CHECK(parsed->records[1].sample.session_seconds == 599);
  CHECK(parsed->records[2].sample.in_octets == 0);
  REQUIRE(parsed->errors.size() == 2);
  CHECK(parsed->errors[0].reason == "WRONG_COLUMN_COUNT");
  CHECK(parsed->errors[1].column == "acctstarttime");
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
  REQUIRE(parsed.ok());
  REQUIRE(parsed->records.size() == 3);
  CHECK(parsed->records[0].key != parsed->records[1].key);
  CHECK(parsed->records[2].key == "u1:7");
  CHECK(parsed->skipped == 1);
  REQUIRE(parsed->errors.size() == 1);
  CHECK(parsed->errors[0].line == 5);
}

TEST_CASE("an Asterisk file that is being written, with stray quotes, without columns") {
  const std::string row =
      "\"acc\",\"1\",\"2\",\"c\",\"x\",\"s\",\"\",\"Dial\",\"\",\"2026-03-01 10:00:00\","
      "\"2026-03-01 10:00:05\",\"2026-03-01 10:01:05\",65,60,\"ANSWERED\",\"D\"";
  std::string stray = row;
  stray.replace(stray.find("\"x\""), 3, "\"x");
  std::string latin1 = row;
  latin1.replace(latin1.find("\"x\""), 3, "\"J\xf6rg\"");
  std::string number = row;
  number.replace(number.find("\"2\""), 3, "\"2\xf6\"");
  const auto parsed =
      ParseAsterisk(row + "\r\n" + stray + "\n" + latin1 + "\n" + number + "\n" +
                        "# a remark, not a call\n\n" + row.substr(0, 110) + "\n" + row,
                    absl::UTCTimeZone());
  REQUIRE(parsed.ok());
  CHECK(parsed->read == 6);
  CHECK(parsed->records.size() == 2);  // the name of a caller is not read
  REQUIRE(parsed->errors.size() == 4);
  CHECK(parsed->errors[0].line == 2);
  CHECK(parsed->errors[1].line == 4);
  CHECK(parsed->errors[1].column == "dst");
  CHECK(parsed->errors[2].line == 7);
  CHECK(parsed->errors[3].line == 8);
  const auto narrow = ParseAsterisk("1,2,3\n4,5,6\n", absl::UTCTimeZone());
  CHECK(ReasonOf(narrow.status()) == "MISSING_COLUMN");
  CHECK(std::string(narrow.status().message()).find("disposition") != std::string::npos);
  // An account code may begin like a remark.
  CHECK(ParseAsterisk("#" + row.substr(1) + "\n", absl::UTCTimeZone())->read == 1);
}

namespace {

constexpr const char* kCallTimes[] = {
    "2026-03-08 01:59:59",  "2026-03-08 02:30:00",  // no such hour
    "2026-11-01 01:30:00",                          // twice
    "2026-02-29 10:00:00",  "2028-02-29 10:00:00",       "2026-03-01 24:00:00",
    "2026-03-01 10:60:00",  "2026-03-01 10:00:60",       "2026-03-01 10:00:5",
    "2026-03-01 10:00:05Z", "2026-03-01 10:00:05+02:00", "1969-12-31 19:00:00",
    "1969-12-31 18:59:59",  "9999-12-31 20:00:00",       "2026-3-01 10:00:05",
    "2026-00-10 10:00:00",  "2026-01-00 10:00:00"};

// All that a file of one line gives.
std::string ReadOne(const std::string& file, absl::TimeZone zone) {
  const auto parsed = ParseAsterisk(file, zone);
  if (!parsed.ok()) return std::string(parsed.status().message());
  std::string out = absl::StrCat(parsed->read, " ", parsed->skipped);
  for (const CallRecord& call : parsed->records) {
    absl::StrAppend(&out, "\n", call.key, "|", call.account_code, "|", call.calling, "|",
                    call.called, "|", absl::FormatTime(call.answered), "|", call.seconds);
  }
  for (const csv::RowError& error : parsed->errors) {
    absl::StrAppend(&out, "\n", error.column, "|", error.value, "|", error.message);
  }
  return out;
}

}  // namespace

// A line that ends in a carriage return too is read by csv::Reader.
TEST_CASE("an Asterisk line says the same whichever way it is read") {
  std::mt19937 random(20261125);
  const auto pick = [&](const auto& of) { return of[random() % std::size(of)]; };
  const absl::TimeZone zone = *LoadZone("America/New_York");
  const char* const kFields[] = {
      "",    "a",   "\"\"",   "\"a\"",      "\"a,b\"",      "\"\"\"J\"\" <1>\"",
      "\"a", "a\"", "\"a\"b", "\"\"\"\"",   "\xf6",         "\"a\rb\"",
      "#",   " ",   "\"\"\"", "a\"\"b\"\"", "\xef\xbb\xbfx"};
  int calls = 0;
  for (int i = 0; i < 20000; ++i) {
    const size_t columns = random() % 8 == 0 ? random() % 24 : random() % 2 == 0 ? 16 : 21;
    std::vector<std::string> fields(columns);
    for (std::string& field : fields) field = random() % 4 == 0 ? pick(kFields) : "\"1612\"";
    if (columns >= 16) {
      fields[10] = absl::StrCat("\"", pick(kCallTimes), "\"");
      fields[13] = random() % 20 == 0 ? "\"\"" : "60";
      fields[14] = random() % 20 == 0 ? "\"BUSY\"" : "\"ANSWERED\"";
    }
    const std::string line = absl::StrJoin(fields, ",");
    const std::string plain = ReadOne(line + "\n", zone);
    INFO(line);
    REQUIRE(plain == ReadOne(line + "\r\n", zone));
    calls += plain[0] == '1' && plain.find("|60") != std::string::npos ? 1 : 0;
  }
  CHECK(calls > 1000);
}

// With a fraction a time is read by absl::ParseTime.
TEST_CASE("an answer time is the same moment with a fraction of a second") {
  for (const char* zone : {"America/New_York", "Europe/Berlin", "UTC", "America/Santiago"}) {
    for (const std::string time : kCallTimes) {
      const auto read = [&](const std::string& answer) {
        const auto parsed =
            ParseAsterisk(",1,2,,,,,,,," + answer + ",,65,60,ANSWERED,D\n", *LoadZone(zone));
        return parsed->records.empty() ? absl::InfinitePast() : parsed->records[0].answered;
      };
      INFO(zone << " " << time);
      if (time.size() == 19) CHECK(read(time) == read(time + ".0"));
    }
  }
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
  CHECK(PriceData(terms, 112 * gb, 0, 31, 31, 2)->derivation ==
        "112.00 GB of 100.00 GB included, 2 × 10 GB at 5.00");
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

TEST_CASE("a time that is none, or of no age that records are of, refuses its record alone") {
  const auto detail =
      ParseDetail(DetailRecord(std::string(kStop) + "Event-Timestamp = 1772323800;") +
                      DetailRecord(std::string(kStop) + "Event-Timestamp = 9223372036854775807;"),
                  absl::UTCTimeZone());
  REQUIRE(detail.ok());
  CHECK(detail->records.size() == 1);
  REQUIRE(detail->errors.size() == 1);
  CHECK(detail->errors[0].column == "Event-Timestamp");

  const std::string sessions =
      "acctsessionid,username,acctstarttime,acctupdatetime,acctsessiontime,acctinputoctets,"
      "acctoutputoctets\n"
      "1,ann,infinite-future,,5,1,1\n"
      "2,ann,1013-03-01 12:00:00,,5,1,1\n"
      "3,ann,2026-03-01 12:00:00,9999-03-01 12:00:00,,1,1\n"
      "4,ann,9999-12-31 23:59:59,,5,1,1\n"
      "5,ann,2026-03-01 12:00:00,,5,1,1\n";
  const auto radacct = ParseRadacct(sessions, absl::UTCTimeZone());
  REQUIRE(radacct.ok());
  CHECK(radacct->records.size() == 1);
  REQUIRE(radacct->errors.size() == 4);
  CHECK(radacct->errors[0].column == "acctstarttime");
  CHECK(radacct->errors[1].column == "acctstarttime");
  CHECK(radacct->errors[2].column == "acctsessiontime");
  CHECK(radacct->errors[3].column == "acctsessiontime");

  const auto events = ParseEvents(
      "id,source,subject,time,quantity\n"
      "e-1,gw,ann,infinite-past,1\n"
      "e-2,gw,ann,12026-03-01T12:00:00Z,1\n"
      "e-3,gw,ann,2026-03-01T12:00:00Z,1\n");
  REQUIRE(events.ok());
  CHECK(events->records.size() == 1);
  CHECK(events->errors.size() == 2);

  const std::string call =
      "a,1,2,c,d,e,f,g,h,2026-03-01 11:59:50,infinite-future,2026-03-01 "
      "12:01:01,71,61,ANSWERED,D\n";
  const auto calls = ParseAsterisk(call, absl::UTCTimeZone());
  REQUIRE(calls.ok());
  REQUIRE(calls->errors.size() == 1);
  CHECK(calls->errors[0].column == "answer");
}

TEST_CASE("names that no index holds refuse their record alone") {
  const std::string name(3000, 'n');
  const auto events =
      ParseEvents("id,source,subject,time,quantity\n" + name +
                  ",gw,ann,2026-03-01T12:00:00Z,1\ne,gw,ann," + "2026-03-01T12:00:00Z,1\n");
  REQUIRE(events.ok());
  CHECK(events->records.size() == 1);
  REQUIRE(events->errors.size() == 1);
  CHECK(events->errors[0].column == "id");
  const auto detail = ParseDetail(
      DetailRecord("Acct-Status-Type = Stop;User-Name = " + name + ";Acct-Session-Id = 1;"),
      absl::UTCTimeZone());
  REQUIRE(detail.ok());
  REQUIRE(detail->errors.size() == 1);
  CHECK(detail->errors[0].column == "User-Name");
}

TEST_CASE("octets beyond 32 bits without gigawords are whole numbers") {
  const auto detail = ParseDetail(
      DetailRecord(std::string(kStop) + "Acct-Output-Octets = 9000000000;"), absl::UTCTimeZone());
  REQUIRE(detail.ok());
  REQUIRE(detail->records.size() == 1);
  CHECK(detail->records[0].sample.wide);
  CHECK(detail->records[0].sample.in_octets == 9000000000U);
}

}  // namespace broadbill::rating
