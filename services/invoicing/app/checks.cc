#include "services/invoicing/app/checks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/money/money.h"
#include "services/invoicing/domain/forecast.h"

namespace broadbill::invoicing {
namespace {

constexpr size_t kUsagePeriods = 3;  // whose average counts

// What usage of a period came to on average, without the periods billed now.
int64_t AverageUsage(const AccountWork& one) {
  std::vector<int64_t> sums;
  for (const auto& [start, billed] : one.used) {
    const bool now = std::any_of(one.usage.begin(), one.usage.end(),
                                 [&](const Line& line) { return line.days.start == start; });
    if (!now) sums.push_back(billed);
  }
  return AverageOfLast(sums, kUsagePeriods);
}

std::string DaysText(const DateSet& days) {
  std::string out;
  for (const DateInterval& interval : days.intervals()) {
    absl::StrAppend(&out, out.empty() ? "" : ", ", FormatDate(interval.start), " to ",
                    FormatDate(interval.end - 1));
  }
  return out;
}

}  // namespace

void CheckForecast(const DraftContext& context, AccountWork& one) {
  if (!one.draft.document.has_value()) return;
  int64_t recurring = 0;
  for (const Part& part : one.parts) {
    const auto sum = RecurringForecast(part.items, part.terms, context.as_of);
    if (!sum.ok()) return;  // what cannot be computed is reported already
    recurring += *sum;
  }
  const int64_t usage = AverageUsage(one);
  const int64_t forecast = recurring + usage;
  int64_t net = one.draft.document->net;
  int64_t total = one.draft.document->total;
  if (one.note.has_value()) {
    net += one.note->document->net;
    total += one.note->document->total;
  }
  const auto money = [&](int64_t minor) { return FormatMinor(minor, one.exponent); };
  const std::string expected =
      absl::StrCat("the forecast of ", money(forecast), " (recurring ", money(recurring),
                   ", average usage ", money(usage), ")");
  const auto add = [&](pb::RunException::Reason reason, std::string message) {
    one.draft.problems.push_back({reason, std::move(message), forecast});
  };
  if (total < 0 && forecast >= 0) {
    add(pb::RunException::NEGATIVE_TOTAL,
        absl::StrCat("the total of ", money(total), " is negative, not so ", expected));
  } else if (total == 0 && forecast != 0) {
    add(pb::RunException::ZERO_TOTAL, absl::StrCat("the total is 0, not so ", expected));
  } else if ((forecast != 0 || !one.recurring.empty() || !one.usage.empty()) &&
             IsOff(net, forecast, *context.tolerance)) {
    add(pb::RunException::OFF_FORECAST,
        absl::StrCat("the net of ", money(net), " is more than ", context.tolerance->ToString(),
                     " % off ", expected));
  }
  if (!one.late.empty()) {
    add(pb::RunException::COVERAGE_GAP,
        absl::StrCat("days were not billed although later ones were: ", DaysText(one.late)));
  }
}

}  // namespace broadbill::invoicing
