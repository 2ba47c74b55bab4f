// Octets of sessions by month, and where days and months begin.

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
#include "libs/calendar/period.h"
#include "libs/calendar/time_zone.h"
#include "services/rating/domain/usage.h"
#include "tests/conformance/inputs.h"

namespace broadbill::conformance {
namespace {

using google::protobuf::Struct;

int64_t Number(const Struct& object, const char* name) {
  const auto found = object.fields().find(name);
  return found == object.fields().end() ? 0 : static_cast<int64_t>(found->second.number_value());
}

std::vector<rating::UsageSample> Samples(const Struct& one) {
  std::vector<rating::UsageSample> out;
  for (const auto& value : one.fields().at("packets_in_arrival_order").list_value().values()) {
    const Struct& packet = value.struct_value();
    rating::UsageSample sample;
    sample.at = absl::FromUnixSeconds(Number(packet, "received") - Number(packet, "delay"));
    sample.session_seconds = Number(packet, "session_time");
    sample.in_octets = (static_cast<uint64_t>(Number(packet, "gigawords")) << 32) +
                       static_cast<uint64_t>(Number(packet, "octets"));
    sample.wide = packet.fields().count("gigawords") > 0;
    out.push_back(sample);
  }
  return out;
}

std::string Months(const std::vector<rating::SessionGeneration>& generations,
                   const std::vector<absl::Time>& months) {
  std::vector<uint64_t> octets(months.size() - 1);
  for (const rating::SessionGeneration& generation : generations) {
    const auto parts = SplitOctets(generation, months);
    for (size_t i = 0; i < parts.size(); ++i) octets[i] += parts[i].in;
  }
  std::string out;
  for (size_t i = 0; i < octets.size(); ++i) {
    if (octets[i] > 0) {
      absl::StrAppend(&out, absl::ToUnixSeconds(months[i]), " ", octets[i], "; ");
    }
  }
  return out;
}

}  // namespace

TEST_CASE("octets of RADIUS sessions by month") {
  if (!HaveShared()) return;
  Tally tally("usage/radius_period_split.jsonl");
  for (const std::string& line : Lines(SharedFile("oracle/usage/radius_period_split.jsonl"))) {
    Struct one;
    REQUIRE(google::protobuf::util::JsonStringToMessage(line, &one).ok());
    std::vector<absl::Time> months;
    for (const auto& month : one.fields().at("month_starts_utc").list_value().values()) {
      months.push_back(absl::FromUnixSeconds(static_cast<int64_t>(month.number_value())));
    }
    // The file's last month is open.
    months.push_back(months.back() + absl::Hours(24 * 40));
    std::map<int64_t, int64_t> by_month;
    for (const auto& [month, octets] :
         one.fields().at("expected_octets_by_month_start").struct_value().fields()) {
      by_month[std::stoll(month)] = static_cast<int64_t>(octets.number_value());
    }
    std::string expected;
    for (const auto& [month, octets] : by_month) {
      if (octets > 0) absl::StrAppend(&expected, month, " ", octets, "; ");
    }
    const auto generations = rating::Generations(Samples(one));
    INFO(one.fields().at("case").string_value() << " " << one.fields().at("kind").string_value());
    const bool same =
        Months(generations, months) == expected &&
        static_cast<int64_t>(generations.size()) == Number(one, "expected_session_generations");
    CHECK(Months(generations, months) == expected);
    CHECK(tally.Count(same));
  }
}

TEST_CASE("the first instants of local days, months and anchored months") {
  if (!HaveShared()) return;
  Tally tally("usage/period_boundaries.csv");
  for (const Row& row : Table(SharedFile("oracle/usage/period_boundaries.csv"))) {
    const absl::TimeZone zone = *LoadZone(row.at("time_zone"));
    std::string first = row.at("local_start_date");
    if (first.size() == 7) first += "-01";
    const CivilDay start = *ParseDate(first);
    const std::string& kind = row.at("kind");
    CivilDay end = start + 1;
    if (kind == "month") end = CivilDay(absl::CivilMonth(start) + 1);
    if (kind.rfind("month_anchor_", 0) == 0) {
      const Schedule schedule = Schedule::For(start, std::stoi(kind.substr(13)), Recurrence{1, 0});
      end = schedule.PeriodContaining(start).end;
      CHECK(schedule.PeriodContaining(start).start == start);
    }
    INFO(kind << " " << row.at("time_zone") << " " << row.at("local_start_date"));
    CHECK(tally.Count(
        absl::ToUnixSeconds(StartOfDay(start, zone)) == std::stoll(row.at("start_utc_epoch")) &&
        absl::ToUnixSeconds(StartOfDay(end, zone)) == std::stoll(row.at("end_utc_epoch"))));
  }
}

}  // namespace broadbill::conformance
