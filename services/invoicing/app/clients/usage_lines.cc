#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "broadbill/rating/v1/period_usage.pb.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/clients/snapshots.h"
#include "services/invoicing/app/work.h"
#include "services/invoicing/domain/schedule.h"

namespace broadbill::invoicing {
namespace {

namespace rating = broadbill::rating::v1;

constexpr int kUsagePeriods = 3;  // closed periods asked again for late usage
constexpr int kBatch = 3000;      // queries a call, more where they are of one account
constexpr size_t kBatchBytes = 4 << 20;

// One stretch of usage asked for: an item's closed period, or the part of it under one plan.
struct Asked {
  AccountWork* work;
  const Part* part;
  size_t item;
  const accounts::Terms* terms;
  DateInterval period;
};

struct Questions {
  std::vector<Asked> asked;
  rating::BatchGetPeriodUsageRequest request;
};

void AddQuery(const accounts::BillingSnapshot& snapshot, const accounts::SnapshotItem& item,
              const Asked& ask, const DateInterval& full,
              rating::BatchGetPeriodUsageRequest& request) {
  auto* query = request.add_queries();
  query->set_account_id(snapshot.account_id());
  query->set_item_id(item.item_id());
  *query->mutable_period() = convert::ToProto(ask.period);
  *query->mutable_full_period() = convert::ToProto(full);
  query->set_time_zone(snapshot.time_zone());
  query->set_currency_code(snapshot.currency_code());
  if (ask.terms->has_usage()) *query->mutable_usage() = ask.terms->usage();
  if (ask.terms->has_voice()) *query->mutable_voice() = ask.terms->voice();
}

// Days under one plan that charges for usage or calls.
struct Stretch {
  DateInterval days;
  const accounts::Terms* terms;
};

// The stretches of one closed period: segments of the same plan are one.
std::vector<Stretch> StretchesOf(const accounts::SnapshotItem& item, const UsagePeriod& period) {
  std::vector<Stretch> out;
  for (const auto& segment : item.segments()) {
    const DateInterval days = period.days.Intersect(
        {ToDay(segment.start_date(), CivilDay::min()), ToDay(segment.end_date(), CivilDay::max())});
    const auto& terms = segment.terms();
    if (days.empty() || (!terms.has_usage() && !terms.has_voice())) continue;
    if (!out.empty() && out.back().days.end == days.start &&
        out.back().terms->plan_code() == terms.plan_code()) {
      out.back().days.end = days.end;
    } else {
      out.push_back({days, &terms});
    }
  }
  return out;
}

// What some item of the account uses can depend on its life before, and on that of others.
bool NeedsHistory(const accounts::BillingSnapshot& snapshot) {
  for (const auto& item : snapshot.items()) {
    for (const auto& segment : item.segments()) {
      const auto& usage = segment.terms().usage();
      if (!usage.pool().empty() || usage.has_rollover()) return true;
      for (const auto& offer : usage.top_ups()) {
        if (offer.valid_days() > 0) return true;
      }
    }
  }
  return false;
}

void AddHistory(const accounts::SnapshotItem& item, const std::vector<UsagePeriod>& periods,
                const accounts::Terms& of, rating::PeriodUsageQuery& query) {
  for (const UsagePeriod& period : periods) {
    for (const Stretch& stretch : StretchesOf(item, period)) {
      if (!stretch.terms->has_usage()) continue;
      rating::EarlierPeriod* earlier = query.add_earlier_periods();
      *earlier->mutable_period() = convert::ToProto(stretch.days);
      *earlier->mutable_full_period() = convert::ToProto(period.full);
      if (stretch.terms->plan_code() == of.plan_code()) continue;
      *earlier->mutable_usage() = stretch.terms->usage();
    }
  }
}

// Asks about the last closed periods of an item.
void AskItem(AccountWork& one, const Part& part, size_t index, CivilDay as_of, bool with_history,
             Questions& out) {
  const accounts::SnapshotItem& item = part.snapshot->items(static_cast<int>(index));
  std::vector<UsagePeriod> periods =
      ClosedUsagePeriods(part.items[index], part.terms.schedules, as_of,
                         with_history ? std::numeric_limits<int>::max() : kUsagePeriods);
  const size_t earlier = periods.size() - std::min<size_t>(periods.size(), kUsagePeriods);
  int last = -1;
  for (size_t i = earlier; i < periods.size(); ++i) {
    for (const Stretch& stretch : StretchesOf(item, periods[i])) {
      out.asked.push_back({&one, &part, index, stretch.terms, stretch.days});
      AddQuery(*part.snapshot, item, out.asked.back(), periods[i].full, out.request);
      if (stretch.terms->has_usage()) last = out.request.queries_size() - 1;
    }
  }
  if (!with_history || last < 0) return;
  periods.resize(earlier);
  AddHistory(item, periods, *out.asked[static_cast<size_t>(last)].terms,
             *out.request.mutable_queries(last));
}

// Items of one account are asked about in one call: they can share units.
absl::StatusOr<std::vector<rating::PeriodUsage>> Ask(
    rpc::Channel& channel, const rating::BatchGetPeriodUsageRequest& request) {
  std::vector<rating::PeriodUsage> answers;
  rating::BatchGetPeriodUsageRequest part;
  size_t bytes = 0;
  for (int i = 0; i < request.queries_size(); ++i) {
    const rating::PeriodUsageQuery& query = request.queries(i);
    bytes += query.ByteSizeLong();
    *part.add_queries() = query;
    const bool last = i + 1 == request.queries_size();
    const bool full = part.queries_size() >= kBatch || bytes >= kBatchBytes;
    if (!last && (!full || request.queries(i + 1).account_id() == query.account_id())) continue;
    ASSIGN_OR_RETURN(const auto response, channel.Call<rating::BatchGetPeriodUsageResponse>(
                                              "broadbill.rating.v1.Rating/BatchGetPeriodUsage",
                                              part, rpc::BackgroundContext("invoicing")));
    answers.insert(answers.end(), response.usages().begin(), response.usages().end());
    part.clear_queries();
    bytes = 0;
  }
  return answers;
}

// What was billed so far by item, meter and first day of the stretch.
using Billed = std::map<std::tuple<Uuid, CivilDay, std::string>, int64_t>;

// Usage is taxed where the service was at the end of its days.
std::optional<Uuid> DeliveredAt(const Item& item, CivilDay day) {
  for (const Segment& segment : item.segments) {
    if (segment.days.Contains(day) && segment.location_id) return segment.location_id;
  }
  return item.location_id;
}

class UsageBiller {
 public:
  UsageBiller(const Asked& ask, const Billed& billed)
      : ask_(ask), one_(*ask.work), item_(ask.part->items[ask.item]), billed_(billed) {}

  void Add(const rating::PeriodUsage& usage) {
    if (usage.unrated_count() > 0) {
      one_.draft.problems.push_back(
          {pb::RunException::UNRATED_USAGE,
           absl::StrCat(usage.unrated_count(), " usage records of ", FormatDate(ask_.period.start),
                        " to ", FormatDate(ask_.period.end - 1), " wait unrated")});
    }
    if (usage.has_data()) AddData(usage.data());
    for (const rating::VoiceGroup& group : usage.voice_groups()) AddVoice(group);
    // A destination that was billed and has no calls any more is given back, and so is what was
    // bought on days that are of another plan now.
    GiveBack("voice:", LineKind::kVoice, "Calls: ", "no calls left", ask_.terms->voice());
    GiveBack("top_up:", LineKind::kUsage, "Top-up: ", "none left", ask_.terms->usage());
  }

 private:
  void AddData(const rating::DataUsage& data) {
    const auto& terms = ask_.terms->usage();
    const std::string text = terms.description().empty()
                                 ? ask_.terms->description() + " data overage"
                                 : terms.description();
    Bill(data.meter(), data.amount_minor(), LineKind::kUsage, text, data.derivation(),
         terms.tax_class(), terms.account_code());
    for (const rating::PeriodTopUp& bought : data.top_ups()) {
      Bill("top_up:" + bought.code(), bought.amount_minor(), LineKind::kUsage,
           bought.count() == 1 ? bought.description()
                               : absl::StrCat(bought.count(), " × ", bought.description()),
           bought.derivation(), terms.tax_class(), terms.account_code());
    }
  }

  template <class Terms>
  void GiveBack(const std::string& prefix, LineKind kind, const std::string& text,
                const std::string& derivation, const Terms& terms) {
    const auto from = billed_.lower_bound({item_.item_id, ask_.period.start, prefix});
    for (auto it = from; it != billed_.end(); ++it) {
      const auto& [item, start, meter] = it->first;
      if (item != item_.item_id || start != ask_.period.start || meter.rfind(prefix, 0) != 0) break;
      if (seen_.count(meter) > 0) continue;
      Bill(meter, 0, kind, text + meter.substr(prefix.size()), derivation, terms.tax_class(),
           terms.account_code());
    }
  }

  void AddVoice(const rating::VoiceGroup& group) {
    const auto amount = Fraction::MinorUnits(ToDecimal(group.amount()), one_.exponent).Round();
    Bill("voice:" + group.destination(), amount.ok() ? *amount : 0, LineKind::kVoice,
         "Calls: " + group.destination(),
         absl::StrCat(group.calls(), group.calls() == 1 ? " call, " : " calls, ",
                      group.billed_seconds(), " s, ", group.amount().value()),
         ask_.terms->voice().tax_class(), ask_.terms->voice().account_code());
  }

  void Bill(const std::string& meter, int64_t amount, LineKind kind, const std::string& text,
            const std::string& derivation, const std::string& tax_class,
            const std::string& account_code) {
    seen_.insert(meter);
    const auto before = billed_.find({item_.item_id, ask_.period.start, meter});
    const bool first = before == billed_.end();
    const int64_t already = first ? 0 : before->second;
    if (amount == already) return;
    Line line;
    line.kind = kind;
    line.item_id = item_.item_id;
    line.location_id = DeliveredAt(item_, ask_.period.end - 1);
    line.description = first ? text : "Correction: " + text;
    line.days = ask_.period;
    line.amount = amount - already;
    line.tax_class = tax_class.empty() ? ask_.terms->tax_class() : tax_class;
    line.account_code = account_code.empty() ? ask_.terms->account_code() : account_code;
    line.derivation = derivation;
    line.source = "usage";
    line.source_id = meter;
    one_.usage.push_back(std::move(line));
    one_.draft.usage.push_back(
        {ask_.part->account_id, item_.item_id, meter, ask_.period.start, amount});
    one_.due = one_.due || first;
  }

  const Asked& ask_;
  AccountWork& one_;
  const Item& item_;
  const Billed& billed_;
  std::set<std::string> seen_;
};

}  // namespace

absl::Status Assembler::AddUsage(std::vector<AccountWork>& work,
                                 const DraftContext& context) const {
  Questions questions;
  std::map<Uuid, AccountWork*> asked;
  for (AccountWork& one : work) {
    if (one.failed) continue;
    for (const Part& part : one.parts) {
      const size_t before = questions.asked.size();
      const bool with_history = NeedsHistory(*part.snapshot);
      for (size_t i = 0; i < part.items.size(); ++i) {
        AskItem(one, part, i, context.as_of, with_history, questions);
      }
      if (questions.asked.size() > before) asked[part.account_id] = &one;
    }
  }
  if (questions.asked.empty()) return absl::OkStatus();
  std::vector<Uuid> account_ids;
  for (const auto& [account, one] : asked) account_ids.push_back(account);
  ASSIGN_OR_RETURN(const auto answers, Ask(*peers_.rating, questions.request));
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(auto rows,
                   db::Select<UsageBilledRow>(tx, "WHERE account_id = ANY($1)", account_ids));
  tx.Rollback();
  for (const UsageBilledRow& row : rows) {
    asked[row.account_id]->used[row.period_start] += row.billed_minor;
  }
  if (context.after != nullptr) {
    for (const Draft& draft : *context.after) {
      rows.insert(rows.end(), draft.usage.begin(), draft.usage.end());
    }
  }
  Billed billed;
  for (const UsageBilledRow& row : rows) {
    billed[{row.item_id, row.period_start, row.meter}] = row.billed_minor;
  }
  for (size_t q = 0; q < questions.asked.size(); ++q) {
    UsageBiller(questions.asked[q], billed).Add(answers[q]);
  }
  return absl::OkStatus();
}

}  // namespace broadbill::invoicing
