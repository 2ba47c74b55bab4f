#include "services/rating/app/live_usage.h"

#include <algorithm>
#include <set>

#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/rating/app/period_usage.h"

namespace broadbill::rating {
namespace {

namespace common = broadbill::common::v1;
namespace pb = broadbill::rating::v1;

constexpr size_t kBatch = 1000;  // stretches whose readings are in memory at one time

UsageCycle ToCycle(const UsageCycleRow& row) {
  UsageCycle out;
  out.start = row.start_date;
  out.end = row.end_date;
  for (size_t i = 0; i < row.cycle_days.size(); ++i) {
    out.cycle_days.push_back({row.cycle_days[i], row.cycle_day_values[i]});
  }
  out.rule = static_cast<AnchorRule>(row.anchor_rule);
  out.anchor = row.anchor_date;
  out.full_first = row.full_first;
  return out;
}

bool IsPositive(bool set, const common::Decimal& value) {
  const auto number = Decimal::Parse(value.value());
  return set && number.ok() && *number > Decimal();
}

// Items by account whose balances depend on their life before, or on each other.
using Lives = std::map<Uuid, std::vector<LiveItem>>;

// What is asked, and who wants to know; nullptr: nobody, but it is part of what is left.
struct PeriodQuestions {
  pb::BatchGetPeriodUsageRequest request;
  std::vector<LiveStretch*> asked;
};

bool DependsOnHistory(const LiveItem& item) {
  for (const ItemTermsRow& row : item.terms) {
    common::UsageTerms terms;
    if (row.usage.data.empty() || !terms.ParseFromString(row.usage.data)) continue;
    if (!terms.pool().empty() || terms.has_rollover() || terms.top_ups_size() > 0) return true;
  }
  return false;
}

absl::StatusOr<Lives> LoadLives(db::Tx& tx, const std::vector<Uuid>& accounts) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("SELECT item_id FROM usage_cycle WHERE account_id = ANY($1)", accounts));
  std::vector<Uuid> ids;
  for (int i = 0; i < rows.size(); ++i) ids.push_back(rows.Get<Uuid>(i, 0));
  ASSIGN_OR_RETURN(auto items, LoadLiveItems(tx, ids, /*lock=*/false));
  Lives out;
  std::set<Uuid> dependent;
  for (auto& [id, item] : items) {
    const Uuid account = item.cycle.account_id;
    if (DependsOnHistory(item)) dependent.insert(account);
    out[account].push_back(std::move(item));
  }
  std::erase_if(out, [&](const auto& entry) { return dependent.count(entry.first) == 0; });
  return out;
}

// The days of a period under one row of terms; none where they share no day.
std::optional<LiveStretch> StretchOf(const UsagePeriod& period, const ItemTermsRow& row) {
  const auto zone = LoadZone(row.time_zone);
  LiveStretch out;
  out.account_id = row.account_id;
  out.item_id = row.item_id;
  out.days = period.days.Intersect({row.valid_from, row.valid_to});
  out.full = period.full;
  if (!zone.ok() || out.days.empty() || row.usage.data.empty()) return std::nullopt;
  out.start = StartOfDay(out.days.start, *zone);
  out.end = StartOfDay(out.days.end, *zone);
  out.zone = *zone;
  out.time_zone = row.time_zone;
  out.currency = row.currency;
  out.service = row.service;
  if (!out.terms.ParseFromString(row.usage.data)) return std::nullopt;
  return out;
}

// The item's stretches that begin before a day, oldest first.
std::vector<LiveStretch> StretchesBefore(const LiveItem& item, CivilDay end) {
  std::vector<LiveStretch> out;
  const UsageCycle cycle = ToCycle(item.cycle);
  for (const UsagePeriod& period : UsagePeriods(cycle, {cycle.start, end})) {
    for (const ItemTermsRow& row : item.terms) {
      auto one = StretchOf(period, row);
      if (one.has_value()) out.push_back(*std::move(one));
    }
  }
  std::sort(out.begin(), out.end(),
            [](const LiveStretch& a, const LiveStretch& b) { return a.days.start < b.days.start; });
  return out;
}

pb::PeriodUsageQuery* AddQuery(const LiveStretch& one, LiveStretch* wanted,
                               PeriodQuestions& questions) {
  pb::PeriodUsageQuery* query = questions.request.add_queries();
  query->set_account_id(one.account_id.ToText("acc"));
  query->set_item_id(one.item_id.ToText("sub"));
  *query->mutable_period() = convert::ToProto(one.days);
  *query->mutable_full_period() = convert::ToProto(one.full);
  query->set_time_zone(one.time_zone);
  query->set_currency_code(one.currency);
  *query->mutable_usage() = one.terms;
  questions.asked.push_back(wanted);
  return query;
}

// All items of an account with their lives. False when something is asked that is no stretch of
// these: days of another kind.
bool AskWithHistory(const std::vector<LiveItem>& items, const std::vector<LiveStretch*>& asked,
                    PeriodQuestions& questions) {
  CivilDay end = CivilDay::min();
  for (const LiveStretch* one : asked) end = std::max(end, one->days.end);
  size_t found = 0;
  PeriodQuestions out;
  for (const LiveItem& item : items) {
    const std::vector<LiveStretch> life = StretchesBefore(item, end);
    pb::PeriodUsageQuery* last = nullptr;
    std::vector<const LiveStretch*> earlier;
    for (size_t i = 0; i < life.size(); ++i) {
      const LiveStretch& one = life[i];
      const auto wanted = std::find_if(asked.begin(), asked.end(), [&](const LiveStretch* it) {
        return it->item_id == one.item_id && it->days == one.days;
      });
      if (wanted != asked.end()) {
        ++found;
        last = AddQuery(one, *wanted, out);
      } else if (i + 1 == life.size() && last == nullptr) {
        last = AddQuery(one, nullptr, out);
      } else {
        earlier.push_back(&one);
      }
    }
    for (const LiveStretch* one : earlier) {
      pb::EarlierPeriod* to = last->add_earlier_periods();
      *to->mutable_period() = convert::ToProto(one->days);
      *to->mutable_full_period() = convert::ToProto(one->full);
      *to->mutable_usage() = one->terms;
    }
  }
  if (found != asked.size()) return false;
  questions.request.MergeFrom(out.request);
  questions.asked.insert(questions.asked.end(), out.asked.begin(), out.asked.end());
  return true;
}

absl::Status Answer(db::Tx& tx, const PeriodQuestions& questions, UsageSums& sums) {
  ASSIGN_OR_RETURN(auto response, AnswerPeriodUsage(tx, questions.request, &sums));
  for (size_t i = 0; i < questions.asked.size(); ++i) {
    if (questions.asked[i] == nullptr) continue;
    questions.asked[i]->usage =
        std::move(*response.mutable_usages(static_cast<int>(i))->mutable_data());
  }
  return absl::OkStatus();
}

}  // namespace

bool CanBeUsedUp(const common::UsageTerms& terms) {
  const bool total = terms.measure() != common::UsageTerms::PERCENTILE &&
                     terms.measure() != common::UsageTerms::PEAK;
  if (!total || terms.unlimited()) return false;
  return IsPositive(terms.has_allowance(), terms.allowance()) || terms.top_ups_size() > 0 ||
         !terms.pool().empty() || terms.cap_action() == common::UsageTerms::THROTTLE ||
         terms.cap_action() == common::UsageTerms::BLOCK;
}

absl::Status TouchUsage(db::Tx& tx, absl::Time now, const std::vector<Uuid>& items) {
  if (items.empty()) return absl::OkStatus();
  return db::InsertOne(tx, UsageTouchedRow{Uuid::Make(now), now, items}).status();
}

absl::Status TouchQuarters(db::Tx& tx, absl::Time now, const std::vector<ChangedQuarter>& changed) {
  if (changed.empty()) return absl::OkStatus();
  UsageTouchedRow row{Uuid::Make(now), now, {}, {}};
  row.items.reserve(changed.size());
  row.quarters.reserve(changed.size());
  for (size_t i = 0; i < changed.size(); ++i) {
    if (i > 0 && changed[i] == changed[i - 1]) continue;
    row.items.push_back(changed[i].first);
    row.quarters.push_back(changed[i].second);
  }
  return db::InsertOne(tx, row).status();
}

absl::StatusOr<std::map<Uuid, LiveItem>> LoadLiveItems(db::Tx& tx, const std::vector<Uuid>& items,
                                                       bool lock) {
  std::map<Uuid, LiveItem> out;
  ASSIGN_OR_RETURN(
      std::vector<UsageCycleRow> cycles,
      db::Select<UsageCycleRow>(
          tx, std::string("WHERE item_id = ANY($1) ORDER BY item_id") + (lock ? " FOR UPDATE" : ""),
          items));
  for (UsageCycleRow& row : cycles) {
    const Uuid id = row.item_id;
    out[id].cycle = std::move(row);
  }
  ASSIGN_OR_RETURN(std::vector<ItemTermsRow> terms,
                   db::Select<ItemTermsRow>(tx, "WHERE item_id = ANY($1)", items));
  for (ItemTermsRow& row : terms) {
    const auto found = out.find(row.item_id);
    if (found != out.end()) found->second.terms.push_back(std::move(row));
  }
  return out;
}

std::optional<LiveStretch> StretchAt(const LiveItem& item, absl::Time at) {
  for (const ItemTermsRow& row : item.terms) {
    const auto zone = LoadZone(row.time_zone);
    if (!zone.ok() || row.usage.data.empty()) continue;
    const CivilDay day = DateIn(at, *zone);
    if (!DateInterval{row.valid_from, row.valid_to}.Contains(day)) continue;
    const auto period = UsagePeriodOn(ToCycle(item.cycle), day);
    return period.has_value() ? StretchOf(*period, row) : std::nullopt;
  }
  return std::nullopt;
}

absl::Status FillUsage(db::Tx& tx, std::vector<LiveStretch>& stretches, UsageSums& sums) {
  std::map<Uuid, std::vector<LiveStretch*>> accounts;
  std::vector<Uuid> ids;
  for (LiveStretch& one : stretches) accounts[one.account_id].push_back(&one);
  for (const auto& [id, asked] : accounts) ids.push_back(id);
  ASSIGN_OR_RETURN(const Lives lives, LoadLives(tx, ids));
  PeriodQuestions questions;
  for (const auto& [id, asked] : accounts) {
    const auto items = lives.find(id);
    if (items == lives.end() || !AskWithHistory(items->second, asked, questions)) {
      for (LiveStretch* one : asked) AddQuery(*one, one, questions);
    }
    if (questions.asked.size() < kBatch && id != accounts.rbegin()->first) continue;
    RETURN_IF_ERROR(Answer(tx, questions, sums));
    questions = {};
  }
  return absl::OkStatus();
}

}  // namespace broadbill::rating
