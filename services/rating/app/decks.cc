#include "services/rating/app/decks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

absl::StatusOr<LoadedDecks> Load(db::Tx& tx, const std::vector<std::string>& codes,
                                 const std::vector<std::string>* prefixes) {
  LoadedDecks out;
  std::vector<Deck> decks;
  for (const std::string& code : codes) {
    ASSIGN_OR_RETURN(const std::vector<DeckRow> rows,
                     db::Select<DeckRow>(tx, "WHERE code = $1", code));
    out.rows.push_back(rows.empty() ? DeckRow{} : rows.front());
    out.rows.back().code = code;
    Deck deck;
    deck.code = code;
    ASSIGN_OR_RETURN(deck.windows, ParseWindows(out.rows.back().windows));
    if (!out.rows.back().time_zone.empty()) {
      ASSIGN_OR_RETURN(const absl::TimeZone zone, LoadZone(out.rows.back().time_zone));
      deck.zone = zone;
    }
    const std::vector<std::string> none;
    ASSIGN_OR_RETURN(
        const std::vector<DeckRateRow> rates,
        db::Select<DeckRateRow>(tx, "WHERE deck = $1 AND ($2 OR prefix = ANY($3))", code,
                                prefixes == nullptr, prefixes == nullptr ? none : *prefixes));
    for (const DeckRateRow& rate : rates) deck.rates.push_back(ToRate(rate));
    decks.push_back(std::move(deck));
  }
  out.index = std::make_unique<DeckIndex>(decks);
  return out;
}

// Which version of each deck the transaction sees. A version is told apart by who wrote it as well:
// a number that a transaction took back is given again.
absl::StatusOr<std::vector<std::string>> VersionsOf(db::Tx& tx,
                                                    const std::vector<std::string>& codes) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("SELECT coalesce(d.version || '/' || d.xmin::text, '') FROM "
                           "unnest($1) WITH ORDINALITY AS asked (code, place) LEFT JOIN deck d ON "
                           "d.code = asked.code ORDER BY asked.place",
                           codes));
  std::vector<std::string> out;
  for (int i = 0; i < rows.size(); ++i) out.push_back(rows.Get<std::string>(i, 0));
  return out;
}

constexpr size_t kDecksKept = 32;

}  // namespace

absl::StatusOr<std::shared_ptr<const LoadedDecks>> DeckCache::Get(
    db::Tx& tx, const std::vector<std::string>& codes) {
  ASSIGN_OR_RETURN(std::vector<std::string> versions, VersionsOf(tx, codes));
  {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(codes);
    if (found != entries_.end() && found->second.versions == versions) {
      found->second.used = ++uses_;
      return found->second.decks;
    }
  }
  ASSIGN_OR_RETURN(LoadedDecks loaded, LoadDecks(tx, codes));
  auto decks = std::make_shared<const LoadedDecks>(std::move(loaded));
  absl::MutexLock lock(&mutex_);
  entries_[codes] = {std::move(versions), decks, ++uses_};
  if (entries_.size() > kDecksKept) {
    entries_.erase(std::min_element(
        entries_.begin(), entries_.end(),
        [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
  }
  return decks;
}

absl::StatusOr<LoadedDecks> LoadDecks(db::Tx& tx, const std::vector<std::string>& codes) {
  return Load(tx, codes, nullptr);
}

absl::StatusOr<LoadedDecks> LoadDecks(db::Tx& tx, const std::vector<std::string>& codes,
                                      const std::vector<std::string>& prefixes) {
  return Load(tx, codes, &prefixes);
}

std::vector<std::string> PrefixesOf(std::string_view digits) {
  std::vector<std::string> out;
  for (size_t size = 1; size <= digits.size(); ++size) out.emplace_back(digits.substr(0, size));
  return out;
}

absl::StatusOr<std::vector<Bundle>> ReadBundles(
    const google::protobuf::RepeatedPtrField<broadbill::common::v1::VoiceBundle>& bundles,
    const std::string& field) {
  Violations violations;
  violations.Require(bundles.size() <= 20, field, "must be at most 20");
  std::vector<Bundle> out;
  for (int i = 0; i < bundles.size(); ++i) {
    const std::string at = absl::StrCat(field, "[", i, "].");
    const auto& in = bundles[i];
    Bundle bundle;
    bundle.id = in.name();
    bundle.priority = in.priority();
    bundle.increment = in.increment_seconds();
    const Decimal minutes = convert::ReadDecimal(in.minutes(), at + "minutes", violations);
    const bool fits = minutes > Decimal() && minutes <= Decimal::FromInt(1000000000);
    violations.Require(fits, at + "minutes", "must be more than 0");
    // Part of a second is no second.
    if (fits) bundle.left_seconds = static_cast<int64_t>(minutes.scaled() * 60 / Decimal::kScale);
    violations.Require(in.increment_seconds() >= 0, at + "increment_seconds", "must be 0 or more");
    for (const std::string& prefix : in.prefixes()) {
      const bool digits =
          !prefix.empty() && prefix.find_first_not_of("0123456789") == std::string::npos;
      violations.Require(digits, at + "prefixes", "must be digits of E.164 without '+'");
      bundle.prefixes.push_back(prefix);
    }
    out.push_back(std::move(bundle));
  }
  RETURN_IF_ERROR(violations.ToStatus());
  SortBundles(out);
  return out;
}

broadbill::common::v1::Decimal FromMicros(int64_t micros) {
  return convert::ToProto(Decimal::FromScaled(Int128{micros} * (Decimal::kScale / 1000000)));
}

broadbill::rating::v1::Rate ToProto(const DeckRate& rate) {
  broadbill::rating::v1::Rate out;
  out.set_prefix(rate.prefix);
  out.set_destination(rate.destination);
  *out.mutable_connect_fee() = FromMicros(rate.connect_micros);
  *out.mutable_rate_per_minute() = FromMicros(rate.per_minute_micros);
  out.set_first_increment_seconds(rate.first_increment);
  out.set_next_increment_seconds(rate.next_increment);
  if (rate.minimum_micros > 0) *out.mutable_minimum() = FromMicros(rate.minimum_micros);
  if (rate.valid_from > CivilDay(1970, 1, 1)) {
    *out.mutable_valid_from() = convert::ToProto(rate.valid_from);
  }
  if (rate.valid_to != CivilDay::max()) *out.mutable_valid_to() = convert::ToProto(rate.valid_to);
  out.set_window(rate.window);
  if (rate.maximum_micros.has_value()) *out.mutable_maximum() = FromMicros(*rate.maximum_micros);
  if (rate.step_from > 0) {
    out.set_step_from_seconds(rate.step_from);
    *out.mutable_step_rate_per_minute() = FromMicros(rate.step_per_minute_micros);
    out.set_step_increment_seconds(rate.step_increment > 0 ? rate.step_increment
                                                           : rate.next_increment);
  }
  return out;
}

}  // namespace broadbill::rating
