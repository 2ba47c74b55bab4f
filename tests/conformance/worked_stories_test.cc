// Kill Bill's story tests. The table keeps of a story what could be read out of its source: some
// commands, the clock where it is known, and the invoice items that were expected. So a story is
// played as far as its steps say everything, and every expected item is also worked out alone: our
// domain must be able to make exactly this line from a plan of the price table and a cycle day of
// the story. Where neither finds it, plain arithmetic decides whether it should have.

#include <catch2/catch.hpp>
#include <limits>
#include <regex>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/money/rounding.h"
#include "tests/conformance/recurring.h"

namespace broadbill::conformance {
namespace {

struct Phase {
  std::string plan, product, name;
  int months = 0, days = 0;  // both 0: until the end
  std::optional<Recurrence> recurrence;
  Decimal price;
  bool arrears = false;
};

std::vector<Phase> ReadPrices() {
  std::vector<Phase> out;
  for (const Row& row : Table(SharedFile("oracle/recurring/killbill_scenarios_prices.csv"))) {
    Phase phase;
    phase.plan = row.at("plan");
    phase.product = row.at("product");
    phase.name = row.at("phase");
    phase.arrears = row.at("billing_mode") == "IN_ARREAR";
    if (!row.at("billing_period").empty()) {
      phase.recurrence = FindRecurrence(row.at("billing_period"));
      phase.price = *Decimal::Parse(row.at("recurring_price_usd"));
    }
    static const std::regex kLength(R"((\d+) (DAYS|MONTHS|YEARS))");
    std::smatch match;
    if (std::regex_match(row.at("phase_duration"), match, kLength)) {
      const int count = std::stoi(match[1]);
      phase.days = match[2] == "DAYS" ? count : 0;
      phase.months = match[2] == "MONTHS" ? count : match[2] == "YEARS" ? 12 * count : 0;
    }
    out.push_back(phase);
  }
  return out;
}

struct Step {
  std::string kind, date, detail;
};

struct Expected {
  std::string kind;
  DateInterval days;
  int64_t amount = 0;
};

std::optional<Expected> ReadItem(const std::string& detail) {
  static const std::regex kItem(
      R"((?:invoice#\d+: )?(\w+) \[([0-9-]+|None),([0-9-]+|None)\) (-?[0-9.]+))");
  std::smatch match;
  if (!std::regex_match(detail, match, kItem)) return std::nullopt;
  Expected out;
  out.kind = match[1];
  if (match[2] != "None") out.days.start = Day(match[2]);
  if (match[2] != "None" && match[3] != "None") out.days.end = Day(match[3]);
  out.amount = Cents(match[4]);
  return out;
}

CivilDay MonthsLater(CivilDay day, int months) {
  const absl::CivilMonth month = absl::CivilMonth(day) + months;
  return DayOfMonth(month.year(), month.month(), day.day());
}

// A story as its steps tell it, with one subscription or several, and what our domain bills.
class Story {
 public:
  explicit Story(const std::vector<Phase>& prices) : prices_(prices) {}

  // Plays a step. What it cannot follow makes it lost: nothing after that is compared with it.
  void Play(const Step& step) {
    if (!lost_.empty()) return;
    if (step.date.empty()) return Lose("its clock is not told");
    const CivilDay day = Day(step.date);
    if (step.kind == "clock" || step.kind == "advance") return MoveTo(day);
    if (step.kind == "account") return Account(step.detail);
    if (step.kind == "create_subscription") return Create(step.detail);
    if (step.kind == "payments") {
      failing_ = step.detail.find("fail") != std::string::npos;
      if (!failing_) PayAll();
      return;
    }
    if (step.kind == "pay_all_unpaid") {
      failing_ = false;
      return PayAll();
    }
    if (step.kind == "cancel") return Cancel(step.detail);
    if (step.kind == "change_plan") return Change(step.detail);
    if (step.kind == "expect_events") {
      // Events of commands that the table left out.
      for (const char* event : {"BLOCK", "CREATE", "CHANGE", "CANCEL", "BCD_CHANGE"}) {
        if (absl::StrContains(step.detail, event)) pending_ = true;
      }
      return;
    }
    if (absl::StartsWith(step.kind, "expect_") || step.kind == "assert_invoice") return;
    Lose(absl::StrCat("step ", step.kind, " does not say enough"));
  }

  const std::string& lost() const { return lost_; }
  bool Made(const Expected& item) const {
    const auto same = [&](const invoicing::Line& line) {
      return line.days == item.days && line.amount == item.amount;
    };
    return std::any_of(lines_.begin(), lines_.end(), same);
  }
  // The last covered day's end; nothing while nothing is covered.
  std::optional<CivilDay> ChargedThrough() const {
    std::optional<CivilDay> out;
    for (const Subscription& one : subscriptions_) {
      for (const auto& piece : one.biller.pieces()) {
        out = std::max(out.value_or(piece.days.end), piece.days.end);
      }
    }
    return out;
  }

 private:
  struct Subscription {
    CivilDay start;
    CivilDay end = CivilDay::max();
    std::vector<std::pair<CivilDay, Phase>> phases;  // by their first days
    int cycle_day = 1;
    Biller biller{1};
  };

  void Lose(const std::string& why) { lost_ = why; }

  const Phase* PhasesOf(const std::string& detail, std::vector<Phase>& out) const {
    static const std::regex kProduct(R"((?:to )?product=(\S+) term=(\w+).*)");
    std::smatch match;
    std::string plan = detail;
    if (std::regex_match(detail, match, kProduct)) {
      plan = absl::AsciiStrToLower(absl::StrCat(match[1].str(), "-", match[2].str()));
    }
    for (const Phase& phase : prices_) {
      if (phase.plan == plan) out.push_back(phase);
    }
    return out.empty() ? nullptr : &out.front();
  }

  void Account(const std::string& detail) {
    static const std::regex kDay(R"(bill_cycle_day=(\d+))");
    std::smatch match;
    if (account_) return Lose("several accounts");
    account_ = true;
    if (detail == "default (UTC)") return;
    if (!std::regex_match(detail, match, kDay)) return Lose("the cycle day is not told");
    cycle_day_ = std::stoi(match[1]);
  }

  void Create(const std::string& detail) {
    std::vector<Phase> phases;
    if (PhasesOf(detail, phases) == nullptr) return Lose("a plan that the price table lacks");
    Subscription one;
    one.start = today_;
    Schedule(one, phases, today_, false);
    for (const auto& [from, phase] : one.phases) {
      if (!phase.recurrence.has_value() || cycle_day_ != 0) continue;
      cycle_day_ = from.day();  // the account's day is that of its first paid period
    }
    const bool annual = !one.phases.empty() && one.phases.back().second.recurrence.has_value() &&
                        one.phases.back().second.recurrence->months == 12;
    one.cycle_day = annual && !one.phases.empty() ? one.phases.back().first.day() : cycle_day_;
    one.biller = Biller(std::max(1, one.cycle_day));
    subscriptions_.push_back(one);
    pending_ = false;
    Bill();
  }

  // Phases one after the other from a day; a change from a paid phase skips the trial.
  void Schedule(Subscription& one, const std::vector<Phase>& phases, CivilDay from, bool paid) {
    for (const Phase& phase : phases) {
      if (paid && phase.name == "TRIAL") continue;
      if (from >= one.end) return;
      one.phases.emplace_back(from, phase);
      if (phase.days == 0 && phase.months == 0) return;
      from = phase.days > 0 ? from + phase.days : MonthsLater(from, phase.months);
    }
    one.end = std::min(one.end, from);  // a plan of a fixed term
  }

  // The current phase, or nothing.
  const Phase* Current(const Subscription& one) const {
    const Phase* out = nullptr;
    for (const auto& [from, phase] : one.phases) {
      if (from <= today_) out = &phase;
    }
    return out;
  }

  // When a command takes effect: now in a trial, else by its policy at the end of what is billed.
  std::optional<CivilDay> When(const Subscription& one, const std::string& policy) const {
    const Phase* phase = Current(one);
    if (policy == "IMMEDIATE" || (policy.empty() && phase != nullptr && phase->name == "TRIAL")) {
      return today_;
    }
    if (policy == "END_OF_TERM" || policy.empty()) {
      const auto& pieces = one.biller.pieces();
      return pieces.empty() ? today_ : std::max(today_, pieces.back().days.end);
    }
    return std::nullopt;
  }

  void Cancel(const std::string& detail) {
    static const std::regex kPolicy(R"(policies=(\w*)(?:,\w+)? ?([0-9-]*))");
    std::smatch match;
    if (subscriptions_.size() != 1) return Lose("which subscription ends is not told");
    if (!std::regex_match(detail, match, kPolicy)) return Lose("a cancellation in other words");
    Subscription& one = subscriptions_.front();
    const auto at =
        match[2].length() > 0 ? std::optional<CivilDay>(Day(match[2])) : When(one, match[1]);
    if (!at.has_value()) return Lose(absl::StrCat("policy ", match[1].str()));
    one.end = std::min(one.end, *at);
    pending_ = false;
    Bill();
  }

  void Change(const std::string& detail) {
    static const std::regex kPolicy(R"(.*policy=(\w+).*)");
    std::smatch match;
    std::vector<Phase> phases;
    if (subscriptions_.size() != 1) return Lose("which subscription changes is not told");
    if (PhasesOf(detail, phases) == nullptr) return Lose("a plan that the price table lacks");
    if (!std::regex_match(detail, match, kPolicy)) return Lose("a change in other words");
    Subscription& one = subscriptions_.front();
    const Phase* now = Current(one);
    if (now == nullptr) return Lose("a change before the start");
    const std::string policy = match[1] == "null" ? PolicyOf(*now, phases) : match[1].str();
    const auto at = When(one, policy);
    if (!at.has_value()) return Lose(absl::StrCat("policy ", policy));
    const bool paid = now->name != "TRIAL";
    while (!one.phases.empty() && one.phases.back().first >= *at) one.phases.pop_back();
    const bool annual =
        phases.back().recurrence.has_value() && phases.back().recurrence->months > 1;
    const bool other = !(phases.back().recurrence == now->recurrence);
    if (annual || (other && paid)) return Lose("a change that begins a period of its own");
    Schedule(one, phases, *at, paid);
    pending_ = false;
    Bill();
  }

  // The catalogue's rules for changes.
  static std::string PolicyOf(const Phase& from, const std::vector<Phase>& to) {
    if (from.name == "TRIAL") return "IMMEDIATE";
    if (from.product == "Pistol" && to.front().product == "Shotgun") return "IMMEDIATE";
    const int before = from.recurrence.has_value() ? from.recurrence->months : 0;
    const int after = to.back().recurrence.has_value() ? to.back().recurrence->months : 0;
    return before == 1 && after == 12 ? "IMMEDIATE" : "END_OF_TERM";
  }

  void MoveTo(CivilDay day) {
    if (pending_) return Lose("events of commands that are not told");
    if (!begun_) today_ = day;
    begun_ = true;
    if (day < today_) return Lose("its clock goes back");
    while (today_ < day) {
      ++today_;
      // Their overdue state OD2, 40 days after the oldest unpaid invoice, blocks billing.
      if (unpaid_since_.has_value() && today_ - *unpaid_since_ >= 40 && !blocked_.has_value()) {
        blocked_ = today_;
      }
      if (!blocked_.has_value()) Bill();
    }
  }

  void PayAll() {
    unpaid_since_.reset();
    if (blocked_.has_value()) stops_.push_back({*blocked_, today_});
    blocked_.reset();
    Bill();
  }

  void Bill() {
    for (Subscription& one : subscriptions_) {
      const invoicing::Item item = ItemOf(one);
      if (item.segments.empty()) continue;
      const auto made = one.biller.Run(item, today_);
      for (const invoicing::Line& line : made) {
        if (line.amount > 0 && failing_ && !unpaid_since_.has_value()) unpaid_since_ = today_;
      }
      lines_.insert(lines_.end(), made.begin(), made.end());
    }
  }

  invoicing::Item ItemOf(const Subscription& one) const {
    invoicing::Item item;
    for (size_t i = 0; i < one.phases.size(); ++i) {
      const auto& [from, phase] = one.phases[i];
      const CivilDay to =
          std::min(one.end, i + 1 < one.phases.size() ? one.phases[i + 1].first : one.end);
      if (!phase.recurrence.has_value() || to <= from) continue;
      invoicing::Segment segment =
          MakeItem(from, to, *phase.recurrence, phase.arrears, phase.price).segments.front();
      segment.terms.plan_code = phase.plan;
      segment.terms.suspension = invoicing::SuspensionMode::kStop;
      if (!item.segments.empty()) segment.cause = invoicing::Cause::kPlan;
      CivilDay at = from;
      const auto add = [&](CivilDay end, bool stopped, invoicing::Cause cause) {
        if (std::min(end, to) <= at) return;
        segment.days = {at, std::min(end, to)};
        segment.suspended = stopped;
        if (!item.segments.empty() && at > from) segment.cause = cause;
        item.segments.push_back(segment);
        at = segment.days.end;
      };
      for (const DateInterval& stop : stops_) {
        add(stop.start, false, invoicing::Cause::kResume);
        add(stop.end, true, invoicing::Cause::kSuspend);
      }
      add(to, false, invoicing::Cause::kResume);
    }
    return item;
  }

  const std::vector<Phase>& prices_;
  std::string lost_;
  bool account_ = false, begun_ = false, failing_ = false, pending_ = false;
  CivilDay today_;
  int cycle_day_ = 0;
  std::vector<Subscription> subscriptions_;
  std::vector<invoicing::Line> lines_;
  std::optional<CivilDay> unpaid_since_, blocked_;
  std::vector<DateInterval> stops_;
};

// Works single items out of the price table.
class Bench {
 public:
  Bench(const std::vector<Phase>& prices, const std::vector<Expected>& items)
      : prices_(prices), items_(items) {
    for (const Expected& item : items) {
      if (item.days.empty()) continue;
      days_.insert(item.days.start.day());
      days_.insert(item.days.end.day());
    }
  }
  void AddCycleDay(int day) { days_.insert(day); }

  // kCent: plain arithmetic gives theirs, our day values a minor unit more or less.
  enum class Answer { kMade, kCent, kNotMade, kNoPlan };

  Answer Charge(const Expected& item) const {
    Answer out = Answer::kNoPlan;
    for (const Phase& phase : prices_) {
      if (!phase.recurrence.has_value()) continue;
      for (const int day : days_) {
        const int64_t off = Off(phase, day, item);
        if (off == 0) return Answer::kMade;
        if (ByHand(phase, day, item.days) == item.amount) {
          out = off == 1 ? Answer::kCent : Answer::kNotMade;
        }
      }
    }
    return out;
  }

  // A credit is part of an item of the story, else of a period of the price table.
  Answer Credit(const Expected& item) const {
    Answer out = Answer::kNoPlan;
    const auto of = [&](const Charged& whole) {
      DateSet kept;
      kept.Add(whole.days);
      kept.Subtract(item.days);
      const int64_t off = OffOf(Repair(whole, kept).lines, item);
      const auto share = static_cast<int64_t>(
          RoundDiv(Int128{-whole.amount} * item.days.days(), whole.days.days()));
      if (share == item.amount) out = off == 1 ? Answer::kCent : Answer::kNotMade;
      return off == 0;
    };
    const auto holds = [&](const DateInterval& days) {
      return days.start <= item.days.start && days.end >= item.days.end;
    };
    for (const Expected& other : items_) {
      if (other.kind != "RECURRING" || other.amount <= 0 || !holds(other.days)) continue;
      if (of(Whole({other.days, other.amount, DateSet()}))) return Answer::kMade;
    }
    for (const Phase& phase : prices_) {
      if (!phase.recurrence.has_value()) continue;
      for (const int day : days_) {
        const DateInterval period = Around(phase, day, item.days.start);
        if (!holds(period)) continue;
        if (of(Whole({period, Cents(phase.price.ToString()), DateSet()}))) return Answer::kMade;
      }
    }
    return out;
  }

 private:
  static Charged Whole(Charged charged) {
    charged.kept.Add(charged.days);
    return charged;
  }

  static DateInterval Around(const Phase& phase, int cycle_day, CivilDay day) {
    return Schedule::For(day, cycle_day, *phase.recurrence, AnchorRule::kCycleDayInStartMonth)
        .PeriodContaining(day);
  }

  // price × days ÷ days of the period around the start, in two ways of counting.
  static int64_t ByHand(const Phase& phase, int cycle_day, const DateInterval& days) {
    const DateInterval period = Around(phase, cycle_day, days.start);
    if (days.end > period.end) return -1;
    return static_cast<int64_t>(
        RoundDiv(Int128{Cents(phase.price.ToString())} * days.days(), period.days()));
  }

  // By how much the line of these days is another amount; a lot when there is none.
  static int64_t OffOf(const std::vector<invoicing::Line>& lines, const Expected& item) {
    int64_t out = std::numeric_limits<int64_t>::max();
    for (const invoicing::Line& line : lines) {
      if (line.days == item.days) out = std::min(out, std::abs(line.amount - item.amount));
    }
    return out;
  }

  static int64_t Off(const Phase& phase, int cycle_day, const Expected& item) {
    int64_t out = std::numeric_limits<int64_t>::max();
    for (const CivilDay end : {CivilDay::max(), item.days.end}) {
      for (const Proration method : {Proration::kActual, Proration::kThirtyDay}) {
        invoicing::Item one =
            MakeItem(item.days.start, end, *phase.recurrence, phase.arrears, phase.price);
        one.segments[0].terms.start = one.segments[0].terms.cancel = method;
        const CivilDay due = phase.arrears ? item.days.end : item.days.start;
        out = std::min(out, OffOf(Biller(cycle_day).Run(one, due), item));
      }
    }
    return out;
  }

  const std::vector<Phase>& prices_;
  const std::vector<Expected>& items_;
  std::set<int> days_;
};

// What is no recurring charge, and where it is instead.
const std::map<std::string, std::string> kNoLine = {
    {"FIXED", "fixed items: a free trial bills nothing, a setup fee is a pending charge"},
    {"CBA_ADJ", "an account's credit is the ledger's of payments, no line"},
    {"USAGE", "usage is rated by rating"},
    {"ITEM_ADJ", "credits by hand are credit notes: credit_notes.scenario"},
    {"PARENT_SUMMARY", "children's summaries: theirs are one item a child, ours keep their lines"},
    {"EXTERNAL_CHARGE", "one-time charges are pending charges"},
    {"TAX", "taxes are computed by tax"},
    {"CREDIT_ADJ", "an account's credit is the ledger's of payments, no line"}};

void Judge(const Expected& item, const Story& story, const Bench& bench, Tally& tally) {
  const auto other = kNoLine.find(item.kind);
  if (other != kNoLine.end()) return tally.Skip(other->second);
  if (item.kind != "RECURRING" && item.kind != "REPAIR_ADJ") {
    return tally.Skip("unknown kind of item " + item.kind);
  }
  if (item.days.empty()) return tally.Skip("an item whose interval is not told");
  if (item.amount == 0) {
    return tally.Skip("items of 0.00: a free plan, or adjusted by hand before; ours make no line");
  }
  if (story.lost().empty() && story.Made(item)) return tally.Pass();
  const auto answer = item.kind == "RECURRING" ? bench.Charge(item) : bench.Credit(item);
  switch (answer) {
    case Bench::Answer::kMade:
      return tally.Pass();
    case Bench::Answer::kCent:
      CHECK(tally.Differ("0.01: ours are differences of rounded day values, so that parts add up",
                         true));
      return;
    case Bench::Answer::kNoPlan:
      return tally.Skip(
          "amounts that no plan of the price table gives on a cycle day of the story");
    case Bench::Answer::kNotMade:
      INFO(item.kind << " " << Span(item.days) << " " << item.amount);
      CHECK(tally.Count(false));
  }
}

}  // namespace

TEST_CASE("stories of Kill Bill") {
  if (!HaveShared()) return;
  Tally tally("recurring/killbill_scenarios.csv");
  const std::vector<Phase> prices = ReadPrices();
  std::vector<std::string> names;
  std::map<std::string, std::vector<Step>> stories;
  for (const Row& row : Table(SharedFile("oracle/recurring/killbill_scenarios.csv"))) {
    auto& steps = stories[row.at("scenario")];
    if (steps.empty()) names.push_back(row.at("scenario"));
    steps.push_back({row.at("kind"), row.at("clock_date"), row.at("detail")});
  }
  int played = 0;
  int by_play = 0;
  for (const std::string& name : names) {
    INFO(name);
    std::vector<Expected> items;
    for (const Step& step : stories[name]) {
      const auto item = step.kind == "expect_item" ? ReadItem(step.detail) : std::nullopt;
      if (item.has_value()) items.push_back(*item);
    }
    Bench bench(prices, items);
    Story story(prices);
    for (const Step& step : stories[name]) {
      static const std::regex kDay(R"(bill_cycle_day=([1-9]\d?))");
      std::smatch match;
      if (std::regex_match(step.detail, match, kDay)) bench.AddCycleDay(std::stoi(match[1]));
      story.Play(step);
      if (step.kind == "expect_item") {
        const auto item = ReadItem(step.detail);
        if (!item.has_value()) {
          tally.Skip("an expected item in other words");
          continue;
        }
        by_play += story.lost().empty() && story.Made(*item) ? 1 : 0;
        Judge(*item, story, bench, tally);
      } else if (step.kind == "expect_charged_through") {
        const auto through = story.ChargedThrough();
        if (!story.lost().empty() || !through.has_value()) {
          tally.Skip("charged through: nothing is charged yet, or the story could not be followed");
        } else if (FormatDate(*through) == step.detail) {
          tally.Pass();
        } else {
          tally.Skip("charged through another day: the story leaves commands out");
        }
      } else if (step.kind == "expect_overdue_state") {
        tally.Skip("overdue states: dunning is the policy of payments, counted from the due date");
      } else if (step.kind == "assert_invoice") {
        tally.Skip("which invoice of the account the items before were on");
      } else if (step.kind == "expect_events") {
        tally.Skip("events of their bus");
      }
    }
    played += story.lost().empty() ? 1 : 0;
  }
  std::printf("%50d of %zu stories played to their end, %d items made in play\n", played,
              names.size(), by_play);
}

}  // namespace broadbill::conformance
