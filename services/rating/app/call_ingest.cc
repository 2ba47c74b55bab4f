#include "services/rating/app/call_ingest.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/status/macros.h"
#include "services/rating/domain/number.h"

namespace broadbill::rating {
namespace {

constexpr size_t kChunk = 50000;   // calls whose rows go to the database together
constexpr size_t kTogether = 256;  // calls that are rated together
constexpr size_t kFew = 1000;      // calls whose lines are asked for by name
constexpr size_t kAsked = 200000;  // names of lines that are asked for together

// The first half of a 256-bit hash.
Uuid KeyOf(const std::string& key) {
  std::array<unsigned char, 32> hash;
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(key.data()),
                     key.size(), nullptr, 0);
  Uuid out;
  std::copy_n(hash.begin(), out.bytes.size(), out.bytes.begin());
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

void ReadNumber(const std::string& text, const DialPlan& plan, E164& out) {
  if (!Normalise(text, plan, out)) out.size = 0;
}

// Of E.164, else as received.
std::string_view NameOf(const E164& number, const std::string& raw) {
  return number.size > 0 ? number.text() : std::string_view(raw);
}

}  // namespace

const CallIngest::Lines* CallIngest::LinesOf(const E164& number, const std::string& raw) const {
  const std::string_view name = NameOf(number, raw);
  const auto found = lines_.find(absl::string_view(name.data(), name.size()));
  return found == lines_.end() ? nullptr : &found->second;
}

absl::Status CallIngest::LoadLines(const std::vector<CallRecord>& records,
                                   std::vector<Ends>& ends) {
  RETURN_IF_ERROR(AskForAll(records.size()));
  std::vector<std::string> unknown;
  const auto ask = [&](const E164& number, const std::string& raw) {
    if (number.size > 0) {
      if (asked_numbers_.insert(number.key()).second) unknown.emplace_back(number.text());
    } else if (!raw.empty() && asked_names_.insert(raw).second) {
      unknown.push_back(raw);
    }
    return unknown.size() < kAsked ? absl::OkStatus() : Ask(unknown);
  };
  for (size_t i = 0; i < ends.size() && !asked_all_; ++i) {
    RETURN_IF_ERROR(ask(ends[i].calling, records[i].calling));
    RETURN_IF_ERROR(ask(ends[i].called, records[i].called));
    RETURN_IF_ERROR(ask({}, records[i].account_code));
  }
  RETURN_IF_ERROR(Ask(unknown));
  // From here on no line moves.
  for (size_t i = 0; i < ends.size(); ++i) {
    ends[i].caller = LinesOf(ends[i].calling, records[i].calling);
    ends[i].callee = LinesOf(ends[i].called, records[i].called);
    if (!records[i].account_code.empty()) ends[i].account = LinesOf({}, records[i].account_code);
  }
  return absl::OkStatus();
}

// All lines, where they are fewer than the names in the file may be.
absl::Status CallIngest::AskForAll(size_t records) {
  if (asked_all_ || records < kFew) return absl::OkStatus();
  const std::vector<int16_t> kinds = {kDid, kTrunk};
  const auto most = static_cast<int64_t>(2 * records);
  ASSIGN_OR_RETURN(const db::Result count,
                   tx_.Exec("SELECT count(*) FROM (SELECT FROM subject WHERE kind = ANY($1) LIMIT "
                            "$2) AS lines",
                            kinds, most));
  if (count.Get<int64_t>(0, 0) == most) return absl::OkStatus();
  asked_all_ = true;
  lines_.clear();
  ASSIGN_OR_RETURN(const std::vector<SubjectRow> rows,
                   db::Select<SubjectRow>(
                       tx_, "WHERE kind = ANY($1) ORDER BY value, valid_from, item_id", kinds));
  return AddLines(rows);
}

// Empties `values`.
absl::Status CallIngest::Ask(std::vector<std::string>& values) {
  if (values.empty()) return absl::OkStatus();
  const std::vector<int16_t> kinds = {kDid, kTrunk};
  // Joined: for the planner, `= ANY` of so many values is so many conditions.
  ASSIGN_OR_RETURN(
      const std::vector<SubjectRow> rows,
      db::Select<SubjectRow>(tx_,
                             "JOIN unnest($2) AS asked(name) ON value = asked.name WHERE kind = "
                             "ANY($1) ORDER BY value, valid_from, item_id",
                             kinds, values));
  values.clear();
  return AddLines(rows);
}

absl::Status CallIngest::AddLines(const std::vector<SubjectRow>& rows) {
  std::vector<Uuid> items;
  for (const SubjectRow& row : rows) {
    std::unique_ptr<ItemTerms>& terms = terms_[row.item_id];
    if (terms == nullptr) {
      terms = std::make_unique<ItemTerms>();
      items.push_back(row.item_id);
    }
    // A day begins less than two days from when it does in UTC.
    const auto begin = [](CivilDay day, int days) {
      if (day == CivilDay::max()) return absl::InfiniteFuture();
      return absl::FromCivil(day, absl::UTCTimeZone()) + absl::Hours(24 * days);
    };
    lines_[row.value].push_back({row.account_id, row.item_id, row.valid_from, row.valid_to,
                                 begin(row.valid_from, 2), begin(row.valid_to, -2), terms.get()});
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
              row.currency,
              row.decks,
              {&PlanOf(row.country), zone.ok() ? *zone : absl::UTCTimeZone(), nullptr, nullptr},
              nullptr};
    terms_[row.item_id]->push_back(std::move(terms));
  }
  return absl::OkStatus();
}

// Those of the day, else the last ones: a call after the end of the line is still rated.
CallIngest::Terms* CallIngest::TermsAt(const ItemTerms& terms, absl::Time at) {
  if (terms.size() == 1) return terms.front().get();
  for (const std::unique_ptr<Terms>& one : terms) {
    const CivilDay day = DateIn(at, one->rates.zone);
    if (day >= one->from && day < one->to) return one.get();
  }
  return terms.empty() ? nullptr : terms.back().get();
}

CallIngest::Found CallIngest::FindLine(const Lines* lines, absl::Time at) {
  if (lines == nullptr) return {};
  for (const Line& line : *lines) {
    Terms* terms = TermsAt(*line.terms, at);
    if (at >= line.surely_from && at < line.surely_to) return {&line, terms};
    const CivilDay day = DateIn(at, terms == nullptr ? absl::UTCTimeZone() : terms->rates.zone);
    if (day >= line.from && day < line.to) return {&line, terms};
  }
  return {};
}

void CallIngest::Wait(size_t record, const Line* line, std::string reason, std::string message) {
  WaitingCall out{record, std::move(reason), std::move(message), std::nullopt};
  if (line != nullptr) out.item_id = line->item_id;
  waiting_.push_back(std::move(out));
}

bool CallIngest::FindOwner(const CallRecord& record, const DialPlan& file_plan, const Ends& ends,
                           Owner& out) {
  Found owner = FindLine(ends.caller, record.answered);
  if (owner.line == nullptr) owner = FindLine(ends.account, record.answered);
  const Found callee = FindLine(ends.callee, record.answered);
  // The owner of a toll-free number pays also for calls of our other lines.
  const bool inbound =
      callee.line != nullptr && (owner.line == nullptr || IsTollFree(ends.called.text()));
  if (inbound) owner = callee;
  if (owner.line == nullptr) {
    Wait(
        out.record, nullptr, "UNKNOWN_SUBJECT",
        absl::StrCat("neither '", record.calling, "' nor '", record.called, "' is a line of ours"));
    return false;
  }
  if (owner.terms == nullptr) {
    Wait(out.record, owner.line, "UNKNOWN_SUBJECT", "the line's terms are not known yet");
    return false;
  }
  out.line = owner.line;
  out.terms = owner.terms;
  out.facts = {record.called, record.answered, record.seconds, inbound, callee.line != nullptr};
  out.facts.calling = record.calling;
  // The line's country decides; it is the file's, as a rule.
  if (owner.terms->rates.plan == &file_plan) out.facts.number = &ends.called;
  return true;
}

absl::Status CallIngest::TakeDecks(Terms& terms) {
  std::shared_ptr<const LoadedDecks>& known = decks_of_[terms.codes];
  if (known == nullptr) {
    RETURN_IF_ERROR(writer_.Wait());
    ASSIGN_OR_RETURN(known, decks_.Get(tx_, terms.codes));
  }
  terms.decks = known;
  terms.rates.decks = known->index.get();
  return absl::OkStatus();
}

absl::Status CallIngest::RateOwned(const std::vector<CallRecord>& records,
                                   const std::vector<Ends>& ends) {
  jobs_.clear();
  size_t rated = 0;
  for (const Owner& owner : owners_) {
    const CallRecord& record = records[owner.record];
    Terms& terms = *owner.terms;
    CallPrice free;
    free.outcome = FreeOf(owner.facts, *terms.rates.plan);
    if (free.outcome == CallOutcome::kNoNumber) {
      Wait(
          owner.record, owner.line, "BAD_NUMBER",
          absl::StrCat("'", record.called, "' cannot be dialled from ", terms.rates.plan->country));
    } else if (free.outcome != CallOutcome::kRated) {
      Keep(record, ends[owner.record], owner, free);
    } else if (terms.codes.empty()) {
      Wait(owner.record, owner.line, "NO_DECK", "the plan names no deck");
    } else {
      if (terms.decks == nullptr) RETURN_IF_ERROR(TakeDecks(terms));
      jobs_.push_back({owner.facts, &terms.rates, {}});
      owners_[rated++] = owner;
    }
  }
  prices_.resize(std::max(prices_.size(), jobs_.size()));
  RateMany(jobs_, {prices_.data(), jobs_.size()});
  for (size_t i = 0; i < rated; ++i) {
    const Owner& owner = owners_[i];
    const CallRecord& record = records[owner.record];
    if (prices_[i].outcome == CallOutcome::kRated) {
      Keep(record, ends[owner.record], owner, prices_[i]);
    } else {
      Wait(owner.record, owner.line, "NO_RATE",
           absl::StrCat("no rate for ", std::string(prices_[i].asked.text()), " on ",
                        FormatDate(DateIn(record.answered, owner.terms->rates.zone))));
    }
  }
  owners_.clear();
  return absl::OkStatus();
}

void CallIngest::Keep(const CallRecord& record, const Ends& ends, const Owner& owner,
                      const CallPrice& price) {
  CallRow& row = row_;
  row.call_key = KeyOf(record.key);
  row.account_id = owner.line->account_id;
  row.item_id = owner.line->item_id;
  row.inbound = owner.facts.inbound;
  row.calling = NameOf(ends.calling, record.calling);
  row.answered_at = record.answered;
  row.seconds = record.seconds;
  row.billed_seconds = price.billed_seconds;
  row.cost_micros = price.cost_micros;
  row.currency = owner.terms->currency;
  row.import_id = import_id_;
  const bool rated = price.outcome == CallOutcome::kRated;
  if (rated) {
    row.called = price.called.text();
    row.deck = owner.terms->decks->rows[price.deck].code;
    row.destination = price.rate->destination;
    row.prefix = price.rate->prefix;
  } else {
    row.called = NameOf(ends.called, record.called);
    row.deck.clear();
    row.destination = FreeDestination(price.outcome);
    row.prefix.clear();
  }
  batch_->Add(row, owner.record, rated && !row.inbound);
}

absl::Status CallIngest::RateAll(const std::vector<CallRecord>& records, const DialPlan& plan) {
  std::vector<Ends> ends(records.size());
  for (size_t i = 0; i < ends.size(); ++i) {
    ReadNumber(records[i].calling, plan, ends[i].calling);
    ReadNumber(records[i].called, plan, ends[i].called);
  }
  RETURN_IF_ERROR(LoadLines(records, ends));
  size_t chunk = 0;
  for (size_t begin = 0; begin < records.size(); begin += kChunk, ++chunk) {
    const size_t end = std::min(records.size(), begin + kChunk);
    batch_ = &batches_[chunk % 2];
    batch_->Clear();
    for (size_t i = begin; i < end; ++i) {
      Owner owner;
      owner.record = i;
      if (FindOwner(records[i], plan, ends[i], owner)) owners_.push_back(owner);
      if (owners_.size() == kTogether || i + 1 == end) RETURN_IF_ERROR(RateOwned(records, ends));
    }
    batch_->Sort();
    RETURN_IF_ERROR(writer_.Write(*batch_, end < records.size()));
  }
  return absl::OkStatus();
}

absl::Status CallIngest::Add(const std::vector<CallRecord>& records, const std::string& country) {
  waiting_.clear();
  const absl::Status rated = RateAll(records, PlanOf(country));
  const absl::Status written = writer_.Wait();  // the transaction is the caller's again
  RETURN_IF_ERROR(rated);
  RETURN_IF_ERROR(written);
  std::sort(waiting_.begin(), waiting_.end(),
            [](const WaitingCall& a, const WaitingCall& b) { return a.record < b.record; });
  return TouchCalls(tx_, now_, writer_.spans());
}

}  // namespace broadbill::rating
