#include "services/accounts/domain/holds.h"

#include <catch2/catch.hpp>

#include "libs/status/error.h"

namespace broadbill::accounts {
namespace {

CivilDay Date(const char* text) { return *ParseDate(text); }

std::optional<HoldLimits> Limits(const Uuid& plan) {
  if (plan.bytes[15] == 1) return HoldLimits{14, 60, 2};
  return std::nullopt;
}

struct Step {
  ChangeKind kind;
  const char* day;
  bool seasonal = false;
};

History Make(const std::vector<Step>& steps, uint8_t plan = 1) {
  History out;
  out.start = Date("2026-01-01");
  out.plan_id.bytes[15] = plan;
  for (const Step& step : steps) {
    Change change;
    change.effective = Date(step.day);
    change.entered = static_cast<int64_t>(out.changes.size());
    change.kind = step.kind;
    change.seasonal = step.seasonal;
    out.changes.push_back(change);
  }
  return out;
}

std::string Check(const History& history) { return ReasonOf(CheckHistory(history, Limits)); }

constexpr ChangeKind kSuspend = ChangeKind::kSuspend, kResume = ChangeKind::kResume,
                     kCancel = ChangeKind::kCancel, kQuantity = ChangeKind::kQuantity;

}  // namespace

TEST_CASE("the order of changes") {
  struct Case {
    std::vector<Step> steps;
    const char* expected;
  };
  const Case cases[] = {
      {{{kSuspend, "2026-03-10"}, {kResume, "2026-03-20"}}, ""},
      {{{kResume, "2026-03-20"}, {kSuspend, "2026-03-10"}}, ""},  // whatever came first
      {{{kResume, "2026-03-20"}}, "CHANGE_ORDER"},
      {{{kSuspend, "2026-03-10"}, {kResume, "2026-03-05"}}, "CHANGE_ORDER"},
      {{{kSuspend, "2026-03-10"}, {kSuspend, "2026-03-12"}}, "CHANGE_ORDER"},
      {{{kSuspend, "2026-03-10"}, {kResume, "2026-03-10"}, {kSuspend, "2026-03-10"}}, ""},
      {{{kCancel, "2026-04-01"}, {kQuantity, "2026-04-01"}}, "CHANGE_ORDER"},
      {{{kCancel, "2026-04-01"}, {kQuantity, "2026-03-31"}}, ""},
      {{{kQuantity, "2026-04-10"}, {kCancel, "2026-04-01"}}, ""},  // overtaken by the end
      {{{kCancel, "2026-04-01"}, {kCancel, "2026-05-01"}}, "CHANGE_ORDER"},
      {{{kCancel, "2026-04-01"}, {kCancel, "2026-03-01"}}, ""},
      {{{kSuspend, "2026-03-10"}, {kCancel, "2026-03-15"}, {kResume, "2026-03-20"}},
       "CHANGE_ORDER"},
  };
  for (const Case& c : cases) CHECK(Check(Make(c.steps)) == c.expected);
}

TEST_CASE("limits of a seasonal hold") {
  const auto hold = [](const char* from) { return Step{kSuspend, from, true}; };
  const auto back = [](const char* day) { return Step{kResume, day}; };
  CHECK(Check(Make({hold("2026-03-01"), back("2026-03-15")})) == "");
  CHECK(Check(Make({hold("2026-03-01"), back("2026-03-14")})) == "SEASONAL_HOLD_LIMIT");
  CHECK(Check(Make({hold("2026-03-01"), back("2026-04-30")})) == "");
  CHECK(Check(Make({hold("2026-03-01"), back("2026-05-01")})) == "SEASONAL_HOLD_LIMIT");
  CHECK(Check(Make({hold("2026-03-01"), back("2026-03-31"), hold("2026-05-01"),
                    back("2026-05-31")})) == "");
  CHECK(Check(Make({hold("2026-03-01"), back("2026-03-31"), hold("2026-05-01"),
                    back("2026-06-01")})) == "SEASONAL_HOLD_LIMIT");
  CHECK(Check(Make({hold("2026-03-01"), back("2026-03-15"), hold("2026-05-01"), back("2026-05-15"),
                    hold("2026-07-01")})) == "SEASONAL_HOLD_LIMIT");
  CHECK(Check(Make({hold("2026-03-01"), back("2026-04-30"), hold("2026-05-01")})) ==
        "SEASONAL_HOLD_LIMIT");  // nothing is left
  // Days count in their own year.
  CHECK(Check(Make({hold("2026-12-01"), back("2027-01-31")})) == "");
  // Other suspensions have no limits; a plan without holds allows none.
  CHECK(Check(Make({{kSuspend, "2026-03-01"}, {kResume, "2026-09-01"}}, 2)) == "");
  CHECK(Check(Make({hold("2026-03-01")}, 2)) == "SEASONAL_HOLD_LIMIT");
}

TEST_CASE("a hold ends by itself") {
  const auto ended = [](History history) {
    EndHolds(history, Limits);
    std::string out;
    for (const Change& change : InOrder(history.changes)) {
      out += FormatDate(change.effective) + (change.kind == kResume ? " resume " : " suspend ");
    }
    return out;
  };
  CHECK(ended(Make({{kSuspend, "2026-03-01", true}})) == "2026-03-01 suspend 2026-04-30 resume ");
  CHECK(ended(Make({{kSuspend, "2026-03-01"}})) == "2026-03-01 suspend ");
  // 31 days of this year and the next year's 60.
  CHECK(ended(Make({{kSuspend, "2026-12-01", true}})) == "2026-12-01 suspend 2027-03-02 resume ");
  // What comes after it may suspend again.
  const History later = Make({{kSuspend, "2026-03-01", true}, {kSuspend, "2026-04-30"}});
  CHECK(ended(later) == "2026-03-01 suspend 2026-04-30 resume 2026-04-30 suspend ");
  CHECK(Check(later) == "");
  CHECK(Check(Make({{kSuspend, "2026-03-01", true}, {kSuspend, "2026-04-29"}})) == "CHANGE_ORDER");
}

}  // namespace broadbill::accounts
