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
#include "services/rating/app/events.h"
#include "services/rating/app/ingest.h"
#include "services/rating/app/rating_app.h"
#include "services/rating/app/rerate.h"
#include "services/rating/domain/deck_file.h"

namespace broadbill::rating {
namespace {

absl::StatusOr<absl::TimeZone> ZoneOf(const std::string& name) {
  return name.empty() ? absl::UTCTimeZone() : LoadZone(name);
}

// ---- decks

// What tells a rate of a deck from the others.
using RateKey = std::tuple<std::string, CivilDay, std::string>;  // prefix, first day, window
RateKey KeyOf(const DeckRateRow& row) { return {row.prefix, row.valid_from, row.window}; }
using Rates = std::map<RateKey, DeckRateRow>;

// The file's rates as rows of the deck.
Rates RatesOf(const std::string& deck, const std::vector<DeckRate>& rates) {
  Rates out;
  for (const DeckRate& rate : rates) {
    DeckRateRow row{deck,
                    rate.prefix,
                    rate.valid_from,
                    rate.valid_to,
                    rate.destination,
                    rate.connect_micros,
                    rate.per_minute_micros,
                    rate.first_increment,
                    rate.next_increment,
                    rate.minimum_micros,
                    rate.window,
                    rate.step_from,
                    rate.step_per_minute_micros,
                    rate.step_increment,
                    rate.maximum_micros};
    out.emplace(KeyOf(row), std::move(row));
  }
  return out;
}

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
      tx.Exec("INSERT INTO deck (code, name, currency, version, updated_at, windows, time_zone, "
              "supplier_deck) VALUES ($1, $2, $3, 1, $4, $5, $6, $7) ON CONFLICT (code) DO UPDATE "
              "SET version = deck.version + 1, updated_at = $4, windows = $5, time_zone = $6, "
              "supplier_deck = $7",
              request.deck_code(), request.name().empty() ? request.deck_code() : request.name(),
              request.currency_code().empty() ? std::string("USD") : request.currency_code(), now,
              deck.windows, deck.time_zone, deck.supplier_deck)
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
  const std::string& supplier = request.supplier_deck_code();
  if (supplier == request.deck_code() && !supplier.empty()) {
    return InvalidField("supplier_deck_code", "must be another deck");
  }
  if (supplier == "-") {
    out.supplier_deck.clear();
  } else if (!supplier.empty()) {
    ASSIGN_OR_RETURN(const std::vector<DeckRow> known,
                     db::Select<DeckRow>(tx, "WHERE code = $1", supplier));
    if (known.empty()) return InvalidField("supplier_deck_code", "is no deck");
    out.supplier_deck = supplier;
  }
  return out;
}

// Tells what becomes different of the deck's own row, `times` among it; true when anything does.
bool TellDeck(const DeckRow& was, const DeckRow& is, bool& times, ImportResult& result) {
  times = was.windows != is.windows || was.time_zone != is.time_zone;
  if (times) {
    result.add_differences(absl::StrCat("windows: ", was.windows, " ", was.time_zone, " → ",
                                        is.windows, " ", is.time_zone));
  }
  const bool supplier = was.supplier_deck != is.supplier_deck;
  if (supplier) {
    result.add_differences(
        absl::StrCat("supplier's deck: ", was.supplier_deck, " → ", is.supplier_deck));
  }
  return times || supplier;
}

}  // namespace

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
  ASSIGN_OR_RETURN(const Parsed<DeckRate> file, ParseDeck(request.content(), valid_from, names));
  const Rates rates = RatesOf(request.deck_code(), file.records);
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
            CompareDeck(before, Merge(before, rates, request.replace(), valid_from));
        bool times = false;
        const bool own = deck.empty() || TellDeck(deck.front(), planned, times, result);
        if (own || !change.empty()) {
          RETURN_IF_ERROR(SaveDeck(tx, request, planned, change, clock_.Now()));
          // Calls that waited for a rate get another try.
          Ingest ingest(tx, clock_.Now(), "retry", std::nullopt, &decks_);
          RETURN_IF_ERROR(ingest.Retry({"NO_RATE", "NO_DECK"}, {}));
          if (times || !change.empty()) {
            RETURN_IF_ERROR(RerateTouched(tx, request.deck_code(), change, times, result));
          }
        }
        int64_t applied = 0;
        for (const DeckRateRow& row : change.written) {
          applied += static_cast<int64_t>(rates.count(KeyOf(row)));
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
  ASSIGN_OR_RETURN(const std::vector<UsageEventRecord> records, ReadEvents(request));
  return convert::Write<pb::IngestEventsResponse>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::IngestEventsResponse> {
        Ingest ingest(tx, clock_.Now(), "events", std::nullopt, nullptr, &caches_);
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

}  // namespace broadbill::rating
