#include "services/rating/app/events.h"

#include <catch2/catch.hpp>

#include "libs/status/error.h"

namespace broadbill::rating {
namespace {

using broadbill::rating::v1::IngestEventsRequest;
using broadbill::rating::v1::UsageEvent;

UsageEvent* Add(IngestEventsRequest& request) {
  UsageEvent* const event = request.add_events();
  event->set_id("e-1");
  event->set_source("gw-1");
  event->set_subject("ann");
  event->mutable_time()->set_seconds(1772323200);
  event->mutable_quantity()->set_value("1048576");
  return event;
}

// The field that is refused when only this is changed.
std::string Refused(void (*change)(UsageEvent&)) {
  IngestEventsRequest request;
  change(*Add(request));
  const auto violations = ViolationsOf(ReadEvents(request).status());
  return violations.size() == 1 ? violations[0].field : std::to_string(violations.size());
}

}  // namespace

TEST_CASE("events of a request") {
  IngestEventsRequest request;
  Add(request);
  Add(request)->set_type("data.out");
  const auto events = ReadEvents(request);
  REQUIRE(events.ok());
  REQUIRE(events->size() == 2);
  CHECK((*events)[0].type == "data");
  CHECK((*events)[0].octets == 1048576);
  CHECK((*events)[0].at == absl::FromUnixSeconds(1772323200));
  CHECK((*events)[1].type == "data.out");
}

TEST_CASE("events that neither the database nor a meter can hold are refused by name") {
  CHECK(Refused([](UsageEvent& e) { e.mutable_quantity()->set_value("18446744073709551617"); }) ==
        "events[0].quantity");
  CHECK(Refused([](UsageEvent& e) { e.mutable_quantity()->set_value("0.5"); }) ==
        "events[0].quantity");
  CHECK(Refused([](UsageEvent& e) { e.mutable_time()->set_seconds(INT64_MAX); }) ==
        "events[0].time");
  CHECK(Refused([](UsageEvent& e) { e.mutable_time()->set_seconds(-1); }) == "events[0].time");
  CHECK(Refused([](UsageEvent& e) { e.clear_time(); }) == "events[0].time");
  CHECK(Refused([](UsageEvent& e) { e.set_id(std::string("a\0b", 3)); }) == "events[0].id");
  CHECK(Refused([](UsageEvent& e) { e.set_source(std::string(3000, 's')); }) == "events[0].source");
  CHECK(Refused([](UsageEvent& e) { e.set_subject(""); }) == "events[0].subject");
}

}  // namespace broadbill::rating
