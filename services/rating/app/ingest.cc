#include "services/rating/app/ingest.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/rating/app/live_usage.h"
#include "services/rating/app/stored_record.h"
#include "services/rating/domain/number.h"

namespace broadbill::rating {
namespace {

const DialPlan& PlanOf(const std::string& country) {
  const DialPlan* plan = FindDialPlan(country.empty() ? "US" : country);
  return plan != nullptr ? *plan : *FindDialPlan("US");
}

// Destination group of calls that cost nothing.
std::string FreeDestination(CallOutcome outcome) {
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
  return ToE164(number, plan).value_or(number);
}

}  // namespace

void Ingest::Wait(int16_t kind, const std::string& key, const std::string& reason,
                  const std::string& message, const std::string& subject, absl::Time at,
                  int64_t line, std::optional<Uuid> item_id, const std::string& raw) {
  WaitingRow row;
  row.record_key = WaitingKey(kind, key);
  row.record_id = Uuid::Make(now_);
  row.kind = kind;
  row.reason = reason;
  row.message = message;
  row.subject = subject;
  row.item_id = item_id;
  row.at = at;
  row.source_name = source_name_;
  row.source_line = line;
  row.raw.data = raw;
  row.import_id = import_id_;
  if (const auto again = again_.find(row.record_key.data); again != again_.end()) {
    // It waited before, under this name.
    row.record_key = again->second.record_key;
    row.record_id = again->second.record_id;
    row.source_name = again->second.source_name;
  }
  waiting_.push_back(std::move(row));
}

absl::Status Ingest::Flush() {
  ASSIGN_OR_RETURN(const int64_t kept, db::CopyNew(tx_, waiting_));
  counts_.waiting += kept;
  counts_.duplicates += static_cast<int64_t>(waiting_.size()) - kept;
  std::vector<std::string> unknown;
  for (const WaitingRow& row : waiting_) {
    if (row.reason == kUnknownSubject) unknown.push_back(row.subject);
  }
  waiting_.clear();
  return unknown.empty() || looked_again_ ? absl::OkStatus() : LookAgain(unknown);
}

absl::Status LockSubjects(db::Tx& tx) {
  return tx.Exec("SELECT pg_advisory_xact_lock(hashtextextended('broadbill.rating.subjects', 0))")
      .status();
}

absl::Status Ingest::LookAgain(const std::vector<std::string>& unknown) {
  looked_again_ = true;
  RETURN_IF_ERROR(
      tx_.Exec("SELECT pg_advisory_xact_lock_shared(hashtextextended('broadbill.rating.subjects', "
               "0))")
          .status());
  const std::vector<int16_t> kinds = {kRadiusUser, kDid, kTrunk, kMeterSubject};
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx_.Exec("SELECT DISTINCT value FROM subject WHERE kind = ANY($1) AND "
                            "value = ANY($2)",
                            kinds, unknown));
  std::vector<std::string> known;
  for (int i = 0; i < rows.size(); ++i) known.push_back(rows.Get<std::string>(i, 0));
  if (known.empty()) return absl::OkStatus();
  const std::optional<Uuid> import_id = import_id_;
  const std::map<std::string, WaitingRow> again = again_;
  ASSIGN_OR_RETURN(const int64_t taken, Again({kUnknownSubject}, known));
  import_id_ = import_id;
  again_ = again;
  counts_.waiting -= taken;
  return absl::OkStatus();
}

absl::StatusOr<Ingest::Subjects> Ingest::LoadSubjects(const std::vector<int16_t>& kinds,
                                                      const std::vector<std::string>& values) {
  std::vector<std::string> distinct(values);
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  ASSIGN_OR_RETURN(
      const std::vector<SubjectRow> rows,
      db::Select<SubjectRow>(tx_, "WHERE kind = ANY($1) AND value = ANY($2)", kinds, distinct));
  Subjects out;
  for (const SubjectRow& row : rows) out.emplace(row.value, row);
  RETURN_IF_ERROR(LoadTerms(out));
  return out;
}

absl::Status Ingest::LoadTerms(const Subjects& subjects) {
  std::set<Uuid> wanted;
  for (const auto& [value, row] : subjects) {
    if (terms_.count(row.item_id) == 0) wanted.insert(row.item_id);
  }
  const std::vector<Uuid> ids(wanted.begin(), wanted.end());
  ASSIGN_OR_RETURN(const std::vector<ItemTermsRow> rows,
                   db::Select<ItemTermsRow>(tx_, "WHERE item_id = ANY($1)", ids));
  for (const ItemTermsRow& row : rows) {
    if (zones_.count(row.time_zone) == 0) {
      const auto zone = LoadZone(row.time_zone);
      zones_[row.time_zone] = zone.ok() ? *zone : absl::UTCTimeZone();
    }
    terms_.emplace(row.item_id, row);
  }
  return absl::OkStatus();
}

const ItemTermsRow* Ingest::Terms(const Uuid& item_id, absl::Time at) const {
  const auto [begin, end] = terms_.equal_range(item_id);
  const ItemTermsRow* any = nullptr;
  for (auto it = begin; it != end; ++it) {
    const CivilDay day = DateIn(at, zones_.at(it->second.time_zone));
    any = &it->second;
    if (day >= it->second.valid_from && day < it->second.valid_to) return any;
  }
  return any;
}

const SubjectRow* Ingest::Owner(const Subjects& subjects, const std::string& value,
                                absl::Time at) const {
  const auto [begin, end] = subjects.equal_range(value);
  for (auto it = begin; it != end; ++it) {
    const ItemTermsRow* terms = Terms(it->second.item_id, at);
    const absl::TimeZone zone =
        terms == nullptr ? absl::UTCTimeZone() : zones_.at(terms->time_zone);
    const CivilDay day = DateIn(at, zone);
    if (day >= it->second.valid_from && day < it->second.valid_to) return &it->second;
  }
  return nullptr;
}

absl::StatusOr<const LoadedDecks*> Ingest::Decks(const std::vector<std::string>& codes) {
  LoadedDecks& decks = decks_[codes];
  if (decks.index == nullptr) {
    ASSIGN_OR_RETURN(decks, LoadDecks(tx_, codes));
  }
  return &decks;
}

absl::Status Ingest::Rate(const CallRecord& record, const Subjects& subjects,
                          const std::string& country, std::vector<CallRow>& rated) {
  const DialPlan& file_plan = PlanOf(country);
  const std::string calling = E164OrRaw(record.calling, file_plan);
  const std::string called = E164OrRaw(record.called, file_plan);
  const SubjectRow* owner = Owner(subjects, calling, record.answered);
  if (owner == nullptr && !record.account_code.empty()) {
    owner = Owner(subjects, record.account_code, record.answered);
  }
  const SubjectRow* callee = Owner(subjects, called, record.answered);
  const bool inbound = owner == nullptr && callee != nullptr;
  if (inbound) owner = callee;
  const std::string raw = Pack(record, country);
  const auto wait = [&](const std::string& reason, const std::string& message) {
    Wait(kWaitingCall, record.key, reason, message, record.calling, record.answered, record.line,
         owner == nullptr ? std::nullopt : std::optional<Uuid>(owner->item_id), raw);
    return absl::OkStatus();
  };
  if (owner == nullptr) {
    return wait(kUnknownSubject,
                "neither '" + record.calling + "' nor '" + record.called + "' is a line of ours");
  }
  const ItemTermsRow* terms = Terms(owner->item_id, record.answered);
  if (terms == nullptr) return wait(kUnknownSubject, "the line's terms are not known yet");
  CallRow row;
  row.call_key = Hash(record.key);
  row.call_id = Uuid::Make(now_);
  row.account_id = owner->account_id;
  row.item_id = owner->item_id;
  row.inbound = inbound;
  row.calling = calling;
  row.called = called;
  row.answered_at = record.answered;
  row.seconds = record.seconds;
  row.currency = terms->currency;
  row.import_id = import_id_;
  const DialPlan& plan = PlanOf(terms->country);
  CallFacts facts{record.called, record.answered, record.seconds, inbound, callee != nullptr};
  CallTerms rates{&plan, zones_.at(terms->time_zone), nullptr, nullptr};
  const bool asks_decks = FreeOf(facts, plan) == CallOutcome::kRated;
  const LoadedDecks* decks = nullptr;
  if (asks_decks) {
    if (terms->decks.empty()) return wait("NO_DECK", "the plan names no deck");
    ASSIGN_OR_RETURN(decks, Decks(terms->decks));
    rates.decks = decks->index.get();
  }
  const CallPrice price = RateCall(facts, rates, {});
  switch (price.outcome) {
    case CallOutcome::kNoNumber:
      return wait("BAD_NUMBER", "'" + record.called + "' cannot be dialled from " + plan.country);
    case CallOutcome::kNoRate:
      return wait("NO_RATE", "no rate for " + std::string(price.called.text()) + " on " +
                                 FormatDate(DateIn(record.answered, rates.zone)));
    case CallOutcome::kRated:
      row.deck = decks->rows[price.deck].code;
      row.destination = price.rate->destination;
      row.prefix = price.rate->prefix;
      row.called = std::string(price.called.text());
      row.billed_seconds = price.billed_seconds;
      row.cost_micros = price.cost_micros;
      break;
    default:
      row.destination = FreeDestination(price.outcome);
  }
  rated.push_back(std::move(row));
  return absl::OkStatus();
}

absl::Status Ingest::AddCalls(const std::vector<CallRecord>& records, const std::string& country) {
  std::vector<std::string> values;
  const DialPlan& plan = PlanOf(country);
  for (const CallRecord& record : records) {
    values.push_back(E164OrRaw(record.calling, plan));
    values.push_back(E164OrRaw(record.called, plan));
    if (!record.account_code.empty()) values.push_back(record.account_code);
  }
  ASSIGN_OR_RETURN(const Subjects subjects, LoadSubjects({kDid, kTrunk}, values));
  std::vector<CallRow> rated;
  for (const CallRecord& record : records) {
    RETURN_IF_ERROR(Rate(record, subjects, country, rated));
  }
  ASSIGN_OR_RETURN(const int64_t kept, db::CopyNew(tx_, rated));
  counts_.applied += kept;
  counts_.duplicates += static_cast<int64_t>(rated.size()) - kept;
  return Flush();
}

}  // namespace broadbill::rating
