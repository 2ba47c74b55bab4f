#include "services/accounts/domain/service_state.h"

#include <catch2/catch.hpp>

namespace broadbill::accounts {
namespace {

CivilDay D(const char* text) { return *ParseDate(text); }

// In service from March 1 to June 1, suspended in April.
std::vector<Segment> Life() {
  std::vector<Segment> out(3);
  out[0].days = {D("2026-03-01"), D("2026-04-01")};
  out[1].days = {D("2026-04-01"), D("2026-05-01")};
  out[1].suspended = true;
  out[2].days = {D("2026-05-01"), D("2026-06-01")};
  return out;
}

NetworkOrder On(const char* day, const NetworkTerms& terms) {
  return OrderOf(Life(), D(day), terms);
}

}  // namespace

TEST_CASE("usage that is used up slows a service down or stops it") {
  NetworkTerms terms;
  terms.speed = Speed{500000, 500000};
  CHECK(On("2026-03-10", terms) == NetworkOrder{NetworkState::kActive, "", Speed{500000, 500000}});
  terms.cap = UsageCap{false, {2000, 1000}};
  CHECK(On("2026-03-10", terms) ==
        NetworkOrder{NetworkState::kRestricted, "usage_cap", Speed{2000, 1000}});
  terms.cap = UsageCap{true, {}};
  CHECK(On("2026-03-10", terms) ==
        NetworkOrder{NetworkState::kSuspended, "usage_cap", Speed{500000, 500000}});
}

TEST_CASE("blocked data leaves the calls of the same line") {
  NetworkTerms terms;
  terms.calls = true;
  terms.cap = UsageCap{true, {}};
  CHECK(On("2026-03-10", terms).state == NetworkState::kRestricted);
}

TEST_CASE("the strictest holds, and lifting one leaves the other") {
  NetworkTerms terms;
  terms.suspended_for = "unpaid";
  terms.cap = UsageCap{false, {2000, 1000}};
  CHECK(On("2026-02-10", terms) == NetworkOrder{NetworkState::kPending, "", std::nullopt});
  CHECK(On("2026-04-10", terms) == NetworkOrder{NetworkState::kSuspended, "unpaid", std::nullopt});
  // Paid: the cap is still there.
  CHECK(On("2026-05-10", terms).state == NetworkState::kRestricted);
  CHECK(On("2026-06-10", terms) ==
        NetworkOrder{NetworkState::kTerminated, "cancelled", std::nullopt});
  // Lifted while it is suspended for another reason.
  terms.cap.reset();
  CHECK(On("2026-04-10", terms).reason == "unpaid");
  CHECK(On("2026-05-10", terms).state == NetworkState::kActive);
}

}  // namespace broadbill::accounts
