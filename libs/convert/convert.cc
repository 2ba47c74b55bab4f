#include "libs/convert/convert.h"

#include "absl/strings/escaping.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"

namespace broadbill::convert {

google::type::Date ToProto(CivilDay day) {
  google::type::Date out;
  out.set_year(static_cast<int32_t>(day.year()));
  out.set_month(day.month());
  out.set_day(day.day());
  return out;
}

google::protobuf::Timestamp ToProto(absl::Time at) {
  google::protobuf::Timestamp out;
  const int64_t micros = absl::ToUnixMicros(at);
  int64_t seconds = micros / 1000000;
  int64_t rest = micros % 1000000;
  if (rest < 0) {
    rest += 1000000;
    --seconds;
  }
  out.set_seconds(seconds);
  out.set_nanos(static_cast<int32_t>(rest * 1000));
  return out;
}

broadbill::common::v1::Decimal ToProto(const Decimal& value) {
  broadbill::common::v1::Decimal out;
  out.set_value(value.ToString());
  return out;
}

broadbill::common::v1::DateInterval ToProto(const DateInterval& interval) {
  broadbill::common::v1::DateInterval out;
  *out.mutable_start_date() = ToProto(interval.start);
  if (interval.end != CivilDay::max()) *out.mutable_end_date() = ToProto(interval.end);
  return out;
}

google::type::Money ToMoney(int64_t minor, const std::string& currency) {
  google::type::Money out;
  const auto exponent = CurrencyExponent(currency);
  const auto [units, nanos] = ToUnitsNanos(minor, exponent.ok() ? *exponent : 2);
  out.set_currency_code(currency);
  out.set_units(units);
  out.set_nanos(nanos);
  return out;
}

bool IsUnset(const google::type::Date& date) {
  return date.year() == 0 && date.month() == 0 && date.day() == 0;
}

absl::Time FromProto(const google::protobuf::Timestamp& at) {
  return absl::FromUnixSeconds(at.seconds()) + absl::Nanoseconds(at.nanos());
}

CivilDay ReadDate(const google::type::Date& date, std::string_view field, Violations& violations) {
  const CivilDay day(date.year(), date.month(), date.day());
  const bool real = date.year() >= 1900 && date.year() <= 9999 && day.year() == date.year() &&
                    day.month() == date.month() && day.day() == date.day();
  violations.Require(real, field, IsUnset(date) ? "is required" : "is not a date");
  return real ? day : CivilDay();
}

std::optional<CivilDay> ReadOptionalDate(const google::type::Date& date, std::string_view field,
                                         Violations& violations) {
  if (IsUnset(date)) return std::nullopt;
  return ReadDate(date, field, violations);
}

Decimal ReadDecimal(const broadbill::common::v1::Decimal& value, std::string_view field,
                    Violations& violations) {
  const auto parsed = Decimal::Parse(value.value());
  if (parsed.ok()) return *parsed;
  violations.Check(parsed.status(), field);
  return Decimal();
}

int64_t ReadMoney(const google::type::Money& money, const std::string& currency,
                  std::string_view field, Violations& violations) {
  const auto exponent = CurrencyExponent(currency);
  if (!violations.Check(exponent.status(), field)) return 0;
  if (!money.currency_code().empty() && money.currency_code() != currency) {
    violations.Add(field, "must be in " + currency + ", was in " + money.currency_code());
    return 0;
  }
  const auto minor = FromUnitsNanos(money.units(), money.nanos(), *exponent);
  if (!violations.Check(minor.status(), field)) return 0;
  return *minor;
}

Uuid ReadId(std::string_view prefix, const std::string& text, std::string_view field,
            Violations& violations) {
  const auto id = Uuid::Parse(prefix, text);
  if (id.ok()) return *id;
  violations.Add(field, text.empty() ? "is required" : StdView(id.status().message()));
  return Uuid();
}

std::optional<Uuid> ReadOptionalId(std::string_view prefix, const std::string& text,
                                   std::string_view field, Violations& violations) {
  if (text.empty()) return std::nullopt;
  return ReadId(prefix, text, field, violations);
}

int32_t ReadPageSize(int32_t page_size, int32_t max, Violations& violations) {
  violations.Require(page_size >= 0, "page_size", "must not be negative");
  if (page_size == 0) return std::min(50, max);
  return std::min(page_size, max);
}

std::string MakePageToken(const std::string& key) {
  return key.empty() ? "" : absl::WebSafeBase64Escape("1" + key);
}

absl::StatusOr<std::string> ReadPageToken(const std::string& token) {
  if (token.empty()) return std::string();
  std::string key;
  if (!absl::WebSafeBase64Unescape(token, &key) || key.empty() || key[0] != '1') {
    return InvalidField("page_token", "is not a token this method gave");
  }
  return key.substr(1);
}

}  // namespace broadbill::convert
