#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "broadbill/accounts/v1/events.pb.h"
#include "libs/calendar/period.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/rating/app/ingest.h"
#include "services/rating/app/live_usage.h"
#include "services/rating/app/rating_app.h"
#include "services/rating/app/usage_owners.h"

namespace broadbill::rating {
namespace {

namespace accounts = broadbill::accounts::v1;

CivilDay DayOr(const google::type::Date& date, CivilDay otherwise) {
  return convert::IsUnset(date) ? otherwise : CivilDay(date.year(), date.month(), date.day());
}

int16_t KindOf(accounts::Identifier::Kind kind) {
  switch (kind) {
    case accounts::Identifier::RADIUS_USERNAME:
      return kRadiusUser;
    case accounts::Identifier::TRUNK:
      return kTrunk;
    case accounts::Identifier::METER_SUBJECT:
      return kMeterSubject;
    default:
      return kDid;
  }
}

// Numbers are kept as E.164 digits without '+'.
std::string Normal(int16_t kind, const std::string& value) {
  if (kind == kDid && !value.empty() && value[0] == '+') return value.substr(1);
  return value;
}

UsageCycleRow ToRow(const Uuid& account, const Uuid& item,
                    const accounts::SubscriptionChanged& change) {
  UsageCycleRow row;
  row.account_id = account;
  row.item_id = item;
  row.start_date = DayOr(change.start_date(), CivilDay(1970, 1, 1));
  row.end_date = DayOr(change.end_date(), CivilDay::max());
  for (const accounts::CycleDayChange& cycle : change.usage_cycle().cycle_days()) {
    row.cycle_days.push_back(DayOr(cycle.from_date(), CivilDay(1970, 1, 1)));
    row.cycle_day_values.push_back(cycle.cycle_day());
  }
  row.anchor_rule =
      static_cast<int16_t>(change.usage_cycle().anchor_rule() == accounts::Account::START_MONTH
                               ? AnchorRule::kCycleDayInStartMonth
                           : change.usage_cycle().anchor_rule() == accounts::Account::ANNIVERSARY
                               ? AnchorRule::kAnniversary
                               : AnchorRule::kCycleDayOnOrAfterStart);
  if (change.usage_cycle().has_anchor_date()) {
    row.anchor_date = DayOr(change.usage_cycle().anchor_date(), CivilDay(1970, 1, 1));
  }
  row.full_first = change.usage_cycle().full_first();
  return row;
}

absl::Status SaveCycles(db::Tx& tx, const std::vector<UsageCycleRow>& rows) {
  std::string all;
  for (const char* column : {"start_date", "end_date", "cycle_days", "cycle_day_values",
                             "anchor_rule", "anchor_date", "full_first"}) {
    absl::StrAppend(&all, all.empty() ? "" : ", ", column, " = excluded.", column);
  }
  return db::Insert(tx, rows, "ON CONFLICT (account_id, item_id) DO UPDATE SET " + all).status();
}

// Of these items; those that are as they were stay, so that nobody has to read them again.
absl::Status SaveSubjects(db::Tx& tx, const std::vector<Uuid>& items,
                          std::vector<SubjectRow> rows) {
  ASSIGN_OR_RETURN(std::vector<SubjectRow> before,
                   db::Select<SubjectRow>(tx, "WHERE item_id = ANY($1)", items));
  const auto key = [](const SubjectRow& row) {
    return std::tie(row.value, row.kind, row.item_id, row.valid_from);
  };
  const auto less = [&](const auto& a, const auto& b) { return key(a) < key(b); };
  const auto same = [&](const auto& a, const auto& b) { return key(a) == key(b); };
  std::sort(before.begin(), before.end(), less);
  std::stable_sort(rows.begin(), rows.end(), less);
  rows.erase(std::unique(rows.begin(), rows.end(), same), rows.end());
  if (rows == before) return absl::OkStatus();
  RETURN_IF_ERROR(tx.Exec("DELETE FROM subject WHERE item_id = ANY($1)", items).status());
  RETURN_IF_ERROR(db::CopyNew(tx, rows).status());
  return SubjectsChanged(tx);
}

bool IsWatched(const accounts::SubscriptionChanged& change) {
  return std::any_of(change.plans().begin(), change.plans().end(), [](const auto& span) {
    return span.has_usage() && CanBeUsedUp(span.usage());
  });
}

}  // namespace

absl::Status RatingApp::OnAccountsEvents(db::Tx& tx, const std::vector<feed::Event>& events) {
  // The last event of an item says all: its earlier ones in the batch need not be applied.
  std::map<Uuid, accounts::SubscriptionChanged> latest;
  for (const feed::Event& event : events) {
    accounts::Event message;
    if (!message.ParseFromString(event.body) || !message.has_subscription_changed()) continue;
    const auto& change = message.subscription_changed();
    ASSIGN_OR_RETURN(const Uuid item, Uuid::Parse("sub", change.subscription_id()));
    latest[item] = change;
  }
  if (latest.empty()) return absl::OkStatus();
  std::vector<Uuid> items;
  std::vector<SubjectRow> subjects;
  std::vector<ItemTermsRow> terms;
  std::vector<UsageCycleRow> cycles;
  std::set<Uuid> watched;
  std::vector<std::string> values;
  for (const auto& [item, change] : latest) {
    items.push_back(item);
    ASSIGN_OR_RETURN(const Uuid account, Uuid::Parse("acc", change.account_id()));
    cycles.push_back(ToRow(account, item, change));
    for (const auto& identifier : change.identifiers()) {
      const int16_t kind = KindOf(identifier.kind());
      subjects.push_back({kind, Normal(kind, identifier.value()), account, item,
                          DayOr(identifier.from_date(), CivilDay(1970, 1, 1)),
                          DayOr(identifier.to_date(), CivilDay::max()), change.time_zone(),
                          IsWatched(change)});
      values.push_back(subjects.back().value);
    }
    for (const auto& span : change.plans()) {
      ItemTermsRow row{account,
                       item,
                       DayOr(span.start_date(), CivilDay(1970, 1, 1)),
                       DayOr(span.end_date(), CivilDay::max()),
                       change.time_zone(),
                       change.country_code(),
                       change.currency_code(),
                       {}};
      row.decks.assign(span.voice().deck_codes().begin(), span.voice().deck_codes().end());
      if (span.has_usage()) row.usage.data = span.usage().SerializeAsString();
      row.service = span.description();
      row.pool = span.usage().pool();
      row.watched = span.has_usage() && CanBeUsedUp(span.usage());
      if (row.watched) watched.insert(item);
      terms.push_back(std::move(row));
    }
  }
  RETURN_IF_ERROR(LockSubjects(tx));
  RETURN_IF_ERROR(SaveSubjects(tx, items, std::move(subjects)));
  RETURN_IF_ERROR(tx.Exec("DELETE FROM item_terms WHERE item_id = ANY($1)", items).status());
  RETURN_IF_ERROR(db::CopyNew(tx, terms).status());
  // Kept where it is: it is locked by whoever judges the item's usage.
  RETURN_IF_ERROR(SaveCycles(tx, cycles));
  // What was watched until now may have a cap that holds no more.
  ASSIGN_OR_RETURN(const db::Result capped,
                   tx.Exec("SELECT item_id FROM usage_cap WHERE item_id = ANY($1)", items));
  for (int i = 0; i < capped.size(); ++i) watched.insert(capped.Get<Uuid>(i, 0));
  RETURN_IF_ERROR(TouchUsage(tx, clock_.Now(), {watched.begin(), watched.end()}));
  ASSIGN_OR_RETURN(const db::Result some, tx.Exec("SELECT 1 FROM waiting LIMIT 1"));
  if (some.empty() || values.empty()) return absl::OkStatus();
  // Records that waited for these subjects get another try at once.
  Ingest ingest(tx, clock_.Now(), "retry", std::nullopt, &decks_);
  return ingest.Retry({"UNKNOWN_SUBJECT"}, values);
}

}  // namespace broadbill::rating
