#include <map>

#include "broadbill/accounts/v1/events.pb.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/rating/app/ingest.h"
#include "services/rating/app/rating_app.h"

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
  std::vector<std::string> values;
  for (const auto& [item, change] : latest) {
    items.push_back(item);
    ASSIGN_OR_RETURN(const Uuid account, Uuid::Parse("acc", change.account_id()));
    for (const auto& identifier : change.identifiers()) {
      const int16_t kind = KindOf(identifier.kind());
      subjects.push_back({kind, Normal(kind, identifier.value()), account, item,
                          DayOr(identifier.from_date(), CivilDay(1970, 1, 1)),
                          DayOr(identifier.to_date(), CivilDay::max())});
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
      terms.push_back(std::move(row));
    }
  }
  RETURN_IF_ERROR(tx.Exec("DELETE FROM subject WHERE item_id = ANY($1)", items).status());
  RETURN_IF_ERROR(tx.Exec("DELETE FROM item_terms WHERE item_id = ANY($1)", items).status());
  RETURN_IF_ERROR(db::CopyNew(tx, subjects).status());
  RETURN_IF_ERROR(db::CopyNew(tx, terms).status());
  ASSIGN_OR_RETURN(const db::Result some, tx.Exec("SELECT 1 FROM waiting LIMIT 1"));
  if (some.empty() || values.empty()) return absl::OkStatus();
  // Records that waited for these subjects get another try at once.
  Ingest ingest(tx, clock_.Now(), "retry");
  return ingest.Retry({"UNKNOWN_SUBJECT"}, values);
}

}  // namespace broadbill::rating
