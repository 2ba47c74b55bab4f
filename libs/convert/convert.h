#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "broadbill/common/v1/date_interval.pb.h"
#include "broadbill/common/v1/decimal.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/type/date.pb.h"
#include "google/type/money.pb.h"
#include "libs/calendar/date.h"
#include "libs/ids/uuid.h"
#include "libs/money/decimal.h"
#include "libs/status/error.h"

namespace broadbill::convert {

google::type::Date ToProto(CivilDay day);
google::protobuf::Timestamp ToProto(absl::Time at);
broadbill::common::v1::Decimal ToProto(const Decimal& value);
broadbill::common::v1::DateInterval ToProto(const DateInterval& interval);
// `currency` must be a known code.
google::type::Money ToMoney(int64_t minor, const std::string& currency);

// An unset date (0-0-0).
bool IsUnset(const google::type::Date& date);
absl::Time FromProto(const google::protobuf::Timestamp& at);

// Each reads a field; what is wrong is added to `violations` under `field` and a default returned.
CivilDay ReadDate(const google::type::Date& date, std::string_view field, Violations& violations);
std::optional<CivilDay> ReadOptionalDate(const google::type::Date& date, std::string_view field,
                                         Violations& violations);
Decimal ReadDecimal(const broadbill::common::v1::Decimal& value, std::string_view field,
                    Violations& violations);
int64_t ReadMoney(const google::type::Money& money, const std::string& currency,
                  std::string_view field, Violations& violations);
Uuid ReadId(std::string_view prefix, const std::string& text, std::string_view field,
            Violations& violations);
std::optional<Uuid> ReadOptionalId(std::string_view prefix, const std::string& text,
                                   std::string_view field, Violations& violations);

// Page sizes: 0 → 50, more than `max` → max, negative → a violation.
int32_t ReadPageSize(int32_t page_size, int32_t max, Violations& violations);
// Opaque page tokens around the last key of a page.
std::string MakePageToken(const std::string& key);
absl::StatusOr<std::string> ReadPageToken(const std::string& token);

}  // namespace broadbill::convert
