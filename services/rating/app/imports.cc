#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/convert/import.h"
#include "libs/convert/write.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/rating/app/ingest.h"
#include "services/rating/app/rating_app.h"
#include "services/rating/app/rerate.h"

namespace broadbill::rating {
namespace {

absl::StatusOr<absl::TimeZone> ZoneOf(const std::string& name) {
  return name.empty() ? absl::UTCTimeZone() : LoadZone(name);
}

template <class Record>
void Report(const Parsed<Record>& parsed, const IngestCounts& counts, ImportResult& out) {
  out.set_rows_read(parsed.read);
  out.set_rows_applied(counts.applied);
  out.set_rows_skipped(parsed.skipped + counts.duplicates);
  convert::AddCount("duplicates", counts.duplicates, out);
  convert::AddCount("waiting", counts.waiting, out);
  convert::AddCount("not_billable", parsed.skipped, out);
  convert::AddCount("conflicts", static_cast<int64_t>(counts.conflicts.size()), out);
  convert::SetErrors(parsed.errors, out);
}

// ---- decks

int64_t Micros(const Decimal& value) {
  return static_cast<int64_t>(value.scaled() / (Decimal::kScale / 1000000));
}

// What tells a rate of a deck from the others.
using RateKey = std::tuple<std::string, CivilDay, std::string>;  // prefix, first day, window
RateKey KeyOf(const DeckRateRow& row) { return {row.prefix, row.valid_from, row.window}; }
using Rates = std::map<RateKey, DeckRateRow>;

class DeckFile {
 public:
  // `windows`: names that rates may hold in.
  DeckFile(const pb::ImportDeckRequest& request, CivilDay valid_from, std::set<std::string> windows)
      : request_(request), valid_from_(valid_from), windows_(std::move(windows)) {}

  absl::Status Read() {
    csv::Reader reader(request_.content());
    ASSIGN_OR_RETURN(
        header_, csv::Header::Read(reader, {"prefix", "destination", "rate_per_minute"},
                                   {"connect_fee", "first_increment", "next_increment", "minimum",
                                    "maximum", "valid_from", "valid_to", "window", "step_from",
                                    "step_rate_per_minute", "step_increment"}));
    for (csv::Row row; reader.Next(row);) {
      ++read;
      if (auto wrong = header_->Check(row); wrong.has_value()) {
        errors.push_back(*std::move(wrong));
      } else {
        ReadRow(row);
      }
    }
    return absl::OkStatus();
  }

  int64_t read = 0;
  std::vector<csv::RowError> errors;
  Rates rates;

 private:
  void Refuse(const csv::Row& row, const char* column, const std::string& message,
              const char* reason = "INVALID_VALUE") {
    errors.push_back({row.line, column, header_->Get(row, column), reason, message});
  }

  bool Amount(const csv::Row& row, const char* column, bool required, int64_t& out) {
    const std::string text = header_->Get(row, column);
    if (text.empty() && !required) return true;
    const auto value = Decimal::Parse(text);
    const bool fits =
        value.ok() && !value->IsNegative() && value->scaled() % (Decimal::kScale / 1000000) == 0;
    if (!fits) Refuse(row, column, "must be an amount of 0 or more with at most 6 decimals");
    if (fits) out = Micros(*value);
    return fits;
  }

  bool Seconds(const csv::Row& row, const char* column, int32_t& out) {
    const std::string text = header_->Get(row, column);
    if (text.empty()) return true;
    const bool digits =
        text.size() <= 5 && text.find_first_not_of("0123456789") == std::string::npos;
    const int value = digits ? std::stoi(text) : 0;
    if (value < 1) Refuse(row, column, "must be a number of seconds, 1 or more");
    if (value >= 1) out = value;
    return value >= 1;
  }

  bool Day(const csv::Row& row, const char* column, CivilDay& out) {
    const std::string text = header_->Get(row, column);
    if (text.empty()) return true;
    const auto day = ParseDate(text);
    if (!day.ok()) Refuse(row, column, "must be a date like 2026-03-01");
    if (day.ok()) out = *day;
    return day.ok();
  }

  void ReadRow(const csv::Row& row) {
    DeckRateRow rate;
    rate.deck = request_.deck_code();
    rate.prefix = header_->Get(row, "prefix");
    if (!rate.prefix.empty() && rate.prefix[0] == '+') rate.prefix.erase(0, 1);
    rate.destination = header_->Get(row, "destination");
    rate.valid_from = valid_from_;
    rate.valid_to = CivilDay::max();
    const bool digits = !rate.prefix.empty() && rate.prefix.size() <= 18 &&
                        rate.prefix.find_first_not_of("0123456789") == std::string::npos;
    if (!digits) return Refuse(row, "prefix", "must be 1 to 18 digits of an E.164 number");
    if (rate.destination.empty())
      return Refuse(row, "destination", "must not be empty", "MISSING_VALUE");
    const bool ok = Amount(row, "rate_per_minute", true, rate.per_minute_micros) &&
                    Amount(row, "connect_fee", false, rate.connect_micros) &&
                    Amount(row, "minimum", false, rate.minimum_micros) &&
                    Seconds(row, "first_increment", rate.first_increment) &&
                    Seconds(row, "next_increment", rate.next_increment) &&
                    Day(row, "valid_from", rate.valid_from) &&
                    Day(row, "valid_to", rate.valid_to) && ReadSteps(row, rate);
    if (!ok) return;
    if (rate.valid_to <= rate.valid_from) {
      return Refuse(row, "valid_to", "must be after valid_from");
    }
    if (!rates.emplace(KeyOf(rate), rate).second) {
      Refuse(row, "prefix", "stands twice in the file for the same first day", "DUPLICATE_ROW");
    }
  }

  // Window, maximum, and the rate from some second on.
  bool ReadSteps(const csv::Row& row, DeckRateRow& rate) {
    rate.window = header_->Get(row, "window");
    if (!rate.window.empty() && windows_.count(rate.window) == 0) {
      Refuse(row, "window", "must be a name of the deck's windows");
      return false;
    }
    int64_t maximum = 0;
    if (!Amount(row, "maximum", false, maximum)) return false;
    if (!header_->Get(row, "maximum").empty()) rate.maximum_micros = maximum;
    const bool ok = Seconds(row, "step_from", rate.step_from) &&
                    Seconds(row, "step_increment", rate.step_increment) &&
                    Amount(row, "step_rate_per_minute", false, rate.step_per_minute_micros);
    if (ok && rate.step_from == 0 && !header_->Get(row, "step_rate_per_minute").empty()) {
      Refuse(row, "step_from", "is required where step_rate_per_minute is given");
      return false;
    }
    return ok;
  }

  const pb::ImportDeckRequest& request_;
  const CivilDay valid_from_;
  const std::set<std::string> windows_;
  std::optional<csv::Header> header_;
};

// The rates of one prefix and window follow each other: an earlier one ends where the next begins.
void Chain(Rates& rates) {
  std::map<std::pair<std::string, std::string>, DeckRateRow*> last;
  for (auto& [key, rate] : rates) {
    DeckRateRow*& before = last[{rate.prefix, rate.window}];
    if (before != nullptr) before->valid_to = std::min(before->valid_to, rate.valid_from);
    before = &rate;
  }
}

// The deck after a file: from the first day that the file has for a prefix, only the file's rates
// hold; with `replace` no others from `valid_from` on.
Rates Merge(const std::vector<DeckRateRow>& before, const Rates& file, bool replace,
            CivilDay valid_from) {
  std::map<std::string, CivilDay> first_day;  // of the file, by prefix; keys are in order of day
  for (const auto& [key, rate] : file) first_day.emplace(rate.prefix, rate.valid_from);
  Rates out;
  for (DeckRateRow row : before) {
    const auto named = first_day.find(row.prefix);
    if (named != first_day.end() || replace) {
      const CivilDay end = named != first_day.end() ? named->second : valid_from;
      if (row.valid_from >= end) continue;
      row.valid_to = std::min(row.valid_to, end);
    }
    out.emplace(KeyOf(row), row);
  }
  for (const auto& [key, rate] : file) out[key] = rate;
  Chain(out);
  return out;
}

struct DeckChange {
  std::vector<DeckRateRow> written;  // new or changed
  std::vector<DeckRateRow> erased;   // gone, or to be written anew
  int64_t changed = 0;
  std::vector<std::string> differences;
  bool empty() const { return written.empty() && erased.empty(); }
};

std::string RateText(const DeckRateRow& row) {
  const auto micros = [](int64_t value) {
    return Decimal::FromScaled(Int128{value} * (Decimal::kScale / 1000000)).ToString();
  };
  std::string out = absl::StrCat(micros(row.per_minute_micros), " a minute, ", row.first_increment,
                                 "/", row.next_increment);
  if (row.connect_micros > 0) absl::StrAppend(&out, ", connect ", micros(row.connect_micros));
  if (row.minimum_micros > 0) absl::StrAppend(&out, ", minimum ", micros(row.minimum_micros));
  if (row.maximum_micros.has_value()) {
    absl::StrAppend(&out, ", at most ", micros(*row.maximum_micros));
  }
  if (row.step_from > 0) {
    absl::StrAppend(&out, ", from second ", row.step_from, " ", micros(row.step_per_minute_micros));
  }
  if (!row.window.empty()) absl::StrAppend(&out, ", in ", row.window);
  if (row.valid_to != CivilDay::max()) absl::StrAppend(&out, ", to ", FormatDate(row.valid_to));
  return out;
}

DeckChange CompareDeck(const std::vector<DeckRateRow>& before, const Rates& after) {
  constexpr size_t kListed = 200;
  DeckChange out;
  std::set<RateKey> known;
  const auto differs = [&](const DeckRateRow& was, const std::string& is) {
    if (out.differences.size() < kListed) {
      out.differences.push_back(absl::StrCat(was.prefix, ": ", RateText(was), " → ", is));
    }
  };
  for (const DeckRateRow& row : before) {
    known.insert(KeyOf(row));
    const auto found = after.find(KeyOf(row));
    if (found != after.end() && found->second == row) continue;
    out.erased.push_back(row);
    if (found == after.end()) {
      differs(row, "removed");
    } else {
      ++out.changed;
      out.written.push_back(found->second);
      const std::string is = RateText(found->second);
      differs(row, is == RateText(row) ? found->second.destination : is);
    }
  }
  for (const auto& [key, rate] : after) {
    if (known.count(key) == 0) out.written.push_back(rate);
  }
  return out;
}

// `deck` has the windows and the zone that hold from now on.
absl::Status SaveDeck(db::Tx& tx, const pb::ImportDeckRequest& request, const DeckRow& deck,
                      const DeckChange& change, absl::Time now) {
  RETURN_IF_ERROR(
      tx.Exec("INSERT INTO deck (code, name, currency, version, updated_at, windows, time_zone) "
              "VALUES ($1, $2, $3, 1, $4, $5, $6) ON CONFLICT (code) DO UPDATE SET "
              "version = deck.version + 1, updated_at = $4, windows = $5, time_zone = $6",
              request.deck_code(), request.name().empty() ? request.deck_code() : request.name(),
              request.currency_code().empty() ? std::string("USD") : request.currency_code(), now,
              deck.windows, deck.time_zone)
          .status());
  std::vector<std::string> prefixes;
  std::vector<CivilDay> days;
  std::vector<std::string> windows;
  for (const DeckRateRow& row : change.erased) {
    prefixes.push_back(row.prefix);
    days.push_back(row.valid_from);
    windows.push_back(row.window);
  }
  RETURN_IF_ERROR(
      tx.Exec("DELETE FROM deck_rate r USING unnest($2, $3, $4) AS gone (prefix, day, time_window) "
              "WHERE r.deck = $1 AND r.prefix = gone.prefix AND r.valid_from = gone.day AND "
              "r.time_window = gone.time_window",
              request.deck_code(), prefixes, days, windows)
          .status());
  return db::Copy(tx, change.written);
}

// Calls that rates which came, went or changed can touch are priced anew: of their prefixes, from
// their first day on. Other windows touch all calls.
absl::Status RerateTouched(db::Tx& tx, const std::string& deck, const DeckChange& change,
                           bool times, ImportResult& result) {
  RerateScope scope{deck};
  if (!times) {
    CivilDay first = CivilDay::max();
    for (const auto* rows : {&change.written, &change.erased}) {
      for (const DeckRateRow& row : *rows) {
        scope.prefixes.insert(row.prefix);
        first = std::min(first, row.valid_from);
      }
    }
    // The day begins at most 14 hours earlier somewhere.
    if (first != CivilDay::min()) {
      scope.start = absl::FromCivil(first, absl::UTCTimeZone()) - absl::Hours(14);
    }
  }
  ASSIGN_OR_RETURN(const Rerated done, RerateCalls(tx, scope));
  convert::AddCount("calls rated again", done.changed, result);
  if (done.without_rate > 0) {
    convert::AddCount("calls without a rate now, as they were", done.without_rate, result);
  }
  for (const auto& [currency, micros] : done.difference) {
    result.add_differences(
        absl::StrCat(done.changed, " calls rated again: ",
                     Decimal::FromScaled(Int128{micros} * (Decimal::kScale / 1000000)).ToString(),
                     " ", currency));
  }
  return absl::OkStatus();
}

// The deck's own row as it will be. Windows are kept as they are written out, so that two ways to
// write the same are no difference.
absl::StatusOr<DeckRow> DeckAfter(db::Pool& pool, const pb::ImportDeckRequest& request) {
  ASSIGN_OR_RETURN(db::Tx tx, pool.Begin());
  ASSIGN_OR_RETURN(const std::vector<DeckRow> rows,
                   db::Select<DeckRow>(tx, "WHERE code = $1", request.deck_code()));
  DeckRow out = rows.empty() ? DeckRow{} : rows.front();
  if (!request.windows().empty()) {
    ASSIGN_OR_RETURN(const std::vector<TimeWindow> windows, ParseWindows(request.windows()));
    out.windows = FormatWindows(windows);
  }
  if (!request.time_zone().empty()) out.time_zone = request.time_zone();
  return out;
}

}  // namespace

absl::StatusOr<ImportResult> RatingApp::ImportUsage(const rpc::Context& context,
                                                    const pb::ImportUsageRequest& request) {
  ASSIGN_OR_RETURN(const absl::TimeZone zone, ZoneOf(request.time_zone()));
  if (request.format() == pb::ImportUsageRequest::FORMAT_UNSPECIFIED) {
    return InvalidField("format", "is required: RADIUS_DETAIL, RADACCT_CSV or EVENTS_CSV");
  }
  return convert::Write<ImportResult>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<ImportResult> {
        ImportResult result;
        if (!request.validate_only()) {
          result.set_import_id(Uuid::Make(clock_.Now()).ToText("imp"));
        }
        Ingest ingest(tx, clock_.Now(), request.source_name());
        if (request.format() == pb::ImportUsageRequest::EVENTS_CSV) {
          ASSIGN_OR_RETURN(const auto parsed, ParseEvents(request.content()));
          RETURN_IF_ERROR(ingest.AddEvents(parsed.records));
          Report(parsed, ingest.counts(), result);
          return result;
        }
        Parsed<RadiusRecord> parsed;
        if (request.format() == pb::ImportUsageRequest::RADIUS_DETAIL) {
          ASSIGN_OR_RETURN(parsed, ParseDetail(request.content(), zone));
        } else {
          ASSIGN_OR_RETURN(parsed, ParseRadacct(request.content(), zone));
        }
        RETURN_IF_ERROR(ingest.AddSamples(parsed.records));
        Report(parsed, ingest.counts(), result);
        return result;
      });
}

absl::StatusOr<ImportResult> RatingApp::ImportCalls(const rpc::Context& context,
                                                    const pb::ImportCallsRequest& request) {
  ASSIGN_OR_RETURN(const absl::TimeZone zone, ZoneOf(request.time_zone()));
  if (request.format() != pb::ImportCallsRequest::ASTERISK_CDR_CSV) {
    return InvalidField("format", "is required: ASTERISK_CDR_CSV");
  }
  return convert::Write<ImportResult>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<ImportResult> {
        ImportResult result;
        if (!request.validate_only()) {
          result.set_import_id(Uuid::Make(clock_.Now()).ToText("imp"));
        }
        Ingest ingest(tx, clock_.Now(), request.source_name());
        ASSIGN_OR_RETURN(const auto parsed, ParseAsterisk(request.content(), zone));
        RETURN_IF_ERROR(ingest.AddCalls(parsed.records, request.country_code()));
        Report(parsed, ingest.counts(), result);
        return result;
      });
}

absl::StatusOr<ImportResult> RatingApp::ImportDeck(const rpc::Context& context,
                                                   const pb::ImportDeckRequest& request) {
  Violations violations;
  violations.Require(!request.deck_code().empty(), "deck_code", "is required");
  const CivilDay valid_from =
      convert::ReadOptionalDate(request.valid_from(), "valid_from", violations)
          .value_or(CivilDay(1970, 1, 1));
  if (!request.currency_code().empty()) {
    violations.Check(CurrencyExponent(request.currency_code()).status(), "currency_code");
  }
  const auto asked = ParseWindows(request.windows());
  violations.Check(asked.status(), "windows");
  violations.Require(!asked.ok() || asked->size() <= 100, "windows", "must be at most 100");
  violations.Check(ZoneOf(request.time_zone()).status(), "time_zone");
  RETURN_IF_ERROR(violations.ToStatus());
  // What holds from now on: the request's, else the deck's. Read before the file, whose rates name
  // windows; the deck is read again where it is written.
  ASSIGN_OR_RETURN(const DeckRow planned, DeckAfter(*pool_, request));
  ASSIGN_OR_RETURN(const std::vector<TimeWindow> windows, ParseWindows(planned.windows));
  std::set<std::string> names;
  for (const TimeWindow& window : windows) names.insert(window.name);
  DeckFile file(request, valid_from, names);
  RETURN_IF_ERROR(file.Read());
  ImportResult result;
  if (!request.validate_only()) result.set_import_id(Uuid::Make(clock_.Now()).ToText("imp"));
  result.set_rows_read(file.read);
  convert::SetErrors(file.errors, result);
  if (!file.errors.empty()) return result;  // all or nothing
  return convert::Write<ImportResult>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<ImportResult> {
        ASSIGN_OR_RETURN(const std::vector<DeckRow> deck,
                         db::Select<DeckRow>(tx, "WHERE code = $1", request.deck_code()));
        ASSIGN_OR_RETURN(const std::vector<DeckRateRow> before,
                         db::Select<DeckRateRow>(tx, "WHERE deck = $1", request.deck_code()));
        const DeckChange change =
            CompareDeck(before, Merge(before, file.rates, request.replace(), valid_from));
        const bool times = !deck.empty() && (deck.front().windows != planned.windows ||
                                             deck.front().time_zone != planned.time_zone);
        if (times) {
          result.add_differences(absl::StrCat("windows: ", deck.front().windows, " ",
                                              deck.front().time_zone, " → ", planned.windows, " ",
                                              planned.time_zone));
        }
        if (deck.empty() || times || !change.empty()) {
          RETURN_IF_ERROR(SaveDeck(tx, request, planned, change, clock_.Now()));
          // Calls that waited for a rate get another try.
          Ingest ingest(tx, clock_.Now(), "retry");
          RETURN_IF_ERROR(ingest.Retry({"NO_RATE", "NO_DECK"}, {}));
          RETURN_IF_ERROR(RerateTouched(tx, request.deck_code(), change, times, result));
        }
        int64_t applied = 0;
        for (const DeckRateRow& row : change.written) {
          applied += static_cast<int64_t>(file.rates.count(KeyOf(row)));
        }
        result.set_rows_applied(applied);
        result.set_rows_skipped(file.read - applied);
        for (const std::string& text : change.differences) result.add_differences(text);
        convert::AddCount("changed", change.changed, result);
        convert::AddCount("new", static_cast<int64_t>(change.written.size()) - change.changed,
                          result);
        convert::AddCount("removed", static_cast<int64_t>(change.erased.size()) - change.changed,
                          result);
        return result;
      });
}

absl::StatusOr<pb::IngestEventsResponse> RatingApp::IngestEvents(
    const rpc::Context& context, const pb::IngestEventsRequest& request) {
  Violations violations;
  std::vector<UsageEventRecord> records;
  for (int i = 0; i < request.events_size(); ++i) {
    const pb::UsageEvent& event = request.events(i);
    const std::string at = absl::StrCat("events[", i, "].");
    violations.Require(!event.id().empty(), at + "id", "is required");
    violations.Require(!event.source().empty(), at + "source", "is required");
    violations.Require(!event.subject().empty(), at + "subject", "is required");
    violations.Require(event.has_time(), at + "time", "is required");
    const std::string type = event.type().empty() ? "data" : event.type();
    violations.Require(type == "data" || type == "data.in" || type == "data.out", at + "type",
                       "must be data, data.in or data.out");
    const Decimal quantity = convert::ReadDecimal(event.quantity(), at + "quantity", violations);
    const bool whole = !quantity.IsNegative() && quantity.scaled() % Decimal::kScale == 0;
    violations.Require(whole, at + "quantity", "must be a whole number of bytes");
    records.push_back({event.id(), event.source(), event.subject(),
                       convert::FromProto(event.time()), type,
                       static_cast<int64_t>(quantity.scaled() / Decimal::kScale), i});
  }
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::IngestEventsResponse>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::IngestEventsResponse> {
        Ingest ingest(tx, clock_.Now(), "events");
        RETURN_IF_ERROR(ingest.AddEvents(records));
        pb::IngestEventsResponse response;
        response.set_accepted(ingest.counts().applied);
        response.set_duplicates(ingest.counts().duplicates);
        response.set_waiting(ingest.counts().waiting);
        for (const std::string& conflict : ingest.counts().conflicts) {
          auto* out = response.add_conflicts();
          const size_t cut = conflict.find('\x1f');
          out->set_source(conflict.substr(0, cut));
          out->set_id(conflict.substr(cut + 1));
          out->set_message("the id was used before with other content; the first one stays");
        }
        return response;
      });
}

absl::StatusOr<pb::RetryWaitingRecordsResponse> RatingApp::RetryWaitingRecords(
    const rpc::Context& context, const pb::RetryWaitingRecordsRequest& request) {
  return convert::Write<pb::RetryWaitingRecordsResponse>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::RetryWaitingRecordsResponse> {
        Ingest ingest(tx, clock_.Now(), "retry");
        RETURN_IF_ERROR(ingest.Retry({request.reasons().begin(), request.reasons().end()}, {}));
        pb::RetryWaitingRecordsResponse response;
        response.set_rated(ingest.counts().applied);
        response.set_waiting(ingest.counts().waiting);
        return response;
      });
}

}  // namespace broadbill::rating
