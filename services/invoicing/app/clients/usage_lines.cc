#include <algorithm>
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
constexpr int kBatch = 3000;      // queries a call, the limit of rating

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

// The stretches of one closed period: segments of the same plan are one.
void AskPeriod(AccountWork& one, const Part& part, size_t index, const UsagePeriod& period,
               Questions& out) {
  const accounts::SnapshotItem& item = part.snapshot->items(static_cast<int>(index));
  for (const auto& segment : item.segments()) {
    const DateInterval days = period.days.Intersect(
        {ToDay(segment.start_date(), CivilDay::min()), ToDay(segment.end_date(), CivilDay::max())});
    const auto& terms = segment.terms();
    if (days.empty() || (!terms.has_usage() && !terms.has_voice())) continue;
    if (!out.asked.empty() && days.start > period.days.start) {
      Asked& last = out.asked.back();
      if (last.part == &part && last.item == index && last.period.end == days.start &&
          last.terms->plan_code() == terms.plan_code()) {
        last.period.end = days.end;
        auto* query = out.request.mutable_queries(out.request.queries_size() - 1);
        *query->mutable_period()->mutable_end_date() = convert::ToProto(days.end);
        continue;
      }
    }
    out.asked.push_back({&one, &part, index, &terms, days});
    AddQuery(*part.snapshot, item, out.asked.back(), period.full, out.request);
  }
}

absl::StatusOr<std::vector<rating::PeriodUsage>> Ask(
    rpc::Channel& channel, const rating::BatchGetPeriodUsageRequest& request) {
  std::vector<rating::PeriodUsage> answers;
  for (int begin = 0; begin < request.queries_size(); begin += kBatch) {
    rating::BatchGetPeriodUsageRequest part;
    for (int i = begin; i < std::min(begin + kBatch, request.queries_size()); ++i) {
      *part.add_queries() = request.queries(i);
    }
    ASSIGN_OR_RETURN(const auto response, channel.Call<rating::BatchGetPeriodUsageResponse>(
                                              "broadbill.rating.v1.Rating/BatchGetPeriodUsage",
                                              part, rpc::BackgroundContext("invoicing")));
    answers.insert(answers.end(), response.usages().begin(), response.usages().end());
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
    // A destination that was billed and has no calls any more is given back.
    const auto from = billed_.lower_bound({item_.item_id, ask_.period.start, "voice:"});
    for (auto it = from; it != billed_.end(); ++it) {
      const auto& [item, start, meter] = it->first;
      if (item != item_.item_id || start != ask_.period.start || meter.rfind("voice:", 0) != 0)
        break;
      if (seen_.count(meter) > 0) continue;
      Bill(meter, 0, LineKind::kVoice, "Calls: " + meter.substr(6), "no calls left",
           ask_.terms->voice().tax_class(), ask_.terms->voice().account_code());
    }
  }

 private:
  void AddData(const rating::DataUsage& data) {
    const auto& terms = ask_.terms->usage();
    const std::string text = terms.description().empty()
                                 ? ask_.terms->description() + " data overage"
                                 : terms.description();
    Bill(data.meter(), data.amount_minor(), LineKind::kUsage, text, data.derivation(),
         terms.tax_class(), terms.account_code());
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
      for (size_t i = 0; i < part.items.size(); ++i) {
        for (const UsagePeriod& period : ClosedUsagePeriods(part.items[i], part.terms.schedules,
                                                            context.as_of, kUsagePeriods)) {
          AskPeriod(one, part, i, period, questions);
        }
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
