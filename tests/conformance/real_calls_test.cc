// Calls as Asterisk writes them, and a table of 38,499 prefixes as a deck.

#include <algorithm>
#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
#include "broadbill/rating/v1/calls.pb.h"
#include "broadbill/rating/v1/waiting.pb.h"
#include "libs/convert/convert.h"
#include "libs/status/error.h"
#include "tests/conformance/inputs.h"
#include "tests/conformance/suite.h"

namespace broadbill::conformance {
namespace {

namespace pb = broadbill::rating::v1;

constexpr char kPrefixes[] = "data/voice/prefixes_38k.csv";

// The table as a deck: every destination costs 0.01 a minute per letter of its name, so that a
// wrong one is noticed.
std::string DeckOf(const std::string& table, const std::string& end = "\n") {
  std::string out = "prefix,destination,rate_per_minute,first_increment,next_increment" + end;
  for (const Row& row : Table(table)) {
    const std::string& name = row.at("destination");
    absl::StrAppend(&out, row.at("dialprefix"), ",\"", name, "\",", name.size() / 100, ".",
                    name.size() % 100 < 10 ? "0" : "", name.size() % 100, ",60,60", end);
  }
  return out;
}

// "destination prefix amount" of a call of a minute.
std::string Quote(Suite& suite, const std::string& number) {
  pb::QuoteCallRequest request;
  request.add_deck_codes("world");
  request.set_called_number(number);
  request.set_seconds(60);
  *request.mutable_answer_time() = convert::ToProto(absl::FromUnixSeconds(1790000000));
  const auto answer =
      suite.Call<pb::QuoteCallResponse>("broadbill.rating.v1.Rating/QuoteCall", request);
  if (!answer.ok()) return ReasonOf(answer.status());
  return absl::StrCat(answer->rate().destination(), " ", answer->rate().prefix(), " ",
                      answer->amount().value());
}

int64_t DeckSize(Suite& suite) {
  const auto decks = suite.Call<pb::ListDecksResponse>("broadbill.rating.v1.Rating/ListDecks",
                                                       pb::ListDecksRequest());
  REQUIRE(decks.ok());
  return decks->decks_size() == 0 ? -1 : decks->decks(0).rate_count();
}

// "calling > called seconds destination amount" of an account's calls, sorted.
std::vector<std::string> Calls(Suite& suite, const std::string& account) {
  pb::ListCallsRequest request;
  request.set_account_id(account);
  request.set_page_size(1000);
  const auto answer =
      suite.Call<pb::ListCallsResponse>("broadbill.rating.v1.Rating/ListCalls", request);
  REQUIRE(answer.ok());
  std::vector<std::string> out;
  for (const pb::Call& call : answer->calls()) {
    out.push_back(absl::StrCat(call.calling_number(), " > ", call.called_number(), " ",
                               call.seconds(), " ", call.destination(), " ",
                               call.amount().value()));
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> Waiting(Suite& suite) {
  std::vector<std::string> out;
  const auto answer = suite.Call<pb::ListWaitingRecordsResponse>(
      "broadbill.rating.v1.Rating/ListWaitingRecords", pb::ListWaitingRecordsRequest());
  REQUIRE(answer.ok());
  for (const pb::WaitingRecord& record : answer->records()) {
    out.push_back(absl::StrCat(record.source_line(), " ", record.reason()));
  }
  std::sort(out.begin(), out.end());
  return out;
}

void Retry(Suite& suite) {
  REQUIRE(
      suite
          .Call<pb::RetryWaitingRecordsResponse>("broadbill.rating.v1.Rating/RetryWaitingRecords",
                                                 pb::RetryWaitingRecordsRequest())
          .ok());
}

}  // namespace

TEST_CASE("38,499 prefixes as a deck: all of them, twice, dry, and broken") {
  if (!HaveShared()) return;
  Suite suite({"accounts", "rating"});
  const std::string table = SharedFile(kPrefixes);
  const std::map<std::string, std::string> fields = {{"deck_code", "world"},
                                                     {"currency_code", "USD"}};
  // As it is it has no prices and other names.
  const auto raw = suite.Import("deck", kPrefixes, table, fields);
  CHECK(ReasonOf(raw.status()) == "MISSING_COLUMN");
  CHECK(std::string(raw.status().message()).find("prefix, rate_per_minute") != std::string::npos);

  const auto dry = suite.Import("deck", kPrefixes, DeckOf(table), fields, true);
  REQUIRE(dry.ok());
  CHECK(dry->rows_applied() == 38499);
  CHECK(DeckSize(suite) == -1);
  const auto first = suite.Import("deck", kPrefixes, DeckOf(table), fields);
  REQUIRE(first.ok());
  CHECK(first->rows_read() == 38499);
  CHECK(first->rows_applied() == 38499);
  CHECK(DeckSize(suite) == 38499);
  for (const std::string& copy :
       {DeckOf(table), DeckOf(table, "\r\n"), "\xef\xbb\xbf" + DeckOf(table)}) {
    const auto again = suite.Import("deck", kPrefixes, copy, fields);
    REQUIRE(again.ok());
    CHECK(again->rows_applied() == 0);
    CHECK(again->rows_skipped() == 38499);
    CHECK(again->differences_size() == 0);
  }

  Tally tally("voice/longest_prefix.csv, every 20th by QuoteCall");
  int at = 0;
  for (const Row& row : Table(SharedFile("oracle/voice/longest_prefix.csv"))) {
    if (++at % 20 != 0) continue;
    const std::string& number = row.at("number");
    const std::string name = row.at("destination");
    const bool nanp = number[0] == '1' && number.size() != 11;
    if (number.size() < 7 || number.size() > 15 || nanp) {
      tally.Skip("no number that can be dialled (E.164 has at most 15 digits, the NANP 11)");
      continue;
    }
    const std::string quote = Quote(suite, "+" + number);
    INFO(number << ": " << quote);
    const std::string expected = absl::StrCat(name, " ", row.at("matched_prefix"), " ");
    CHECK(tally.Count(row.at("matched_prefix").empty() ? quote == "NO_RATE"
                                                       : quote.rfind(expected, 0) == 0));
  }
  CHECK(tally.passed() > 20);

  // Broken rows: all or nothing.
  std::vector<std::string> lines = Lines(DeckOf(table));
  lines[1] = "13409,Virgin Islands (U,S,),0.20,60,60";  // commas outside quotes
  lines[3] = "1.34E+04,\"Virgin Islands (U,S,)\",0.20,60,60";
  lines[5].replace(lines[5].find(",0."), 3, ",-0.");
  lines[7].replace(lines[7].rfind(",60"), 3, ",0");
  lines[9] = lines[10];
  const auto broken = suite.Import("deck", kPrefixes, Join(lines), fields);
  REQUIRE(broken.ok());
  CHECK(broken->rows_applied() == 0);
  CHECK(Suite::Places(*broken) == std::vector<std::string>{"2 ", "4 prefix", "6 rate_per_minute",
                                                           "8 next_increment", "11 prefix"});
  CHECK(suite.Import("deck", kPrefixes, DeckOf(table), fields)->rows_applied() == 0);

  // A price rise from a day: the old rates end there, and a preview says what changes.
  const std::string rise =
      "prefix,destination,rate_per_minute,first_increment,next_increment\n"
      "43800,Austria fix,0.12,60,60\n";
  std::map<std::string, std::string> from = fields;
  const auto preview = suite.Import("deck", "rise.csv", rise, from, true);
  REQUIRE(preview.ok());
  CHECK(preview->rows_applied() == 1);
  REQUIRE(preview->differences_size() == 1);
  CHECK(preview->differences(0) == "43800: 0.11 a minute, 60/60 → 0.12 a minute, 60/60");
  const auto dated = suite.Import("deck", "rise.csv",
                                  "prefix,destination,rate_per_minute,valid_from\n"
                                  "43800,Austria fix,0.12,2026-12-01\n",
                                  from);
  REQUIRE(dated.ok());
  CHECK(DeckSize(suite) == 38500);
  CHECK(Suite::Count(*dated, "changed") == 1);
  CHECK(Quote(suite, "+43800123456") == "Austria fix 43800 0.11");
}

TEST_CASE("Asterisk's Master.csv of a real switch") {
  if (!HaveShared()) return;
  Suite suite({"accounts", "rating"});
  suite.world().time_zone = "America/Chicago";
  const std::map<std::string, std::string> fields = {{"time_zone", "America/Chicago"},
                                                     {"country_code", "US"}};
  const std::string name = "data/cdr/asterisk_master_real_anon.csv";
  const std::string text = SharedFile(name);
  // 9 of 19 rows are answered calls with seconds: two rows say ANSWERED with 0 s, two NO ANSWER
  // with 30 and 60 s.
  const auto line1 = suite.Subscribe("line1", "TRUNK", "211474");
  suite.Settle();
  const auto dry = suite.Import("calls", name, text, fields, true);
  REQUIRE(dry.ok());
  CHECK(Waiting(suite).empty());
  const auto first = suite.Import("calls", name, text, fields);
  REQUIRE(first.ok());
  CHECK(first->rows_read() == 19);
  CHECK(first->rows_applied() == 3);
  CHECK(first->errors_total() == 0);
  CHECK(Suite::Count(*first, "not_billable") == 10);
  CHECK(Suite::Count(*first, "waiting") == 6);
  CHECK(Calls(suite, line1.first) == std::vector<std::string>{"15550100001 > 211474 10 Inbound 0",
                                                              "15550100001 > 211474 27 Inbound 0",
                                                              "15550100005 > 211474 43 Inbound 0"});
  CHECK(Waiting(suite) == std::vector<std::string>{"12 UNKNOWN_SUBJECT", "13 UNKNOWN_SUBJECT",
                                                   "14 UNKNOWN_SUBJECT", "17 UNKNOWN_SUBJECT",
                                                   "18 UNKNOWN_SUBJECT", "19 UNKNOWN_SUBJECT"});
  // Again, and as an export that overlaps it: nothing new.
  std::vector<std::string> lines = Lines(text);
  for (const std::string& copy :
       {text, Join({lines.begin() + 9, lines.end()}), Join(lines, "\r\n")}) {
    const auto again = suite.Import("calls", name, copy, fields);
    REQUIRE(again.ok());
    CHECK(again->rows_applied() == 0);
    CHECK(Suite::Count(*again, "waiting") == 0);
  }
  // The other line is ours too: its calls come out of the queue.
  const auto line2 = suite.Subscribe("line2", "TRUNK", "211553");
  suite.Settle();
  Retry(suite);
  CHECK(Waiting(suite).empty());
  CHECK(Calls(suite, line2.first).size() == 6);

  // Broken rows are listed; the rest counts.
  Suite other({"accounts", "rating"});
  other.world().time_zone = "America/Chicago";
  const auto line = other.Subscribe("line1", "TRUNK", "211474");
  other.Settle();
  lines[0].replace(lines[0].find(",27,27,"), 7, ",27,-27,");
  lines[1].replace(lines[1].find("2024-01-27 15:31:16\",\"2024-01-27 15:31:27"), 19,
                   "27.01.2024 15:31:16");
  lines[11] = lines[11].substr(0, 60);
  lines[12] = "Zeitüberschreitung";
  const auto broken = other.Import("calls", name, Join(lines) + lines[18], fields);
  REQUIRE(broken.ok());
  CHECK(broken->rows_read() == 20);
  CHECK(Suite::Places(*broken) ==
        std::vector<std::string>{"1 billsec", "2 answer", "12 ", "13 ", "20 "});
  CHECK(Calls(other, line.first) == std::vector<std::string>{"15550100005 > 211474 43 Inbound 0"});
}

TEST_CASE("Asterisk's columns of older versions, rated by the 38,499 prefixes") {
  if (!HaveShared()) return;
  Suite suite({"accounts", "rating"});
  suite.world().time_zone = "America/Chicago";
  const std::map<std::string, std::string> fields = {{"time_zone", "America/Chicago"},
                                                     {"country_code", "US"}};
  const std::string name = "data/cdr/asterisk_master_variants.csv";
  const std::string text = SharedFile(name);
  REQUIRE(suite
              .Import("deck", kPrefixes, DeckOf(SharedFile(kPrefixes)),
                      {{"deck_code", "world"}, {"currency_code", "USD"}})
              .ok());
  const auto trunk = suite.Subscribe("trunk", "TRUNK", "8016", {"world"});
  const auto internal = suite.Subscribe("internal", "TRUNK", "8001", {"world"});
  suite.Settle();
  const auto first = suite.Import("calls", name, text, fields);
  REQUIRE(first.ok());
  CHECK(first->rows_read() == 11);  // the first line is a remark
  CHECK(Suite::Places(*first) == std::vector<std::string>{"7 billsec"});
  CHECK(Suite::Count(*first, "not_billable") == 4);
  // 83 s to +1 555 are two minutes at the price of the longest prefix.
  const std::vector<std::string> calls = Calls(suite, trunk.first);
  REQUIRE(calls.size() == 1);
  CHECK(calls[0] == "8016 > 15550100013 83 United States mobile 0.4");
  // 8002 and 7001 are no numbers that can be dialled; 7001's call to 8001 is inbound.
  CHECK(Calls(suite, internal.first) == std::vector<std::string>{"7001 > 8001 654 Inbound 0"});
  CHECK(Waiting(suite) == std::vector<std::string>{"10 BAD_NUMBER", "12 BAD_NUMBER",
                                                   "6 UNKNOWN_SUBJECT", "7 INVALID_VALUE",
                                                   "8 UNKNOWN_SUBJECT"});
  const auto again = suite.Import("calls", name, text, fields);
  REQUIRE(again.ok());
  CHECK(again->rows_applied() == 0);
  CHECK(Suite::Count(*again, "waiting") == 0);
  // Another system's file is no Master.csv.
  const auto foreign = suite.Import("calls", "cdr_stats_import.csv",
                                    SharedFile("data/cdr/cdr_stats_import.csv"), fields);
  REQUIRE(foreign.ok());
  CHECK(foreign->rows_applied() == 0);
  CHECK(foreign->rows_refused() == 6);
}

}  // namespace broadbill::conformance
