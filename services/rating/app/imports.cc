#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/convert/import.h"
#include "libs/convert/write.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/rating/app/ingest.h"
#include "services/rating/app/rating_app.h"

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

class DeckFile {
 public:
  DeckFile(const pb::ImportDeckRequest& request, CivilDay valid_from)
      : request_(request), valid_from_(valid_from) {}

  absl::Status Read() {
    csv::Reader reader(request_.content());
    ASSIGN_OR_RETURN(
        header_, csv::Header::Read(reader, {"prefix", "destination", "rate_per_minute"},
                                   {"connect_fee", "first_increment", "next_increment", "minimum",
                                    "valid_from", "valid_to"}));
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
  std::map<std::pair<std::string, CivilDay>, DeckRateRow> rates;

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
                    Day(row, "valid_from", rate.valid_from) && Day(row, "valid_to", rate.valid_to);
    if (!ok) return;
    if (rate.valid_to <= rate.valid_from) {
      return Refuse(row, "valid_to", "must be after valid_from");
    }
    if (!rates.emplace(std::make_pair(rate.prefix, rate.valid_from), rate).second) {
      Refuse(row, "prefix", "stands twice in the file for the same first day", "DUPLICATE_ROW");
    }
  }

  const pb::ImportDeckRequest& request_;
  const CivilDay valid_from_;
  std::optional<csv::Header> header_;
};

using Rates = std::map<std::pair<std::string, CivilDay>, DeckRateRow>;

// The rates of one prefix follow each other: an earlier one ends where the next begins.
void Chain(Rates& rates) {
  DeckRateRow* last = nullptr;
  for (auto& [key, rate] : rates) {
    if (last != nullptr && last->prefix == rate.prefix) {
      last->valid_to = std::min(last->valid_to, rate.valid_from);
    }
    last = &rate;
  }
}

// The deck after a file: from the first day that the file has for a prefix, only the file's rates
// hold; with `replace` no others from `valid_from` on.
Rates Merge(const std::vector<DeckRateRow>& before, const Rates& file, bool replace,
            CivilDay valid_from) {
  std::map<std::string, CivilDay> first_day;  // of the file, by prefix
  for (const auto& [key, rate] : file) first_day.emplace(rate.prefix, rate.valid_from);
  Rates out;
  for (DeckRateRow row : before) {
    const auto named = first_day.find(row.prefix);
    if (named != first_day.end() || replace) {
      const CivilDay end = named != first_day.end() ? named->second : valid_from;
      if (row.valid_from >= end) continue;
      row.valid_to = std::min(row.valid_to, end);
    }
    out.emplace(std::make_pair(row.prefix, row.valid_from), row);
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
  if (row.valid_to != CivilDay::max()) absl::StrAppend(&out, ", to ", FormatDate(row.valid_to));
  return out;
}

DeckChange CompareDeck(const std::vector<DeckRateRow>& before, const Rates& after) {
  constexpr size_t kListed = 200;
  DeckChange out;
  std::set<std::pair<std::string, CivilDay>> known;
  const auto differs = [&](const DeckRateRow& was, const std::string& is) {
    if (out.differences.size() < kListed) {
      out.differences.push_back(absl::StrCat(was.prefix, ": ", RateText(was), " → ", is));
    }
  };
  for (const DeckRateRow& row : before) {
    known.insert({row.prefix, row.valid_from});
    const auto found = after.find({row.prefix, row.valid_from});
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

absl::Status SaveDeck(db::Tx& tx, const pb::ImportDeckRequest& request, const DeckChange& change,
                      absl::Time now) {
  RETURN_IF_ERROR(
      tx.Exec("INSERT INTO deck (code, name, currency, version, updated_at) "
              "VALUES ($1, $2, $3, 1, $4) ON CONFLICT (code) DO UPDATE SET "
              "version = deck.version + 1, updated_at = $4",
              request.deck_code(), request.name().empty() ? request.deck_code() : request.name(),
              request.currency_code().empty() ? std::string("USD") : request.currency_code(), now)
          .status());
  std::vector<std::string> prefixes;
  std::vector<CivilDay> days;
  for (const DeckRateRow& row : change.erased) {
    prefixes.push_back(row.prefix);
    days.push_back(row.valid_from);
  }
  RETURN_IF_ERROR(tx.Exec("DELETE FROM deck_rate r USING unnest($2, $3) AS gone (prefix, day) "
                          "WHERE r.deck = $1 AND r.prefix = gone.prefix AND "
                          "r.valid_from = gone.day",
                          request.deck_code(), prefixes, days)
                      .status());
  return db::Copy(tx, change.written);
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
  RETURN_IF_ERROR(violations.ToStatus());
  DeckFile file(request, valid_from);
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
        if (deck.empty() || !change.empty()) {
          RETURN_IF_ERROR(SaveDeck(tx, request, change, clock_.Now()));
          // Calls that waited for a rate get another try.
          Ingest ingest(tx, clock_.Now(), "retry");
          RETURN_IF_ERROR(ingest.Retry({"NO_RATE", "NO_DECK"}, {}));
        }
        int64_t applied = 0;
        for (const DeckRateRow& row : change.written) {
          applied += static_cast<int64_t>(file.rates.count({row.prefix, row.valid_from}));
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
