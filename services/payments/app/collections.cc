#include <algorithm>
#include <set>

#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/payments/app/payments_app.h"

namespace broadbill::payments {
namespace {

constexpr size_t kSettleBatch = 200;

Decimal Dec(const broadbill::common::v1::Decimal& value) {
  const auto parsed = Decimal::Parse(value.value());
  return parsed.ok() ? *parsed : Decimal();
}

void AddMoney(int64_t minor, const std::string& currency,
              google::protobuf::RepeatedPtrField<google::type::Money>* out) {
  for (google::type::Money& money : *out) {
    if (money.currency_code() != currency) continue;
    const auto exponent = CurrencyExponent(currency);
    const auto have = FromUnitsNanos(money.units(), money.nanos(), exponent.ok() ? *exponent : 2);
    money = convert::ToMoney((have.ok() ? *have : 0) + minor, currency);
    return;
  }
  *out->Add() = convert::ToMoney(minor, currency);
}

// What is told of the methods of these attempts; one that is gone counts as a nameless card.
struct MethodFacts {
  pb::Payment::Kind kind = pb::Payment::CARD;
  std::string label;
};

absl::StatusOr<std::map<Uuid, MethodFacts>> FactsOf(
    db::Tx& tx, const std::vector<std::pair<AttemptRow, Outcome>>& outcomes) {
  std::vector<Uuid> accounts, methods;
  std::map<Uuid, MethodFacts> facts;
  for (const auto& [attempt, outcome] : outcomes) {
    accounts.push_back(attempt.account_id);
    methods.push_back(attempt.method_id);
    facts[attempt.method_id];
  }
  ASSIGN_OR_RETURN(const auto rows,
                   db::Select<MethodRow>(tx, "WHERE account_id = ANY($1) AND method_id = ANY($2)",
                                         accounts, methods));
  for (const MethodRow& row : rows) {
    const bool debit = row.kind == pb::PaymentMethod::BANK_DEBIT;
    facts[row.method_id] = {debit ? pb::Payment::BANK_DEBIT : pb::Payment::CARD, row.label};
  }
  return facts;
}

void AddAll(const google::protobuf::RepeatedPtrField<google::type::Money>& from,
            google::protobuf::RepeatedPtrField<google::type::Money>* to) {
  for (const google::type::Money& money : from) {
    const auto exponent = CurrencyExponent(money.currency_code());
    const auto minor = FromUnitsNanos(money.units(), money.nanos(), exponent.ok() ? *exponent : 2);
    AddMoney(minor.ok() ? *minor : 0, money.currency_code(), to);
  }
}

// What became of an attempt; one that the processor never saw is sent again under the same key.
absl::StatusOr<Outcome> AskProcessor(db::Pool& pool, const AttemptRow& attempt) {
  ASSIGN_OR_RETURN(const Outcome outcome, SimulatorQuery(pool, attempt.attempt_id));
  if (outcome.known) return outcome;
  RETURN_IF_ERROR(
      SimulatorCharge(pool, attempt.attempt_id, attempt.token, attempt.amount).status());
  return SimulatorQuery(pool, attempt.attempt_id);
}

// Books the outcomes of a batch of attempts in one transaction.
class Settlement {
 public:
  Settlement(db::Tx& tx, CivilDay as_of, absl::Time now, std::map<Uuid, MethodFacts> facts,
             pb::RunCollectionsResponse& counts)
      : tx_(tx),
        as_of_(as_of),
        now_(now),
        facts_(std::move(facts)),
        counts_(counts),
        book_(tx, now) {}

  absl::Status Add(const AttemptRow& attempt, const Outcome& outcome) {
    const auto retry = outcome.succeeded || outcome.hard
                           ? std::nullopt
                           : NextRetry(attempt.first_date, attempt.number, attempt.scheduled);
    ASSIGN_OR_RETURN(const db::Result moved,
                     tx_.Exec("UPDATE attempt SET state = $3, decline_code = $4, hard = $5, "
                              "next_retry = $6 WHERE account_id = $1 AND attempt_id = $2 AND "
                              "state IN (1, 2)",
                              attempt.account_id, attempt.attempt_id,
                              static_cast<int32_t>(outcome.succeeded ? pb::Attempt::SUCCEEDED
                                                                     : pb::Attempt::DECLINED),
                              outcome.decline_code, outcome.hard, retry));
    if (moved.affected() == 0) return absl::OkStatus();  // somebody else settled it
    if (outcome.succeeded) {
      Received(attempt);
      return absl::OkStatus();
    }
    return Declined(attempt, outcome, retry);
  }

  absl::Status Write() {
    RETURN_IF_ERROR(book_.AutoAllocate(paid_, as_of_, as_of_));
    RETURN_IF_ERROR(book_.Write(events_));
    return db::AppendFeed(tx_, events_, now_);
  }

 private:
  void Received(const AttemptRow& attempt) {
    const MethodFacts& facts = facts_.at(attempt.method_id);
    CreditRow credit;
    credit.account_id = attempt.account_id;
    credit.credit_id = Uuid::Make(now_);
    credit.kind = facts.kind;
    credit.currency = attempt.currency;
    credit.amount = credit.unapplied = attempt.amount;
    credit.value_date = credit.posting_date = as_of_;
    credit.reference = "autopay";
    credit.method_id = attempt.method_id;
    credit.attempt_id = attempt.attempt_id;
    credit.created_at = now_;
    pb::Event event = MakeEvent(attempt.account_id, now_);
    auto* received = event.mutable_payment_received();
    received->set_payment_id(credit.credit_id.ToText("pay"));
    received->set_kind(facts.kind);
    received->set_currency_code(attempt.currency);
    received->set_amount_minor(attempt.amount);
    *received->mutable_value_date() = convert::ToProto(as_of_);
    *received->mutable_posting_date() = convert::ToProto(as_of_);
    received->set_autopay(true);
    received->set_method_label(facts.label);
    book_.AddCredit(std::move(credit), kCash, pb::Transfer::PAYMENT, std::nullopt);
    paid_.push_back(attempt.account_id);
    counts_.set_succeeded(counts_.succeeded() + 1);
    AddMoney(attempt.amount, attempt.currency, counts_.mutable_collected());
    AddEvent(attempt.account_id, event, events_);
  }

  absl::Status Declined(const AttemptRow& attempt, const Outcome& outcome,
                        const std::optional<CivilDay>& retry) {
    const MethodFacts& facts = facts_.at(attempt.method_id);
    pb::Event event = MakeEvent(attempt.account_id, now_);
    auto* declined = event.mutable_payment_declined();
    declined->set_attempt_id(attempt.attempt_id.ToText("att"));
    declined->set_currency_code(attempt.currency);
    declined->set_amount_minor(attempt.amount);
    declined->set_decline_code(outcome.decline_code);
    declined->set_hard_decline(outcome.hard);
    if (retry) *declined->mutable_next_retry_date() = convert::ToProto(*retry);
    declined->set_number(attempt.number);
    declined->set_method_label(facts.label);
    *declined->mutable_date() = convert::ToProto(as_of_);
    declined->set_kind(facts.kind);
    counts_.set_declined(counts_.declined() + 1);
    AddMoney(attempt.amount, attempt.currency, counts_.mutable_declined_amount());
    AddEvent(attempt.account_id, event, events_);
    return tx_
        .Exec(
            "UPDATE payment_method SET last_decline = $3, state = CASE WHEN $4 "
            "THEN 2 ELSE state END WHERE account_id = $1 AND method_id = $2",
            attempt.account_id, attempt.method_id, outcome.decline_code, outcome.hard)
        .status();
  }

  db::Tx& tx_;
  const CivilDay as_of_;
  const absl::Time now_;
  const std::map<Uuid, MethodFacts> facts_;
  pb::RunCollectionsResponse& counts_;
  Book book_;
  std::vector<db::FeedEvent> events_;
  std::vector<Uuid> paid_;
};

// The attempts to make: accounts with autopay whose trigger has come, one at a time each; a
// declined series goes on by its own calendar, a new trigger begins a new one.
absl::StatusOr<std::vector<AttemptRow>> DueAttempts(db::Tx& tx, CivilDay as_of,
                                                    const std::vector<Uuid>& only, absl::Time now) {
  std::vector<AttemptRow> attempts;
  ASSIGN_OR_RETURN(
      const db::Result due,
      tx.Exec("SELECT a.account_id, a.method_id, m.token, i.currency, sum(i.open)::int8, "
              "min(CASE WHEN a.day = 1 THEN i.invoice_date ELSE i.due_date END + a.offset_days) "
              "FROM autopay a JOIN payment_method m USING (account_id, method_id) "
              "JOIN item i ON i.account_id = a.account_id AND i.open > 0 "
              "WHERE a.enabled AND m.state = 1 AND (cardinality($2) = 0 OR a.account_id = ANY($2)) "
              "AND NOT EXISTS (SELECT 1 FROM attempt t WHERE t.account_id = a.account_id AND "
              "t.state IN (1, 2, 3)) GROUP BY a.account_id, a.method_id, m.token, i.currency "
              "HAVING min(CASE WHEN a.day = 1 THEN i.invoice_date ELSE i.due_date END + "
              "a.offset_days) <= $1 ORDER BY a.account_id",
              as_of, only));
  std::vector<Uuid> accounts;
  for (int i = 0; i < due.size(); ++i) accounts.push_back(due.Get<Uuid>(i, 0));
  ASSIGN_OR_RETURN(const auto declined,
                   db::Select<AttemptRow>(tx,
                                          "WHERE account_id = ANY($1) AND state = 5 "
                                          "ORDER BY account_id, attempt_id",
                                          accounts));
  std::map<Uuid, AttemptRow> last;
  for (const AttemptRow& row : declined) last[row.account_id] = row;
  for (int i = 0; i < due.size(); ++i) {
    AttemptRow row;
    row.account_id = due.Get<Uuid>(i, 0);
    row.attempt_id = Uuid::Make(now);
    row.method_id = due.Get<Uuid>(i, 1);
    row.token = due.Get<std::string>(i, 2);
    row.currency = due.Get<std::string>(i, 3);
    row.amount = due.Get<int64_t>(i, 4);
    row.number = 1;
    row.first_date = row.scheduled = as_of;
    row.state = pb::Attempt::CREATED;
    row.created_at = now;
    const auto before = last.find(row.account_id);
    const CivilDay trigger = due.Get<CivilDay>(i, 5);
    if (before != last.end() && before->second.first_date >= trigger) {
      const AttemptRow& old = before->second;
      if (old.hard || !old.next_retry.has_value() || *old.next_retry > as_of) continue;
      row.number = old.number + 1;
      row.first_date = old.first_date;
    }
    attempts.push_back(std::move(row));
  }
  return attempts;
}

}  // namespace

absl::StatusOr<pb::RunCollectionsResponse> PaymentsApp::RunCollections(
    const rpc::Context&, const pb::RunCollectionsRequest& request) {
  Violations violations;
  const CivilDay as_of =
      convert::ReadOptionalDate(request.as_of(), "as_of", violations).value_or(Today());
  std::vector<Uuid> only;
  for (const std::string& id : request.account_ids()) {
    only.push_back(convert::ReadId("acc", id, "account_ids", violations));
  }
  RETURN_IF_ERROR(violations.ToStatus());
  pb::RunCollectionsResponse out;
  *out.mutable_as_of() = convert::ToProto(as_of);
  // What an earlier call left unsettled comes first: nobody is charged while an outcome is unknown.
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(std::vector<AttemptRow> left,
                   db::Select<AttemptRow>(tx,
                                          "WHERE state IN (1, 2) AND (cardinality($1) = 0 OR "
                                          "account_id = ANY($1)) ORDER BY attempt_id",
                                          only));
  tx.Rollback();
  RETURN_IF_ERROR(Settle(left, as_of, out));
  RETURN_IF_ERROR(Autopay(as_of, only, out));
  RETURN_IF_ERROR(Dun(as_of, only, out));
  return out;
}

absl::Status PaymentsApp::Autopay(CivilDay as_of, const std::vector<Uuid>& only,
                                  pb::RunCollectionsResponse& out) {
  std::vector<AttemptRow> attempts;
  {
    ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
    ASSIGN_OR_RETURN(attempts, DueAttempts(tx, as_of, only, clock_.Now()));
    RETURN_IF_ERROR(db::Insert(tx, attempts).status());
    RETURN_IF_ERROR(tx.Commit());
  }
  out.set_attempts(out.attempts() + static_cast<int64_t>(attempts.size()));
  out.set_accounts(out.accounts() + static_cast<int64_t>(attempts.size()));
  for (AttemptRow& attempt : attempts) {
    // The attempt is stored; whatever happens to the answer, its key can be asked about later.
    RETURN_IF_ERROR(
        SimulatorCharge(*pool_, attempt.attempt_id, attempt.token, attempt.amount).status());
  }
  std::vector<AttemptRow> known;
  for (const AttemptRow& attempt : attempts) {
    if (attempt.token.find("lost") == std::string::npos) known.push_back(attempt);
  }
  // Lost answers stay unknown until a later call asks the processor.
  for (const AttemptRow& attempt : attempts) {
    if (attempt.token.find("lost") == std::string::npos) continue;
    RETURN_IF_ERROR(pool_
                        ->Exec("UPDATE attempt SET state = 2 WHERE account_id = $1 AND "
                               "attempt_id = $2 AND state = 1",
                               attempt.account_id, attempt.attempt_id)
                        .status());
    out.set_unsettled(out.unsettled() + 1);
  }
  return Settle(known, as_of, out);
}

absl::Status PaymentsApp::Settle(std::vector<AttemptRow>& attempts, CivilDay as_of,
                                 pb::RunCollectionsResponse& out) {
  for (size_t begin = 0; begin < attempts.size(); begin += kSettleBatch) {
    const size_t end = std::min(begin + kSettleBatch, attempts.size());
    std::vector<std::pair<AttemptRow, Outcome>> outcomes;
    for (size_t i = begin; i < end; ++i) {
      ASSIGN_OR_RETURN(const Outcome outcome, AskProcessor(*pool_, attempts[i]));
      outcomes.emplace_back(attempts[i], outcome);
    }
    pb::RunCollectionsResponse counts;
    RETURN_IF_ERROR(db::RunTx(*pool_, [&](db::Tx& tx) -> absl::Status {
      counts.Clear();
      ASSIGN_OR_RETURN(auto facts, FactsOf(tx, outcomes));
      Settlement settlement(tx, as_of, clock_.Now(), std::move(facts), counts);
      for (const auto& [attempt, outcome] : outcomes) {
        RETURN_IF_ERROR(settlement.Add(attempt, outcome));
      }
      return settlement.Write();
    }));
    db::SignalFeed("payments");
    out.set_succeeded(out.succeeded() + counts.succeeded());
    out.set_declined(out.declined() + counts.declined());
    AddAll(counts.collected(), out.mutable_collected());
    AddAll(counts.declined_amount(), out.mutable_declined_amount());
  }
  return absl::OkStatus();
}

absl::Status PaymentsApp::Dun(CivilDay as_of, const std::vector<Uuid>& only,
                              pb::RunCollectionsResponse& out) {
  ASSIGN_OR_RETURN(const db::Result rows, pool_->Exec("SELECT body FROM policy ORDER BY code"));
  for (int i = 0; i < rows.size(); ++i) {
    pb::DunningPolicy policy;
    policy.ParseFromString(rows.Get<db::Bytes>(i, 0).data);
    RETURN_IF_ERROR(DunGroup(policy, as_of, only, out));
  }
  return absl::OkStatus();
}

namespace {

FeeTerms ToTerms(const pb::LateFee& fee) {
  FeeTerms out;
  out.mode = fee.mode() == pb::LateFee::MODE_UNSPECIFIED ? FeeMode::kFlat
                                                         : static_cast<FeeMode>(fee.mode());
  out.flat = Dec(fee.flat());
  out.percent = Dec(fee.percent());
  if (fee.has_minimum()) out.minimum = Dec(fee.minimum());
  if (fee.has_maximum()) out.maximum = Dec(fee.maximum());
  return out;
}

}  // namespace

namespace {

// Past-due documents of a policy's accounts, with what was paid and which steps fired.
struct PastDue {
  std::vector<ItemRow> items;
  std::multimap<Uuid, AllocationRow> paid;
  std::set<std::tuple<Uuid, std::string, int32_t>> fired;
};

absl::StatusOr<PastDue> LoadPastDue(db::Tx& tx, const pb::DunningPolicy& policy, CivilDay as_of,
                                    const std::vector<Uuid>& only) {
  PastDue out;
  ASSIGN_OR_RETURN(
      out.items,
      db::Select<ItemRow>(tx,
                          "i WHERE due_date + $1 < $2 AND total > 0 AND (cardinality($3) = 0 OR "
                          "account_id = ANY($3)) AND EXISTS (SELECT 1 FROM customer c WHERE "
                          "c.account_id = i.account_id AND c.account_group = $4) AND "
                          "(open > 0 OR EXISTS (SELECT 1 FROM allocation a WHERE a.account_id = "
                          "i.account_id AND a.document_id = i.document_id AND "
                          "a.value_date > i.due_date + $1)) ORDER BY account_id, due_date, number",
                          policy.grace_days(), as_of, only, policy.group()));
  std::vector<Uuid> documents;
  for (const ItemRow& item : out.items) documents.push_back(item.document_id);
  ASSIGN_OR_RETURN(const auto allocations,
                   db::Select<AllocationRow>(tx, "WHERE document_id = ANY($1)", documents));
  ASSIGN_OR_RETURN(const auto fired,
                   db::Select<FiredRow>(tx, "WHERE document_id = ANY($1)", documents));
  for (const AllocationRow& row : allocations) out.paid.emplace(row.document_id, row);
  for (const FiredRow& row : fired) out.fired.emplace(row.document_id, row.step, row.occurrence);
  return out;
}

// Fires the steps of one policy as of a date: late fees per document and occurrence, reminders
// collapsed to the latest of each account.
class Dunning {
 public:
  Dunning(const pb::DunningPolicy& policy, CivilDay as_of, absl::Time now, const PastDue& past_due,
          pb::RunCollectionsResponse& counts)
      : policy_(policy), as_of_(as_of), now_(now), past_due_(past_due), counts_(counts) {}

  absl::Status Fire() {
    for (const ItemRow& item : past_due_.items) {
      ASSIGN_OR_RETURN(const int exponent, CurrencyExponent(item.currency));
      for (const pb::DunningStep& step : policy_.steps()) {
        const int count = step.has_late_fee() ? std::max(1, step.late_fee().occurrences()) : 1;
        for (int n = 1; n <= count; ++n) FireStep(item, step, n, exponent);
      }
    }
    for (const auto& [account, reminder] : reminders_) Remind(account, reminder);
    return absl::OkStatus();
  }

  absl::Status Write(db::Tx& tx) {
    RETURN_IF_ERROR(db::Insert(tx, fired_).status());
    return db::AppendFeed(tx, events_, now_);
  }

 private:
  struct Reminder {
    const pb::DunningStep* step = nullptr;
    std::vector<const ItemRow*> items;
  };

  // What was open at the beginning of a day, without late fees; payments of before count.
  int64_t OpenOn(const ItemRow& item, CivilDay day) const {
    int64_t open = item.total - item.fees;
    const auto [begin, end] = past_due_.paid.equal_range(item.document_id);
    for (auto it = begin; it != end; ++it) {
      if (it->second.value_date < day) open -= it->second.amount;
    }
    return std::max<int64_t>(0, open);
  }

  void FireStep(const ItemRow& item, const pb::DunningStep& step, int n, int exponent) {
    const CivilDay day = item.due_date + policy_.grace_days() + step.after_days() +
                         (n - 1) * std::max(1, step.late_fee().every_days());
    if (day > as_of_ || past_due_.fired.count({item.document_id, step.name(), n}) > 0) return;
    const int64_t open = OpenOn(item, day);
    if (open <= 0) return;
    if (step.has_late_fee()) {
      const int64_t amount = LateFee(ToTerms(step.late_fee()), open, exponent);
      fired_.push_back({item.account_id, item.document_id, step.name(), n, day, amount});
      if (amount > 0) Assess(item, step, n, day, amount, open);
      return;
    }
    if (item.open <= 0) return;
    fired_.push_back({item.account_id, item.document_id, step.name(), n, day, 0});
    Reminder& reminder = reminders_[item.account_id];
    const bool later = reminder.step == nullptr || step.after_days() >= reminder.step->after_days();
    if (later) reminder.step = &step;
    reminder.items.push_back(&item);
  }

  void Assess(const ItemRow& item, const pb::DunningStep& step, int n, CivilDay day, int64_t amount,
              int64_t base) {
    pb::Event event = MakeEvent(item.account_id, now_);
    auto* assessed = event.mutable_late_fee_assessed();
    assessed->set_source_id(item.document_id.ToText("doc") + "/" + step.name() + "/" +
                            std::to_string(n));
    assessed->set_document_id(item.document_id.ToText("doc"));
    assessed->set_number(item.number);
    assessed->set_step(step.name());
    assessed->set_occurrence(n);
    assessed->set_currency_code(item.currency);
    assessed->set_amount_minor(amount);
    assessed->set_base_minor(base);
    *assessed->mutable_fee_date() = convert::ToProto(day);
    assessed->set_tax_class(step.late_fee().tax_class());
    assessed->set_account_code(step.late_fee().account_code());
    assessed->set_description(step.late_fee().description());
    assessed->set_bill_alone(step.late_fee().bill_alone());
    AddEvent(item.account_id, event, events_);
    counts_.set_late_fees(counts_.late_fees() + 1);
  }

  void Remind(const Uuid& account, const Reminder& reminder) {
    pb::Event event = MakeEvent(account, now_);
    auto* due = event.mutable_reminder_due();
    due->set_step(reminder.step->name());
    due->set_template_(reminder.step->reminder().template_());
    *due->mutable_date() = convert::ToProto(as_of_);
    std::set<Uuid> named;
    int64_t past_due = 0;
    CivilDay oldest = CivilDay::max();
    for (const ItemRow* item : reminder.items) {
      if (!named.insert(item->document_id).second) continue;
      due->add_document_ids(item->document_id.ToText("doc"));
      due->add_numbers(item->number);
      due->set_currency_code(item->currency);
      past_due += item->open;
      oldest = std::min(oldest, item->due_date);
    }
    due->set_past_due_minor(past_due);
    *due->mutable_oldest_due_date() = convert::ToProto(oldest);
    AddEvent(account, event, events_);
    counts_.set_reminders(counts_.reminders() + 1);
  }

  const pb::DunningPolicy& policy_;
  const CivilDay as_of_;
  const absl::Time now_;
  const PastDue& past_due_;
  pb::RunCollectionsResponse& counts_;
  std::vector<FiredRow> fired_;
  std::vector<db::FeedEvent> events_;
  std::map<Uuid, Reminder> reminders_;
};

}  // namespace

absl::Status PaymentsApp::DunGroup(const pb::DunningPolicy& policy, CivilDay as_of,
                                   const std::vector<Uuid>& only, pb::RunCollectionsResponse& out) {
  pb::RunCollectionsResponse counts;
  RETURN_IF_ERROR(db::RunTx(*pool_, [&](db::Tx& tx) -> absl::Status {
    counts.Clear();
    ASSIGN_OR_RETURN(const PastDue past_due, LoadPastDue(tx, policy, as_of, only));
    if (past_due.items.empty()) return absl::OkStatus();
    Dunning dunning(policy, as_of, clock_.Now(), past_due, counts);
    RETURN_IF_ERROR(dunning.Fire());
    return dunning.Write(tx);
  }));
  db::SignalFeed("payments");
  out.set_late_fees(out.late_fees() + counts.late_fees());
  out.set_reminders(out.reminders() + counts.reminders());
  return absl::OkStatus();
}

absl::StatusOr<pb::DunningPolicy> PaymentsApp::CreateDunningPolicy(
    const rpc::Context& context, const pb::CreateDunningPolicyRequest& request) {
  pb::DunningPolicy policy = request.policy();
  Violations violations;
  violations.Require(!policy.code().empty(), "policy.code", "is required");
  violations.Require(policy.grace_days() >= 0, "policy.grace_days", "must not be negative");
  violations.Require(policy.steps_size() > 0, "policy.steps", "must have at least one step");
  std::set<std::string> names;
  for (const pb::DunningStep& step : policy.steps()) {
    violations.Require(!step.name().empty() && names.insert(step.name()).second,
                       "policy.steps.name", "must be given and unique");
    violations.Require(step.has_reminder() || step.has_late_fee(), "policy.steps.kind",
                       "must be a reminder or a late fee");
  }
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::DunningPolicy>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::DunningPolicy> {
        const Uuid id = Uuid::Make(clock_.Now());
        policy.set_policy_id(id.ToText("pol"));
        RETURN_IF_ERROR(tx.Exec("INSERT INTO policy VALUES ($1, $2, $3, $4)", id, policy.code(),
                                policy.group(), db::Bytes{policy.SerializeAsString()})
                            .status());
        return policy;
      });
}

absl::StatusOr<pb::ListDunningPoliciesResponse> PaymentsApp::ListDunningPolicies(
    const rpc::Context&, const pb::ListDunningPoliciesRequest&) {
  ASSIGN_OR_RETURN(const db::Result rows, pool_->Exec("SELECT body FROM policy ORDER BY code"));
  pb::ListDunningPoliciesResponse response;
  for (int i = 0; i < rows.size(); ++i) {
    response.add_policies()->ParseFromString(rows.Get<db::Bytes>(i, 0).data);
  }
  return response;
}

}  // namespace broadbill::payments
