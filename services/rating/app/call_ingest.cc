#include "services/rating/app/call_ingest.h"

#include <sodium.h>

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/status/macros.h"
#include "services/rating/domain/number.h"

namespace broadbill::rating {
namespace {

constexpr size_t kChunk = 50000;  // records whose rows go to the database together

db::Bytes KeyOf(const std::string& key) {
  db::Bytes out;
  out.data.resize(32);
  crypto_generichash(reinterpret_cast<unsigned char*>(out.data.data()), out.data.size(),
                     reinterpret_cast<const unsigned char*>(key.data()), key.size(), nullptr, 0);
  return out;
}

const DialPlan& PlanOf(const std::string& country) {
  const DialPlan* plan = FindDialPlan(country.empty() ? "US" : country);
  return plan != nullptr ? *plan : *FindDialPlan("US");
}

// Destination group of calls that cost nothing.
const char* FreeDestination(CallOutcome outcome) {
  switch (outcome) {
    case CallOutcome::kInbound:
      return "Inbound";
    case CallOutcome::kEmergency:
      return "Emergency";
    case CallOutcome::kTollFree:
      return "Toll-free";
    default:
      return "On-net";
  }
}

std::string E164OrRaw(const std::string& number, const DialPlan& plan) {
  E164 out;
  return Normalise(number, plan, out) ? std::string(out.text()) : number;
}

}  // namespace

void CallIngest::Prepare(const CallRecord& record, const DialPlan& plan, Ends& out) {
  out.calling = E164OrRaw(record.calling, plan);
  if (Normalise(record.called, plan, out.number)) {
    out.called = std::string(out.number.text());
  } else {
    out.number.size = 0;
    out.called = record.called;
  }
}

absl::Status CallIngest::LoadLines(const std::vector<CallRecord>& records,
                                   const std::vector<Ends>& ends, size_t begin) {
  std::vector<std::string> unknown;
  const auto ask = [&](const std::string& value) {
    if (!value.empty() && lines_.try_emplace(value).second) unknown.push_back(value);
  };
  for (size_t i = 0; i < ends.size(); ++i) {
    ask(ends[i].calling);
    ask(ends[i].called);
    ask(records[begin + i].account_code);
  }
  if (unknown.empty()) return absl::OkStatus();
  const std::vector<int16_t> kinds = {kDid, kTrunk};
  ASSIGN_OR_RETURN(
      const std::vector<SubjectRow> rows,
      db::Select<SubjectRow>(
          tx_, "WHERE kind = ANY($1) AND value = ANY($2) ORDER BY value, valid_from, item_id",
          kinds, unknown));
  std::vector<Uuid> items;
  for (const SubjectRow& row : rows) {
    std::unique_ptr<ItemTerms>& terms = terms_[row.item_id];
    if (terms == nullptr) {
      terms = std::make_unique<ItemTerms>();
      items.push_back(row.item_id);
    }
    lines_[row.value].push_back(
        {row.account_id, row.item_id, row.valid_from, row.valid_to, terms.get()});
  }
  return LoadTerms(items);
}

absl::Status CallIngest::LoadTerms(const std::vector<Uuid>& items) {
  if (items.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const std::vector<ItemTermsRow> rows,
      db::Select<ItemTermsRow>(tx_, "WHERE item_id = ANY($1) ORDER BY item_id, valid_from", items));
  for (const ItemTermsRow& row : rows) {
    auto terms = std::make_unique<Terms>();
    const auto zone = LoadZone(row.time_zone);
    *terms = {row.valid_from,
              row.valid_to,
              zone.ok() ? *zone : absl::UTCTimeZone(),
              &PlanOf(row.country),
              row.currency,
              row.decks,
              nullptr};
    terms_[row.item_id]->push_back(std::move(terms));
  }
  return absl::OkStatus();
}

// Those of the day, else the last ones: a call after the end of the line is still rated.
CallIngest::Terms* CallIngest::TermsAt(const ItemTerms& terms, absl::Time at) {
  for (const std::unique_ptr<Terms>& one : terms) {
    const CivilDay day = DateIn(at, one->zone);
    if (day >= one->from && day < one->to) return one.get();
  }
  return terms.empty() ? nullptr : terms.back().get();
}

CallIngest::Found CallIngest::FindLine(const std::string& value, absl::Time at) const {
  const auto found = lines_.find(value);
  if (found == lines_.end()) return {};
  for (const Line& line : found->second) {
    Terms* terms = TermsAt(*line.terms, at);
    const CivilDay day = DateIn(at, terms == nullptr ? absl::UTCTimeZone() : terms->zone);
    if (day >= line.from && day < line.to) return {&line, terms};
  }
  return {};
}

absl::Status CallIngest::Price(const CallRecord& record, const CallFacts& facts, Terms& terms,
                               CallRow& row, WaitingCall& wait) {
  CallTerms rates{terms.plan, terms.zone, nullptr, nullptr};
  if (FreeOf(facts, *terms.plan) == CallOutcome::kRated) {
    if (terms.codes.empty()) {
      wait.reason = "NO_DECK";
      wait.message = "the plan names no deck";
      return absl::OkStatus();
    }
    if (terms.decks == nullptr) {
      ASSIGN_OR_RETURN(terms.decks, decks_.Get(tx_, terms.codes));
    }
    rates.decks = terms.decks->index.get();
  }
  const CallPrice price = RateCall(facts, rates, {});
  switch (price.outcome) {
    case CallOutcome::kNoNumber:
      wait.reason = "BAD_NUMBER";
      wait.message =
          absl::StrCat("'", record.called, "' cannot be dialled from ", terms.plan->country);
      break;
    case CallOutcome::kNoRate:
      wait.reason = "NO_RATE";
      wait.message = absl::StrCat("no rate for ", std::string(price.asked.text()), " on ",
                                  FormatDate(DateIn(record.answered, terms.zone)));
      break;
    case CallOutcome::kRated:
      row.deck = terms.decks->rows[price.deck].code;
      row.destination = price.rate->destination;
      row.prefix = price.rate->prefix;
      row.called = std::string(price.called.text());
      row.billed_seconds = price.billed_seconds;
      row.cost_micros = price.cost_micros;
      break;
    default:
      row.destination = FreeDestination(price.outcome);
  }
  return absl::OkStatus();
}

absl::Status CallIngest::Rate(const CallRecord& record, size_t place, const DialPlan& file_plan,
                              Ends& ends) {
  Found owner = FindLine(ends.calling, record.answered);
  if (owner.line == nullptr && !record.account_code.empty()) {
    owner = FindLine(record.account_code, record.answered);
  }
  const Found callee = FindLine(ends.called, record.answered);
  // The owner of a toll-free number pays also for calls of our other lines.
  const bool inbound =
      callee.line != nullptr && (owner.line == nullptr || IsTollFree(ends.number.text()));
  if (inbound) owner = callee;
  WaitingCall wait{place, "", "", std::nullopt};
  if (owner.line == nullptr) {
    wait.reason = "UNKNOWN_SUBJECT";
    wait.message =
        absl::StrCat("neither '", record.calling, "' nor '", record.called, "' is a line of ours");
  } else if (owner.terms == nullptr) {
    wait.reason = "UNKNOWN_SUBJECT";
    wait.message = "the line's terms are not known yet";
  }
  CallRow row;
  if (wait.reason.empty()) {
    CallFacts facts{record.called, record.answered, record.seconds, inbound,
                    callee.line != nullptr};
    facts.calling = record.calling;
    // The line's country decides; it is the file's, as a rule.
    if (owner.terms->plan == &file_plan) facts.number = &ends.number;
    row.called = std::move(ends.called);
    RETURN_IF_ERROR(Price(record, facts, *owner.terms, row, wait));
  }
  if (!wait.reason.empty()) {
    if (owner.line != nullptr) wait.item_id = owner.line->item_id;
    waiting_.push_back(std::move(wait));
    return absl::OkStatus();
  }
  row.call_key = KeyOf(record.key);
  row.call_id = Uuid::Make(now_);
  row.account_id = owner.line->account_id;
  row.item_id = owner.line->item_id;
  row.inbound = inbound;
  row.calling = std::move(ends.calling);
  row.answered_at = record.answered;
  row.seconds = record.seconds;
  row.currency = owner.terms->currency;
  row.import_id = import_id_;
  rated_.push_back(std::move(row));
  return absl::OkStatus();
}

// Takes out rows that stand twice, or in the table.
absl::Status CallIngest::DropKnown() {
  // In order of key, as the table's index has them.
  std::stable_sort(rated_.begin(), rated_.end(), [](const CallRow& a, const CallRow& b) {
    return a.call_key.data < b.call_key.data;
  });
  const size_t before = rated_.size();
  rated_.erase(std::unique(rated_.begin(), rated_.end(),
                           [](const CallRow& a, const CallRow& b) {
                             return a.call_key.data == b.call_key.data;
                           }),
               rated_.end());
  std::vector<db::Bytes> keys;
  keys.reserve(rated_.size());
  for (const CallRow& row : rated_) keys.push_back(row.call_key);
  ASSIGN_OR_RETURN(const db::Result known,
                   tx_.Exec("SELECT call_key FROM call WHERE call_key = ANY($1)", keys));
  if (!known.empty()) {
    absl::flat_hash_set<std::string> there;
    for (int i = 0; i < known.size(); ++i) there.insert(known.Get<db::Bytes>(i, 0).data);
    rated_.erase(
        std::remove_if(rated_.begin(), rated_.end(),
                       [&](const CallRow& row) { return there.contains(row.call_key.data); }),
        rated_.end());
  }
  duplicates_ += static_cast<int64_t>(before - rated_.size());
  return absl::OkStatus();
}

absl::Status CallIngest::Keep() {
  RETURN_IF_ERROR(DropKnown());
  if (rated_.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(tx_.ExecScript("SAVEPOINT calls"));
  const absl::Status copied = db::Copy(tx_, rated_);
  int64_t kept = static_cast<int64_t>(rated_.size());
  if (absl::IsAlreadyExists(copied)) {
    // Another transaction was faster with some of them.
    RETURN_IF_ERROR(tx_.ExecScript("ROLLBACK TO SAVEPOINT calls"));
    ASSIGN_OR_RETURN(kept, db::CopyNew(tx_, rated_));
  } else {
    RETURN_IF_ERROR(copied);
  }
  RETURN_IF_ERROR(tx_.ExecScript("RELEASE SAVEPOINT calls"));
  applied_ += kept;
  for (const CallRow& row : rated_) {
    if (row.deck.empty() || row.inbound) continue;
    const auto [span, fresh] =
        spans_.emplace(row.account_id, std::pair(row.answered_at, row.answered_at));
    span->second.first = std::min(span->second.first, row.answered_at);
    span->second.second = std::max(span->second.second, row.answered_at);
  }
  duplicates_ += static_cast<int64_t>(rated_.size()) - kept;
  rated_.clear();
  return absl::OkStatus();
}

absl::Status CallIngest::Add(const std::vector<CallRecord>& records, const std::string& country) {
  const DialPlan& plan = PlanOf(country);
  waiting_.clear();
  std::vector<Ends> ends;
  for (size_t begin = 0; begin < records.size(); begin += kChunk) {
    ends.resize(std::min(kChunk, records.size() - begin));
    for (size_t i = 0; i < ends.size(); ++i) Prepare(records[begin + i], plan, ends[i]);
    RETURN_IF_ERROR(LoadLines(records, ends, begin));
    for (size_t i = 0; i < ends.size(); ++i) {
      RETURN_IF_ERROR(Rate(records[begin + i], begin + i, plan, ends[i]));
    }
    RETURN_IF_ERROR(Keep());
  }
  return TouchCalls(tx_, now_, spans_);
}

}  // namespace broadbill::rating
