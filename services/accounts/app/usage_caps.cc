#include <map>

#include "broadbill/accounts/v1/events.pb.h"
#include "broadbill/rating/v1/events.pb.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/accounts/app/resolve.h"

namespace broadbill::accounts {
namespace {

namespace rating = broadbill::rating::v1;

// The last word about each subscription.
absl::StatusOr<std::map<Uuid, UsageCapRow>> ReadCaps(const std::vector<feed::Event>& events) {
  std::map<Uuid, UsageCapRow> out;
  for (const feed::Event& event : events) {
    rating::Event message;
    if (!message.ParseFromString(event.body)) continue;
    UsageCapRow row;
    row.account_id = event.account_id;
    row.since = convert::FromProto(message.at());
    if (message.has_usage_cap_reached()) {
      const rating::UsageCapReached& reached = message.usage_cap_reached();
      ASSIGN_OR_RETURN(row.subscription_id, Uuid::Parse("sub", reached.item_id()));
      row.action = static_cast<int16_t>(reached.action());
      row.download_kbps = reached.throttle_download_kbps();
      row.upload_kbps = reached.throttle_upload_kbps();
    } else if (message.has_usage_cap_lifted()) {
      ASSIGN_OR_RETURN(row.subscription_id,
                       Uuid::Parse("sub", message.usage_cap_lifted().item_id()));
    } else {
      continue;
    }
    out[row.subscription_id] = row;
  }
  return out;
}

}  // namespace

absl::Status LoadCaps(db::Tx& tx, std::vector<Bundle>& bundles) {
  std::vector<Uuid> accounts;
  std::vector<Uuid> items;
  for (const Bundle& bundle : bundles) {
    accounts.push_back(bundle.row.account_id);
    items.push_back(bundle.row.subscription_id);
  }
  ASSIGN_OR_RETURN(
      const std::vector<UsageCapRow> rows,
      db::Select<UsageCapRow>(tx, "WHERE account_id = ANY($1) AND subscription_id = ANY($2)",
                              accounts, items));
  std::map<Uuid, UsageCapRow> by_id;
  for (const UsageCapRow& row : rows) by_id[row.subscription_id] = row;
  for (Bundle& bundle : bundles) {
    const auto found = by_id.find(bundle.row.subscription_id);
    if (found != by_id.end()) bundle.cap = found->second;
  }
  return absl::OkStatus();
}

absl::Status AccountsApp::OnRatingEvents(db::Tx& tx, const std::vector<feed::Event>& events) {
  ASSIGN_OR_RETURN(const auto caps, ReadCaps(events));
  if (caps.empty()) return absl::OkStatus();
  std::vector<Uuid> ids;
  std::vector<UsageCapRow> rows;
  for (const auto& [id, row] : caps) {
    ids.push_back(id);
    rows.push_back(row);
  }
  ASSIGN_OR_RETURN(std::vector<Bundle> before, LoadBundles(tx, {}, ids));
  RETURN_IF_ERROR(LoadCaps(tx, before));
  RETURN_IF_ERROR(
      db::InsertArrays(tx, rows,
                       "ON CONFLICT (account_id, subscription_id) DO UPDATE SET action = "
                       "excluded.action, download_kbps = excluded.download_kbps, upload_kbps = "
                       "excluded.upload_kbps, since = excluded.since, changes = usage_cap.changes "
                       "+ 1")
          .status());
  std::vector<Bundle> after = before;
  RETURN_IF_ERROR(LoadCaps(tx, after));
  ASSIGN_OR_RETURN(const Plans plans, LoadPlans(tx));
  const absl::Time now = clock_.Now();
  std::vector<db::FeedEvent> out;
  for (size_t i = 0; i < after.size(); ++i) {
    const Uuid& account_id = after[i].row.account_id;
    ASSIGN_OR_RETURN(const AccountRow account, FindAccount(tx, account_id, false));
    const CivilDay today = Today(account.time_zone);
    const std::vector<Segment> segments = SegmentsOf(after[i], plans);
    const pb::ServiceState was = ServiceStateOf(before[i], segments, plans, today);
    const pb::ServiceState is = ServiceStateOf(after[i], segments, plans, today);
    // Suspended for another reason, it stays as it is.
    if (was.desired() == is.desired() && was.reason() == is.reason() &&
        was.speed().download_kbps() == is.speed().download_kbps() &&
        was.speed().upload_kbps() == is.speed().upload_kbps()) {
      continue;
    }
    pb::Event event;
    event.set_account_id(is.account_id());
    event.set_event_id(Uuid::Make(now).ToText("evt"));
    *event.mutable_at() = convert::ToProto(now);
    *event.mutable_service_state_changed()->mutable_service_state() = is;
    convert::Events(&out).Add(account_id, event);
  }
  return db::AppendFeed(tx, out, now);
}

}  // namespace broadbill::accounts
