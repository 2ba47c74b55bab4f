#include <algorithm>
#include <functional>
#include <thread>

#include "libs/convert/convert.h"
#include "libs/convert/write.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/payments/app/payments_app.h"

namespace broadbill::payments {
namespace {

constexpr size_t kSettleBatch = 200;
constexpr size_t kCallsAtOnce = 8;

// Calls the processor for many attempts, some at a time, each with a key of its own; the first
// error ends it, and the attempts not called stay as they were stored.
absl::Status CallForEach(const std::vector<AttemptRow>& attempts, size_t begin, size_t end,
                         const std::function<absl::Status(size_t)>& call) {
  const size_t count = std::min(kCallsAtOnce, end - begin);
  std::vector<absl::Status> results(count);
  const auto work = [&](size_t worker) {
    for (size_t i = begin; i < end && results[worker].ok(); ++i) {
      // The tries that the simulator tells apart by their order stay in one hand.
      const bool ordered = attempts[i].token.find("once") != std::string::npos;
      if ((ordered ? 0 : i % count) == worker) results[worker] = call(i);
    }
  };
  std::vector<std::thread> threads;
  for (size_t worker = 1; worker < count; ++worker) threads.emplace_back(work, worker);
  if (count > 0) work(0);
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& result : results) RETURN_IF_ERROR(result);
  return absl::OkStatus();
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
    RETURN_IF_ERROR(book_.AutoAllocate(paid_, CivilDay::min(), as_of_));
    RETURN_IF_ERROR(book_.Write(events_));
    ASSIGN_OR_RETURN(const auto balances, BalancesOf(tx_, paid_));
    for (auto& [account, event] : received_) {
      event.mutable_payment_received()->set_balance_minor(balances.at(account));
      AddEvent(account, event, events_);
    }
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
    // The processor took it when it was tried, however late its answer comes.
    credit.value_date = attempt.scheduled;
    credit.posting_date = as_of_;
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
    *received->mutable_value_date() = convert::ToProto(credit.value_date);
    *received->mutable_posting_date() = convert::ToProto(as_of_);
    received->set_autopay(true);
    received->set_method_label(facts.label);
    book_.AddCredit(std::move(credit), kCash, pb::Transfer::PAYMENT, std::nullopt);
    paid_.push_back(attempt.account_id);
    counts_.set_succeeded(counts_.succeeded() + 1);
    AddMoney(attempt.amount, attempt.currency, counts_.mutable_collected());
    received_.emplace_back(attempt.account_id, std::move(event));
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
  std::vector<std::pair<Uuid, pb::Event>> received_;
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
    const rpc::Context& context, const pb::RunCollectionsRequest& request) {
  Violations violations;
  Collecting what;
  what.as_of = convert::ReadOptionalDate(request.as_of(), "as_of", violations).value_or(Today());
  for (const std::string& id : request.account_ids()) {
    what.only.push_back(convert::ReadId("acc", id, "account_ids", violations));
  }
  RETURN_IF_ERROR(violations.ToStatus());
  what.keep = !request.validate_only();
  // The work spans many transactions and the processor's calls, so the envelope is asked for a
  // known answer before it and given the answer after it. Between the two a repeat works again,
  // which charges nobody twice: an attempt is made once a trigger.
  pb::RunCollectionsRequest probe = request;
  probe.set_validate_only(true);
  bool fresh = false;
  ASSIGN_OR_RETURN(pb::RunCollectionsResponse out,
                   convert::Write<pb::RunCollectionsResponse>(*pool_, clock_, context, probe,
                                                              [&](db::Tx&, convert::Events&) {
                                                                fresh = true;
                                                                return pb::RunCollectionsResponse();
                                                              }));
  if (!fresh) return out;
  *out.mutable_as_of() = convert::ToProto(what.as_of);
  RETURN_IF_ERROR(Collect(what, out));
  return convert::Write<pb::RunCollectionsResponse>(*pool_, clock_, context, request,
                                                    [&](db::Tx&, convert::Events&) { return out; });
}

absl::Status PaymentsApp::Collect(const Collecting& what, pb::RunCollectionsResponse& out) {
  // What an earlier call left unsettled comes first: nobody is charged while an outcome is unknown.
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(std::vector<AttemptRow> left,
                   db::Select<AttemptRow>(tx,
                                          "WHERE state IN (1, 2) AND (cardinality($1) = 0 OR "
                                          "account_id = ANY($1)) ORDER BY attempt_id",
                                          what.only));
  tx.Rollback();
  if (what.keep) {
    RETURN_IF_ERROR(Settle(left, what.as_of, out));
  } else {
    out.set_unsettled(static_cast<int64_t>(left.size()));
  }
  RETURN_IF_ERROR(Autopay(what, out));
  return Dun(what, out);
}

absl::Status PaymentsApp::Autopay(const Collecting& what, pb::RunCollectionsResponse& out) {
  std::vector<AttemptRow> attempts;
  {
    ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
    ASSIGN_OR_RETURN(attempts, DueAttempts(tx, what.as_of, what.only, clock_.Now()));
    RETURN_IF_ERROR(db::Insert(tx, attempts).status());
    if (what.keep) {
      RETURN_IF_ERROR(tx.Commit());
    } else {
      tx.Rollback();
    }
  }
  out.set_attempts(out.attempts() + static_cast<int64_t>(attempts.size()));
  out.set_accounts(out.accounts() + static_cast<int64_t>(attempts.size()));
  if (!what.keep) return absl::OkStatus();
  // The attempts are stored; whatever happens to an answer, its key can be asked about later.
  RETURN_IF_ERROR(CallForEach(attempts, 0, attempts.size(), [&](size_t i) {
    const AttemptRow& attempt = attempts[i];
    return SimulatorCharge(*pool_, attempt.attempt_id, attempt.token, attempt.amount).status();
  }));
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
  return Settle(known, what.as_of, out);
}

absl::Status PaymentsApp::Settle(std::vector<AttemptRow>& attempts, CivilDay as_of,
                                 pb::RunCollectionsResponse& out) {
  for (size_t begin = 0; begin < attempts.size(); begin += kSettleBatch) {
    const size_t end = std::min(begin + kSettleBatch, attempts.size());
    std::vector<std::pair<AttemptRow, Outcome>> outcomes(end - begin);
    RETURN_IF_ERROR(CallForEach(attempts, begin, end, [&](size_t i) -> absl::Status {
      ASSIGN_OR_RETURN(const Outcome outcome, AskProcessor(*pool_, attempts[i]));
      outcomes[i - begin] = {attempts[i], outcome};
      return absl::OkStatus();
    }));
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

}  // namespace broadbill::payments
