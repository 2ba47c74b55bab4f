#include "services/rating/app/usage_watcher.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "broadbill/rating/v1/events.pb.h"
#include "libs/convert/convert.h"
#include "libs/fault/fault.h"
#include "libs/rpc/log.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/rating/app/top_ups.h"
#include "services/rating/domain/live.h"

namespace broadbill::rating {
namespace {

namespace common = broadbill::common::v1;
namespace pb = broadbill::rating::v1;

// The more waits, the more is looked at together: many changes of an item are one look.
constexpr size_t kItemsPerStep = 20000;
constexpr size_t kQuartersPerStep = 200000;
constexpr int64_t kRowsPerStep = 100;
constexpr absl::Duration kPoll = absl::Milliseconds(100);
constexpr absl::Duration kBackoff = absl::Seconds(1);
constexpr absl::Duration kLostEvery = absl::Seconds(30);

pb::Event EventOf(const Uuid& account_id, absl::Time now) {
  pb::Event out;
  out.set_account_id(account_id.ToText("acc"));
  out.set_event_id(Uuid::Make(now).ToText("evt"));
  *out.mutable_at() = convert::ToProto(now);
  return out;
}

void Add(const Uuid& account_id, const pb::Event& event, std::vector<db::FeedEvent>& out) {
  out.push_back({event.GetTypeName(), account_id, event.SerializeAsString()});
}

common::UsageTerms::CapAction ActionOf(const common::UsageTerms& terms) {
  return terms.cap_action() == common::UsageTerms::CAP_ACTION_UNSPECIFIED
             ? common::UsageTerms::CHARGE
             : terms.cap_action();
}

// What the network should do by what is used now.
UsageCapRow CapOf(const LiveStretch& stretch) {
  UsageCapRow out;
  out.account_id = stretch.account_id;
  out.item_id = stretch.item_id;
  out.period_start = stretch.days.start;
  out.period_end = stretch.days.end;
  out.ends_at = stretch.end;
  const auto action = ActionOf(stretch.terms);
  if (!IsUsedUp(stretch.counted(), stretch.included())) return out;
  if (action == common::UsageTerms::BLOCK) out.action = common::UsageTerms::BLOCK;
  if (action != common::UsageTerms::THROTTLE) return out;
  out.action = common::UsageTerms::THROTTLE;
  out.download_kbps = stretch.terms.throttle_download_kbps();
  out.upload_kbps = stretch.terms.throttle_upload_kbps();
  return out;
}

bool SaysTheSame(const UsageCapRow& a, const UsageCapRow& b) {
  if (a.action == 0 && b.action == 0) return true;
  return a.action == b.action && a.period_start == b.period_start && a.period_end == b.period_end &&
         a.download_kbps == b.download_kbps && a.upload_kbps == b.upload_kbps;
}

pb::Event CapEvent(const UsageCapRow& before, const UsageCapRow& after, absl::Time now) {
  pb::Event event = EventOf(after.account_id, now);
  if (after.action == 0) {
    pb::UsageCapLifted* lifted = event.mutable_usage_cap_lifted();
    lifted->set_item_id(before.item_id.ToText("sub"));
    *lifted->mutable_period() =
        convert::ToProto(DateInterval{before.period_start, before.period_end});
    lifted->set_reason(before.ends_at <= now ? pb::UsageCapLifted::PERIOD_OVER
                                             : pb::UsageCapLifted::UNITS_LEFT);
    return event;
  }
  pb::UsageCapReached* reached = event.mutable_usage_cap_reached();
  reached->set_item_id(after.item_id.ToText("sub"));
  *reached->mutable_period() = convert::ToProto(DateInterval{after.period_start, after.period_end});
  reached->set_action(static_cast<common::UsageTerms::CapAction>(after.action));
  reached->set_throttle_download_kbps(after.download_kbps);
  reached->set_throttle_upload_kbps(after.upload_kbps);
  return event;
}

}  // namespace

// What one item of a pool uses the others lack.
absl::Status UsageWatcher::AddPools(db::Tx& tx, Touched& touched) {
  std::vector<Uuid> ids;
  for (const auto& [id, times] : touched) ids.push_back(id);
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("SELECT DISTINCT one.item_id, other.item_id FROM item_terms one JOIN "
                           "item_terms other USING (account_id, pool) WHERE one.item_id = ANY($1) "
                           "AND pool <> '' AND one.item_id <> other.item_id",
                           ids));
  for (int i = 0; i < rows.size(); ++i) {
    const std::set<absl::Time> times = touched[rows.Get<Uuid>(i, 0)];
    touched[rows.Get<Uuid>(i, 1)].insert(times.begin(), times.end());
  }
  return absl::OkStatus();
}

absl::Status UsageWatcher::LeaveOut(db::Tx& tx, Work& work, const std::set<Uuid>& always) {
  std::vector<Uuid> ids;
  for (const auto& [id, quarters] : work.changed) ids.push_back(id);
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("SELECT DISTINCT item_id FROM item_terms WHERE item_id = ANY($1) AND "
                           "watched",
                           ids));
  std::set<Uuid> watched;
  for (int i = 0; i < rows.size(); ++i) watched.insert(rows.Get<Uuid>(i, 0));
  std::vector<Uuid> left_out;
  for (const Uuid& id : ids) {
    if (watched.count(id) > 0 || always.count(id) > 0) continue;
    left_out.push_back(id);
    work.touched.erase(id);
    work.changed.erase(id);
  }
  return ForgetSums(tx, left_out);
}

absl::StatusOr<UsageWatcher::Work> UsageWatcher::Take(db::Tx& tx) const {
  Work out;
  std::set<Uuid> always;  // of which something else than usage changed
  size_t quarters = 0;
  ASSIGN_OR_RETURN(const std::vector<UsageTouchedRow> touched,
                   db::Select<UsageTouchedRow>(
                       tx, "ORDER BY touch_id LIMIT $1 FOR UPDATE SKIP LOCKED", kRowsPerStep));
  for (const UsageTouchedRow& row : touched) {
    quarters += row.items.size();
    const bool much = out.touched.size() > kItemsPerStep || quarters > kQuartersPerStep;
    if (!out.rows.empty() && much) break;
    out.rows.push_back(row.touch_id);
    for (size_t i = 0; i < row.items.size(); ++i) {
      out.touched[row.items[i]].insert(row.at);
      if (row.quarters.empty()) {
        always.insert(row.items[i]);
      } else {
        out.changed[row.items[i]].insert(row.quarters[i]);
      }
    }
  }
  RETURN_IF_ERROR(LeaveOut(tx, out, always));
  // Caps whose period is over.
  ASSIGN_OR_RETURN(const db::Result over,
                   tx.Exec("SELECT item_id FROM usage_cap WHERE action <> 0 AND ends_at <= $1 "
                           "ORDER BY ends_at LIMIT $2",
                           clock_.Now(), static_cast<int64_t>(kItemsPerStep)));
  for (int i = 0; i < over.size(); ++i) out.touched[over.Get<Uuid>(i, 0)];
  RETURN_IF_ERROR(AddPools(tx, out.touched));
  return out;
}

absl::Status UsageWatcher::TellThresholds(db::Tx& tx, const std::vector<LiveStretch>& stretches,
                                          Outcome& outcome) const {
  const absl::Time now = clock_.Now();
  std::vector<UsageThresholdRow> rows;
  std::map<std::pair<Uuid, CivilDay>, const LiveStretch*> of;
  for (const LiveStretch& one : stretches) {
    if (!CanBeUsedUp(one.terms)) continue;
    of[{one.item_id, one.days.start}] = &one;
    const std::vector<int32_t> thresholds(one.terms.thresholds().begin(),
                                          one.terms.thresholds().end());
    for (const int32_t percent : ThresholdsReached(thresholds, one.counted(), one.included())) {
      rows.push_back({one.account_id, one.item_id, one.days.start, percent, now});
    }
  }
  if (rows.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const db::Result fresh,
                   db::InsertArrays(tx, rows,
                                    "ON CONFLICT DO NOTHING RETURNING item_id, period_start, "
                                    "percent"));
  std::map<std::pair<Uuid, CivilDay>, std::set<int32_t>> reached;
  for (int i = 0; i < fresh.size(); ++i) {
    reached[{fresh.Get<Uuid>(i, 0), fresh.Get<CivilDay>(i, 1)}].insert(fresh.Get<int32_t>(i, 2));
  }
  for (const auto& [key, percents] : reached) {
    const LiveStretch& one = *of.at(key);
    for (const int32_t percent : percents) {
      pb::Event event = EventOf(one.account_id, now);
      pb::UsageThresholdReached* out = event.mutable_usage_threshold_reached();
      out->set_item_id(one.item_id.ToText("sub"));
      *out->mutable_period() = convert::ToProto(one.days);
      out->set_percent(percent);
      out->set_included_bytes(one.included());
      out->set_counted_bytes(one.counted());
      out->set_cap_action(ActionOf(one.terms));
      out->set_superseded(percent != *percents.rbegin());
      out->set_description(one.service);
      out->set_unit(one.terms.unit());
      Add(one.account_id, event, outcome.events);
    }
  }
  return absl::OkStatus();
}

absl::Status UsageWatcher::TellCaps(db::Tx& tx, const std::map<Uuid, LiveItem>& items,
                                    const std::map<Uuid, const LiveStretch*>& live,
                                    Outcome& outcome) const {
  const absl::Time now = clock_.Now();
  std::vector<Uuid> ids;
  for (const auto& [id, item] : items) ids.push_back(id);
  ASSIGN_OR_RETURN(const std::vector<UsageCapRow> rows,
                   db::Select<UsageCapRow>(tx, "WHERE item_id = ANY($1)", ids));
  std::map<Uuid, UsageCapRow> before;
  for (const UsageCapRow& row : rows) before[row.item_id] = row;
  std::vector<UsageCapRow> changed;
  for (const auto& [id, item] : items) {
    const auto stretch = live.find(id);
    const auto known = before.find(id);
    UsageCapRow is;
    if (stretch != live.end()) {
      is = CapOf(*stretch->second);
    } else if (known != before.end()) {
      is = known->second;
      is.action = 0;
    }
    const UsageCapRow was = known == before.end() ? UsageCapRow{} : known->second;
    if (SaysTheSame(was, is)) continue;
    changed.push_back(is);
    Add(is.account_id, CapEvent(was, is, now), outcome.events);
  }
  return db::InsertArrays(tx, changed,
                          "ON CONFLICT (account_id, item_id) DO UPDATE SET period_start = "
                          "excluded.period_start, period_end = excluded.period_end, action = "
                          "excluded.action, download_kbps = excluded.download_kbps, upload_kbps = "
                          "excluded.upload_kbps, ends_at = excluded.ends_at")
      .status();
}

absl::StatusOr<bool> UsageWatcher::BuyTopUps(db::Tx& tx, const std::vector<LiveStretch>& stretches,
                                             const std::set<size_t>& running) const {
  bool any = false;
  for (const size_t i : running) {
    const LiveStretch& one = stretches[i];
    if (!CanBeUsedUp(one.terms) || !IsUsedUp(one.counted(), one.included())) continue;
    for (const common::UsageTopUp& offer : one.terms.top_ups()) {
      if (!offer.automatic()) continue;
      Purchase purchase{&offer, 1, true, "automatic", clock_.Now()};
      // The item is locked: nobody else buys for it, and the purchase is kept with its judgement.
      ASSIGN_OR_RETURN(const int64_t most, CanStillBuy(tx, one, purchase));
      ASSIGN_OR_RETURN(const int64_t bytes, BytesOf(one, offer));
      const int64_t lacking = (one.counted() - one.included()) / std::max<int64_t>(1, bytes) + 1;
      purchase.count = static_cast<int>(std::min(most, lacking));
      if (purchase.count <= 0) continue;
      RETURN_IF_ERROR(Buy(tx, one, purchase).status());
      any = true;
    }
  }
  return any;
}

absl::Status UsageWatcher::Judge(db::Tx& tx, const Touched& touched, const ChangedUsage& changed,
                                 Outcome& outcome) const {
  const absl::Time now = clock_.Now();
  std::vector<Uuid> ids;
  for (const auto& [id, times] : touched) ids.push_back(id);
  ASSIGN_OR_RETURN(const auto items, LoadLiveItems(tx, ids, /*lock=*/true));
  std::set<Uuid> locked;
  for (const auto& [id, item] : items) locked.insert(id);
  UsageSums sums(tx, std::move(locked));
  RETURN_IF_ERROR(sums.Apply(changed));
  std::vector<LiveStretch> stretches;
  std::set<size_t> running;  // those that hold this moment
  for (const auto& [id, item] : items) {
    if (auto one = StretchAt(item, now)) {
      running.insert(stretches.size());
      stretches.push_back(*std::move(one));
    }
    // Usage that came just before a period's end belongs to that period.
    std::set<CivilDay> seen;
    for (const absl::Time at : touched.at(id)) {
      auto one = StretchAt(item, at);
      if (!one.has_value() || one->end > now || !seen.insert(one->days.start).second) continue;
      stretches.push_back(*std::move(one));
    }
  }
  RETURN_IF_ERROR(FillUsage(tx, stretches, sums));
  RETURN_IF_ERROR(TellThresholds(tx, stretches, outcome));
  ASSIGN_OR_RETURN(const bool bought, BuyTopUps(tx, stretches, running));
  if (bought) RETURN_IF_ERROR(FillUsage(tx, stretches, sums));
  std::map<Uuid, const LiveStretch*> live;
  for (const size_t i : running) live[stretches[i].item_id] = &stretches[i];
  RETURN_IF_ERROR(TellCaps(tx, items, live, outcome));
  for (const size_t i : running) outcome.live.push_back(stretches[i]);
  return absl::OkStatus();
}

absl::Status UsageWatcher::LiftWhatIsOver(db::Tx& tx, const Uuid& item, Outcome& outcome) const {
  const absl::Time now = clock_.Now();
  ASSIGN_OR_RETURN(
      const std::vector<UsageCapRow> over,
      db::Select<UsageCapRow>(tx, "WHERE item_id = $1 AND action <> 0 AND ends_at <= $2 FOR UPDATE",
                              item, now));
  if (over.empty()) return absl::OkStatus();
  UsageCapRow lifted = over.front();
  lifted.action = 0;
  Add(lifted.account_id, CapEvent(over.front(), lifted, now), outcome.events);
  return tx.Exec("UPDATE usage_cap SET action = 0 WHERE item_id = $1", item).status();
}

absl::Status UsageWatcher::JudgeApart(db::Tx& tx, const Touched& touched,
                                      const ChangedUsage& changed, Outcome& outcome) const {
  if (touched.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(tx.ExecScript("SAVEPOINT part"));
  Outcome part;
  const absl::Status judged = Judge(tx, touched, changed, part);
  if (judged.ok()) {
    outcome.events.insert(outcome.events.end(), part.events.begin(), part.events.end());
    outcome.live.insert(outcome.live.end(), part.live.begin(), part.live.end());
    return tx.ExecScript("RELEASE SAVEPOINT part");
  }
  const auto code = judged.code();
  if (code == absl::StatusCode::kUnavailable || code == absl::StatusCode::kAborted) return judged;
  RETURN_IF_ERROR(tx.ExecScript("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part"));
  if (touched.size() > 1) {
    Touched halves[2];
    ChangedUsage of[2];
    size_t at = 0;
    for (const auto& [id, times] : touched) {
      const int half = 2 * at++ < touched.size() ? 0 : 1;
      halves[half][id] = times;
      if (const auto found = changed.find(id); found != changed.end()) of[half].insert(*found);
    }
    RETURN_IF_ERROR(JudgeApart(tx, halves[0], of[0], outcome));
    return JudgeApart(tx, halves[1], of[1], outcome);
  }
  const Uuid& id = touched.begin()->first;
  rpc::Log(rpc::LogLevel::kError, "an item's usage cannot be judged",
           {{"item", id.ToText("sub")}, {"detail", std::string(judged.message())}});
  metrics_.Count("broadbill_usage_watch_failures_total", {});
  RETURN_IF_ERROR(ForgetSums(tx, {id}));
  // Nobody stays slowed down beyond the period because of that.
  return LiftWhatIsOver(tx, id, outcome);
}

absl::StatusOr<int64_t> UsageWatcher::Step() {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const Work work, Take(tx));
  if (work.rows.empty() && work.touched.empty()) return 0;
  fault::Point("watch", "taken");
  Outcome outcome;
  RETURN_IF_ERROR(JudgeApart(tx, work.touched, work.changed, outcome));
  RETURN_IF_ERROR(
      tx.Exec("DELETE FROM usage_touched WHERE touch_id = ANY($1)", work.rows).status());
  RETURN_IF_ERROR(db::AppendFeed(tx, outcome.events, clock_.Now()));
  RETURN_IF_ERROR(tx.Commit("watch"));
  if (!outcome.events.empty()) db::SignalFeed("rating");
  counters_.Write(outcome.live, clock_.Now());
  metrics_.Count("broadbill_usage_watched_items_total", {},
                 static_cast<double>(work.touched.size()));
  return static_cast<int64_t>(std::max(work.rows.size(), work.touched.size()));
}

absl::StatusOr<bool> UsageWatcher::IsDone() const {
  ASSIGN_OR_RETURN(const db::Result some,
                   pool_->Exec("SELECT 1 FROM usage_touched UNION ALL SELECT 1 FROM usage_cap "
                               "WHERE action <> 0 AND ends_at <= $1 LIMIT 1",
                               clock_.Now()));
  return some.empty();
}

absl::Status UsageWatcher::TouchAll() const {
  constexpr size_t kPart = 500;
  ASSIGN_OR_RETURN(const db::Result all,
                   pool_->Exec("SELECT DISTINCT item_id FROM item_terms WHERE watched"));
  return db::RunTx(*pool_, [&](db::Tx& tx) -> absl::Status {
    std::vector<Uuid> part;
    for (int i = 0; i < all.size(); ++i) {
      part.push_back(all.Get<Uuid>(i, 0));
      if (part.size() < kPart && i + 1 < all.size()) continue;
      RETURN_IF_ERROR(TouchUsage(tx, clock_.Now(), part));
      part.clear();
    }
    return absl::OkStatus();
  });
}

absl::Status UsageWatcher::Refill() {
  lost_ = counters_.TakeLost() || lost_;
  if (!lost_) return absl::OkStatus();
  RETURN_IF_ERROR(TouchAll());
  lost_ = false;
  return absl::OkStatus();
}

void UsageWatcher::Run(rpc::Background& background) {
  absl::Time look_for_loss = absl::InfinitePast();
  while (!background.stopping()) {
    if (absl::Now() >= look_for_loss) {
      look_for_loss = absl::Now() + kLostEvery;
      Refill().IgnoreError();
    }
    const absl::Time began = absl::Now();
    const auto looked = Step();
    if (!looked.ok()) {
      rpc::Log(rpc::LogLevel::kWarning, "usage is watched again in a moment",
               {{"detail", std::string(looked.status().message())}});
      background.WaitFor(kBackoff);
    } else if (*looked == 0) {
      background.WaitFor(kPoll);
    } else {
      // Usage that comes meanwhile is looked at together; half of the time is left to others.
      background.WaitFor(std::max(kPoll, absl::Now() - began));
    }
  }
}

}  // namespace broadbill::rating
