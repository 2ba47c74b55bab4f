#include "tests/scenarios/runner/voice.h"

#include <algorithm>
#include <vector>

#include "broadbill/rating/v1/call_limits.pb.h"
#include "broadbill/rating/v1/call_margins.pb.h"
#include "libs/convert/convert.h"

namespace broadbill::scenarios {
namespace {

namespace rating = broadbill::rating::v1;

absl::StatusOr<std::string> AccountId(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
  const auto found = world.accounts.find(name);
  if (found != world.accounts.end()) return found->second;
  return InvalidArgumentError("SYNTAX", "no account '" + name + "'");
}

absl::StatusOr<rating::ListCallAlarmsResponse> AlarmsOf(World& world, const std::string& account,
                                                        bool open_only) {
  rating::ListCallAlarmsRequest request;
  request.set_account_id(account);
  request.set_open_only(open_only);
  return world.Call<rating::ListCallAlarmsResponse>("broadbill.rating.v1.Rating/ListCallAlarms",
                                                    request);
}

const char* Name(rating::CallAlarm::Kind kind) {
  return kind == rating::CallAlarm::HOURLY_SPEND  ? "hour"
         : kind == rating::CallAlarm::DAILY_SPEND ? "day"
                                                  : "calls";
}

}  // namespace

absl::Status SetCallLimits(World& world, Reader& r) {
  rating::SetCallLimitsRequest request;
  rating::CallLimits* limits = request.mutable_limits();
  if (!r.Take("all")) {
    ASSIGN_OR_RETURN(*limits->mutable_account_id(), AccountId(world, r));
  }
  while (!r.done()) {
    ASSIGN_OR_RETURN(const std::string what, r.Next("hour, day, calls or abroad"));
    if (what == "abroad") {
      limits->set_international_only(true);
      continue;
    }
    ASSIGN_OR_RETURN(const std::string value, r.Next("the limit"));
    if (what == "hour") {
      limits->mutable_hourly_spend()->set_value(value);
    } else if (what == "day") {
      limits->mutable_daily_spend()->set_value(value);
    } else if (what == "calls") {
      limits->set_hourly_calls(std::atoll(value.c_str()));
    } else {
      return InvalidArgumentError("SYNTAX", "unknown word '" + what + "'");
    }
  }
  return world.Call<rating::CallLimits>("broadbill.rating.v1.Rating/SetCallLimits", request)
      .status();
}

absl::Status AcknowledgeAlarms(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const std::string account, AccountId(world, r));
  ASSIGN_OR_RETURN(const std::string note, r.Next("a note"));
  ASSIGN_OR_RETURN(const auto open, AlarmsOf(world, account, true));
  for (const rating::CallAlarm& alarm : open.alarms()) {
    rating::AcknowledgeCallAlarmRequest request;
    request.set_alarm_id(alarm.alarm_id());
    request.set_note(note);
    ASSIGN_OR_RETURN(
        const auto answer,
        world.Call<rating::CallAlarm>("broadbill.rating.v1.Rating/AcknowledgeCallAlarm", request));
    if (answer.note() != note || !answer.has_acknowledged_time()) {
      return InternalError("ALARM", "the note was not kept: " + answer.ShortDebugString());
    }
  }
  return absl::OkStatus();
}

// expect alarms ACCOUNT [open] none | KIND CALLS SPEND…, in order of time
absl::StatusOr<std::string> ExpectAlarms(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const std::string account, AccountId(world, r));
  const bool open_only = r.Take("open");
  ASSIGN_OR_RETURN(const auto response, AlarmsOf(world, account, open_only));
  std::vector<std::pair<std::pair<int64_t, std::string>, std::string>> found;
  for (const rating::CallAlarm& alarm : response.alarms()) {
    const std::string kind = Name(alarm.kind());
    found.push_back({{alarm.exceeded_time().seconds(), kind},
                     absl::StrCat(kind, " ", alarm.call_count(), " ", alarm.spend().value())});
  }
  std::sort(found.begin(), found.end());
  std::string was;
  for (const auto& [at, text] : found) absl::StrAppend(&was, was.empty() ? "" : " ", text);
  std::string expected;
  while (!r.done()) {
    ASSIGN_OR_RETURN(const std::string word, r.Next("an alarm"));
    absl::StrAppend(&expected, expected.empty() ? "" : " ", word);
  }
  if (was.empty()) was = "none";
  return was == expected ? "" : "expected " + expected + ", was " + was;
}

// expect margin INTERVAL GROUP [by deck|account] [calls N] [revenue A] [cost A] [margin A]
// [without N]
absl::StatusOr<std::string> ExpectMargin(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const std::string interval, r.Next("an interval"));
  ASSIGN_OR_RETURN(std::string group, r.Next("a group"));
  const size_t dots = interval.find("..");
  ASSIGN_OR_RETURN(const CivilDay start, ParseDate(interval.substr(0, dots)));
  ASSIGN_OR_RETURN(const CivilDay end,
                   ParseDate(dots == std::string::npos ? "" : interval.substr(dots + 2)));
  rating::ListMarginsRequest request;
  *request.mutable_start_time() = convert::ToProto(absl::FromCivil(start, absl::UTCTimeZone()));
  *request.mutable_end_time() = convert::ToProto(absl::FromCivil(end, absl::UTCTimeZone()));
  if (r.Take("by")) {
    const bool deck = r.Take("deck");
    if (!deck && !r.Take("account")) return InvalidArgumentError("SYNTAX", "by deck or account");
    request.set_group_by(deck ? rating::ListMarginsRequest::DECK
                              : rating::ListMarginsRequest::ACCOUNT);
    if (!deck && world.accounts.count(group) > 0) group = world.accounts.at(group);
  }
  ASSIGN_OR_RETURN(const auto response, world.Call<rating::ListMarginsResponse>(
                                            "broadbill.rating.v1.Rating/ListMargins", request));
  rating::Margin found;
  for (const rating::Margin& one : response.margins()) {
    if (one.group() == group) found = one;
  }
  std::string out;
  while (!r.done()) {
    ASSIGN_OR_RETURN(const std::string what, r.Next("what"));
    ASSIGN_OR_RETURN(const std::string value, r.Next("its value"));
    const std::string was = what == "calls"     ? absl::StrCat(found.call_count())
                            : what == "without" ? absl::StrCat(found.without_supplier_rate())
                            : what == "revenue" ? found.revenue().value()
                            : what == "cost"    ? found.supplier_cost().value()
                            : what == "margin"  ? found.margin().value()
                                                : "an unknown word";
    if (was == value) continue;
    absl::StrAppend(&out, out.empty() ? "" : "; ", what, ": expected ", value, ", was ", was);
  }
  return out;
}

}  // namespace broadbill::scenarios
