#include "services/rating/app/events.h"

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/convert/convert.h"
#include "libs/money/decimal.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

// A name that an index can hold. NUL is UTF-8 that the database has no text for.
void CheckName(const std::string& name, const std::string& field, Violations& violations) {
  if (!violations.Require(!name.empty(), field, "is required")) return;
  violations.Require(name.size() <= kNameBytesMax, field, "must have at most 200 bytes");
  violations.Require(csv::IsText(name), field, "must be text without NUL");
}

}  // namespace

UsageEventRecord ReadEvent(const broadbill::rating::v1::UsageEvent& event, int index,
                           const std::string& at, Violations& violations) {
  CheckName(event.id(), at + "id", violations);
  CheckName(event.source(), at + "source", violations);
  CheckName(event.subject(), at + "subject", violations);
  const absl::Time time = convert::FromProto(event.time());
  if (violations.Require(event.has_time(), at + "time", "is required")) {
    violations.Require(IsRecordTime(time), at + "time", "must lie between 1970 and 9999");
  }
  const std::string type = event.type().empty() ? "data" : event.type();
  violations.Require(type == "data" || type == "data.in" || type == "data.out", at + "type",
                     "must be data, data.in or data.out");
  const Decimal quantity = convert::ReadDecimal(event.quantity(), at + "quantity", violations);
  const Int128 octets = quantity.scaled() / Decimal::kScale;
  const bool whole = !quantity.IsNegative() && quantity.scaled() % Decimal::kScale == 0 &&
                     octets <= std::numeric_limits<int64_t>::max();
  violations.Require(whole, at + "quantity", "must be a whole number of bytes below 2^63");
  return {event.id(), event.source(), event.subject(),
          time,       type,           whole ? static_cast<int64_t>(octets) : 0,
          index};
}

absl::StatusOr<std::vector<UsageEventRecord>> ReadEvents(
    const broadbill::rating::v1::IngestEventsRequest& request) {
  Violations violations;
  std::vector<UsageEventRecord> out;
  if (request.events_size() > kEventsMax) {
    return InvalidField("events", absl::StrCat("must be at most ", kEventsMax));
  }
  for (int i = 0; i < request.events_size(); ++i) {
    out.push_back(ReadEvent(request.events(i), i, absl::StrCat("events[", i, "]."), violations));
  }
  RETURN_IF_ERROR(violations.ToStatus());
  return out;
}

}  // namespace broadbill::rating
