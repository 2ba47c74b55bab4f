// What happens to unpaid documents: late fees and reminders of each policy, as of a date.

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/payments/app/payments_app.h"

namespace broadbill::payments {
namespace {

constexpr int64_t kAccountsAtOnce = 1000;

// One account's documents: the rows, and what the domain decides by.
struct LateAccount {
  std::vector<ItemRow> items;
  std::vector<LateDocument> documents;  // by item
};

using LateAccounts = std::map<Uuid, LateAccount>;

// The next accounts of a policy with documents past their due date that are open, or were paid late
// since a run last looked. Not those whose bank debit is on its way or whose charge has an unknown
// outcome: nothing happens to them until it is settled.
absl::StatusOr<std::vector<Uuid>> NextAccounts(db::Tx& tx, const pb::DunningPolicy& policy,
                                               const std::vector<std::string>& groups,
                                               CivilDay as_of, const std::vector<Uuid>& only,
                                               const Uuid& after) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec("SELECT DISTINCT i.account_id FROM item i JOIN customer c USING (account_id) "
              "WHERE (i.open > 0 OR i.paid_late) AND i.account_id > $1 AND i.due_date + $2 < $3 "
              "AND (cardinality($4) = 0 OR i.account_id = ANY($4)) AND "
              "CASE WHEN $5 = '' THEN NOT c.account_group = ANY($6) ELSE c.account_group = $5 END "
              "AND NOT EXISTS (SELECT 1 FROM attempt t WHERE t.account_id = i.account_id AND "
              "t.state IN (2, 3)) ORDER BY i.account_id LIMIT $7",
              after, policy.grace_days(), as_of, only, policy.group(), groups, kAccountsAtOnce));
  std::vector<Uuid> out;
  for (int i = 0; i < rows.size(); ++i) out.push_back(rows.Get<Uuid>(i, 0));
  return out;
}

// Adds what was paid, disputed and assessed to the documents.
absl::Status AddHistory(db::Tx& tx, const std::vector<Uuid>& accounts,
                        const std::vector<Uuid>& documents, LateAccounts& out) {
  std::map<Uuid, LateDocument*> by_id;
  for (auto& [account, late] : out) {
    for (LateDocument& document : late.documents) by_id[document.document_id] = &document;
  }
  // A returned payment was never made: what it paid is late since its original due date.
  ASSIGN_OR_RETURN(
      const auto paid,
      db::Select<AllocationRow>(tx,
                                "a WHERE (account_id, document_id) IN (SELECT * FROM unnest($1, "
                                "$2)) AND NOT EXISTS (SELECT 1 FROM credit c WHERE c.account_id = "
                                "a.account_id AND c.credit_id = a.credit_id AND c.returned)",
                                accounts, documents));
  for (const AllocationRow& row : paid) {
    by_id.at(row.document_id)->paid.push_back({row.value_date, row.amount});
  }
  const char* const of_documents =
      "WHERE (account_id, document_id) IN (SELECT * FROM unnest($1, $2))";
  ASSIGN_OR_RETURN(const auto disputes,
                   db::Select<DisputeRow>(tx, of_documents, accounts, documents));
  for (const DisputeRow& row : disputes) {
    by_id.at(row.document_id)
        ->disputed.push_back({{row.from_date, row.end_date.value_or(CivilDay::max())}, row.amount});
  }
  ASSIGN_OR_RETURN(const auto fired, db::Select<FiredRow>(tx, of_documents, accounts, documents));
  for (const FiredRow& row : fired) {
    LateDocument& document = *by_id.at(row.document_id);
    document.assessed.emplace(row.step, row.occurrence);
    document.assessed_sum += row.amount;
  }
  return absl::OkStatus();
}

absl::StatusOr<LateAccounts> LoadLate(db::Tx& tx, CivilDay as_of, const std::vector<Uuid>& ids) {
  ASSIGN_OR_RETURN(const auto items,
                   db::Select<ItemRow>(tx,
                                       "WHERE account_id = ANY($1) AND due_date < $2 AND "
                                       "(open > 0 OR paid_late) ORDER BY due_date, number",
                                       ids, as_of));
  LateAccounts out;
  std::vector<Uuid> accounts, documents;
  for (const ItemRow& item : items) {
    LateAccount& account = out[item.account_id];
    LateDocument document;
    document.document_id = item.document_id;
    document.due_date = item.due_date;
    document.total = item.total;
    document.fees = item.fees;
    account.items.push_back(item);
    account.documents.push_back(std::move(document));
    accounts.push_back(item.account_id);
    documents.push_back(item.document_id);
  }
  RETURN_IF_ERROR(AddHistory(tx, accounts, documents, out));
  return out;
}

Decimal Dec(const broadbill::common::v1::Decimal& value) {
  const auto parsed = Decimal::Parse(value.value());
  return parsed.ok() ? *parsed : Decimal();  // checked when the policy was made
}

FeeStep ToFeeStep(const pb::DunningStep& step) {
  const pb::LateFee& fee = step.late_fee();
  FeeStep out;
  out.name = step.name();
  out.after_days = step.after_days();
  out.occurrences = fee.occurrences();
  out.every_days = fee.every_days();
  out.terms.mode = static_cast<FeeMode>(fee.mode());
  out.terms.flat = Dec(fee.flat());
  out.terms.percent = Dec(fee.percent());
  if (fee.has_minimum()) out.terms.minimum = Dec(fee.minimum());
  if (fee.has_maximum()) out.terms.maximum = Dec(fee.maximum());
  if (fee.has_cap_amount()) out.cap_amount = Dec(fee.cap_amount());
  if (fee.has_cap_percent()) out.cap_percent = Dec(fee.cap_percent());
  if (fee.has_minimum_open()) out.minimum_open = Dec(fee.minimum_open());
  return out;
}

FeePolicy ToFeePolicy(const pb::DunningPolicy& policy) {
  FeePolicy out;
  out.grace_days = policy.grace_days();
  if (policy.has_threshold()) out.threshold = Dec(policy.threshold());
  if (!convert::IsUnset(policy.from_date())) {
    const google::type::Date& from = policy.from_date();
    out.from_date = CivilDay(from.year(), from.month(), from.day());
  }
  for (const pb::DunningStep& step : policy.steps()) {
    if (step.has_late_fee()) out.steps.push_back(ToFeeStep(step));
  }
  return out;
}

// Fires the steps of one policy for some accounts: late fees per document and occurrence, reminders
// collapsed to the latest of each account. What another run fired meanwhile is left out.
class Dunning {
 public:
  Dunning(const pb::DunningPolicy& policy, CivilDay as_of, absl::Time now,
          const LateAccounts& accounts, pb::RunCollectionsResponse& counts)
      : policy_(policy),
        terms_(ToFeePolicy(policy)),
        as_of_(as_of),
        now_(now),
        accounts_(accounts),
        counts_(counts) {}

  absl::Status Fire() {
    for (const auto& [account, late] : accounts_) {
      ASSIGN_OR_RETURN(const int exponent, CurrencyExponent(late.items.front().currency));
      ASSIGN_OR_RETURN(const auto fees, DueFees(terms_, late.documents, as_of_, exponent));
      for (const AssessedFee& fee : fees) {
        fired_.push_back({account, fee.document_id, fee.step, fee.occurrence, fee.day, fee.amount});
        fees_[KeyOf(fired_.back())] = fee;
      }
      ASSIGN_OR_RETURN(const bool reached,
                       ReachesThreshold(terms_, late.documents, as_of_ + 1, exponent));
      if (reached) Remind(account, late);
    }
    return absl::OkStatus();
  }

  absl::Status Write(db::Tx& tx) {
    ASSIGN_OR_RETURN(const db::Result fresh,
                     db::InsertArrays(tx, fired_,
                                      "ON CONFLICT DO NOTHING RETURNING account_id, document_id, "
                                      "step, occurrence"));
    std::set<Key> fired;
    for (int i = 0; i < fresh.size(); ++i) {
      fired.emplace(fresh.Get<Uuid>(i, 0), fresh.Get<Uuid>(i, 1), fresh.Get<std::string>(i, 2),
                    fresh.Get<int32_t>(i, 3));
    }
    for (const auto& [account, late] : accounts_) Tell(account, late, fired);
    RETURN_IF_ERROR(ForgetPaid(tx));
    return db::AppendFeed(tx, events_, now_);
  }

 private:
  using Key = std::tuple<Uuid, Uuid, std::string, int32_t>;

  static Key KeyOf(const FiredRow& row) {
    return {row.account_id, row.document_id, row.step, row.occurrence};
  }

  CivilDay DayOf(const ItemRow& item, const pb::DunningStep& step) const {
    return StepDay(item.due_date, policy_.grace_days(), step.after_days());
  }

  // Reminders are of what is still open today and not disputed.
  void Remind(const Uuid& account, const LateAccount& late) {
    for (size_t i = 0; i < late.items.size(); ++i) {
      const ItemRow& item = late.items[i];
      const LateDocument& document = late.documents[i];
      int64_t open = item.open;
      for (const DisputedPart& part : document.disputed) {
        if (part.days.Contains(as_of_)) open -= part.amount;
      }
      if (open <= 0) continue;
      for (const pb::DunningStep& step : policy_.steps()) {
        const CivilDay day = DayOf(item, step);
        const bool early = terms_.from_date.has_value() && day < *terms_.from_date;
        if (!step.has_reminder() || day > as_of_ || early) continue;
        if (document.assessed.count({step.name(), 1}) > 0) continue;
        fired_.push_back({account, item.document_id, step.name(), 1, day, 0});
      }
    }
  }

  // Events of the steps that fired now; several reminders of an account are the latest one.
  void Tell(const Uuid& account, const LateAccount& late, const std::set<Key>& fired) {
    const pb::DunningStep* latest = nullptr;
    std::vector<const ItemRow*> reminded;
    for (const ItemRow& item : late.items) {
      bool named = false;
      for (const pb::DunningStep& step : policy_.steps()) {
        if (step.has_late_fee()) {
          Assess(item, step, fired);
        } else if (fired.count({account, item.document_id, step.name(), 1}) > 0) {
          named = true;
          if (latest == nullptr || step.after_days() >= latest->after_days()) latest = &step;
        }
      }
      if (named) reminded.push_back(&item);
    }
    if (latest != nullptr) TellReminder(account, *latest, reminded);
  }

  void Assess(const ItemRow& item, const pb::DunningStep& step, const std::set<Key>& fired) {
    const auto from = fees_.lower_bound({item.account_id, item.document_id, step.name(), 0});
    for (auto at = from; at != fees_.end(); ++at) {
      const AssessedFee& fee = at->second;
      if (fee.document_id != item.document_id || fee.step != step.name()) return;
      if (fired.count(at->first) == 0) continue;
      pb::Event event = MakeEvent(item.account_id, now_);
      auto* assessed = event.mutable_late_fee_assessed();
      assessed->set_source_id(item.document_id.ToText("doc") + "/" + step.name() + "/" +
                              std::to_string(fee.occurrence));
      assessed->set_document_id(item.document_id.ToText("doc"));
      assessed->set_number(item.number);
      assessed->set_step(step.name());
      assessed->set_occurrence(fee.occurrence);
      assessed->set_currency_code(item.currency);
      assessed->set_amount_minor(fee.amount);
      assessed->set_base_minor(fee.base);
      *assessed->mutable_fee_date() = convert::ToProto(fee.day);
      assessed->set_tax_class(step.late_fee().tax_class());
      assessed->set_account_code(step.late_fee().account_code());
      assessed->set_description(step.late_fee().description());
      assessed->set_bill_alone(step.late_fee().bill_alone());
      AddEvent(item.account_id, event, events_);
      counts_.set_late_fees(counts_.late_fees() + 1);
    }
  }

  void TellReminder(const Uuid& account, const pb::DunningStep& step,
                    const std::vector<const ItemRow*>& items) {
    pb::Event event = MakeEvent(account, now_);
    auto* due = event.mutable_reminder_due();
    due->set_step(step.name());
    due->set_template_(step.reminder().template_());
    *due->mutable_date() = convert::ToProto(as_of_);
    int64_t past_due = 0;
    for (const ItemRow* item : items) {
      due->add_document_ids(item->document_id.ToText("doc"));
      due->add_numbers(item->number);
      due->set_currency_code(item->currency);
      past_due += item->open;
    }
    due->set_past_due_minor(past_due);
    *due->mutable_oldest_due_date() = convert::ToProto(items.front()->due_date);
    AddEvent(account, event, events_);
    counts_.set_reminders(counts_.reminders() + 1);
  }

  // Documents paid in full, whose last day open this run has seen, need no look any more.
  absl::Status ForgetPaid(db::Tx& tx) {
    std::vector<Uuid> accounts, documents;
    for (const auto& [account, late] : accounts_) {
      for (size_t i = 0; i < late.items.size(); ++i) {
        if (OpenOn(late.documents[i], as_of_ + 1) > 0 || !late.items[i].paid_late) continue;
        accounts.push_back(account);
        documents.push_back(late.items[i].document_id);
      }
    }
    if (documents.empty()) return absl::OkStatus();
    return tx
        .Exec(
            "UPDATE item SET paid_late = false WHERE (account_id, document_id) IN "
            "(SELECT * FROM unnest($1, $2)) AND open = 0",
            accounts, documents)
        .status();
  }

  const pb::DunningPolicy& policy_;
  const FeePolicy terms_;
  const CivilDay as_of_;
  const absl::Time now_;
  const LateAccounts& accounts_;
  pb::RunCollectionsResponse& counts_;
  std::vector<FiredRow> fired_;
  std::map<Key, AssessedFee> fees_;
  std::vector<db::FeedEvent> events_;
};

}  // namespace

absl::Status PaymentsApp::Dun(const Collecting& what, pb::RunCollectionsResponse& out) {
  ASSIGN_OR_RETURN(const db::Result rows, pool_->Exec("SELECT body FROM policy ORDER BY code"));
  std::vector<pb::DunningPolicy> policies(static_cast<size_t>(rows.size()));
  std::vector<std::string> groups;
  for (int i = 0; i < rows.size(); ++i) {
    pb::DunningPolicy& policy = policies[static_cast<size_t>(i)];
    policy.ParseFromString(rows.Get<db::Bytes>(i, 0).data);
    if (!policy.group().empty()) groups.push_back(policy.group());
  }
  for (const pb::DunningPolicy& policy : policies) {
    RETURN_IF_ERROR(DunGroup(policy, groups, what, out));
  }
  return absl::OkStatus();
}

absl::Status PaymentsApp::DunGroup(const pb::DunningPolicy& policy,
                                   const std::vector<std::string>& groups, const Collecting& what,
                                   pb::RunCollectionsResponse& out) {
  Uuid after;
  for (bool more = true; more;) {
    pb::RunCollectionsResponse counts;
    Uuid last = after;
    const auto fire = [&](db::Tx& tx) -> absl::Status {
      counts.Clear();
      ASSIGN_OR_RETURN(const auto ids,
                       NextAccounts(tx, policy, groups, what.as_of, what.only, after));
      more = static_cast<int64_t>(ids.size()) == kAccountsAtOnce;
      if (ids.empty()) return absl::OkStatus();
      last = ids.back();
      ASSIGN_OR_RETURN(const LateAccounts accounts, LoadLate(tx, what.as_of, ids));
      Dunning dunning(policy, what.as_of, clock_.Now(), accounts, counts);
      RETURN_IF_ERROR(dunning.Fire());
      return dunning.Write(tx);
    };
    if (what.keep) {
      RETURN_IF_ERROR(db::RunTx(*pool_, fire));
    } else {
      ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
      RETURN_IF_ERROR(fire(tx));
      tx.Rollback();
    }
    after = last;
    out.set_late_fees(out.late_fees() + counts.late_fees());
    out.set_reminders(out.reminders() + counts.reminders());
  }
  if (what.keep) db::SignalFeed("payments");
  return absl::OkStatus();
}

}  // namespace broadbill::payments
