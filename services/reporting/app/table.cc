#include "services/reporting/app/table.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "broadbill/common/v1/decimal.pb.h"
#include "broadbill/reporting/v1/invoices.pb.h"
#include "google/type/date.pb.h"
#include "google/type/money.pb.h"
#include "libs/calendar/date.h"
#include "libs/csv/writer.h"
#include "libs/money/money.h"
#include "libs/status/error.h"

namespace broadbill::reporting {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr char kCurrency[] = "currency_code";

bool HoldsMoney(const FieldDescriptor* field) {
  return field->message_type() == google::type::Money::descriptor();
}

bool NamesCurrency(const Descriptor* row) { return row->FindFieldByName(kCurrency) != nullptr; }

std::string AmountText(const google::type::Money& money) {
  const auto exponent = CurrencyExponent(money.currency_code());
  if (!exponent.ok()) return "";
  const auto minor = FromUnitsNanos(money.units(), money.nanos(), *exponent);
  return minor.ok() ? FormatMinor(*minor, *exponent) : "";
}

std::string MessageText(const Message& value) {
  const Descriptor* type = value.GetDescriptor();
  if (type == google::type::Money::descriptor()) {
    return AmountText(static_cast<const google::type::Money&>(value));
  }
  if (type == google::type::Date::descriptor()) {
    const auto& date = static_cast<const google::type::Date&>(value);
    return FormatDate(CivilDay(date.year(), date.month(), date.day()));
  }
  if (type == broadbill::common::v1::Decimal::descriptor()) {
    return static_cast<const broadbill::common::v1::Decimal&>(value).value();
  }
  if (type == broadbill::reporting::v1::ExemptReasonRow::descriptor()) {
    const auto& row = static_cast<const broadbill::reporting::v1::ExemptReasonRow&>(value);
    return absl::StrCat(row.reason(), " ", AmountText(row.amount()));
  }
  return value.ShortDebugString();
}

std::string FieldText(const Message& row, const FieldDescriptor* field) {
  const auto* reflection = row.GetReflection();
  if (field->is_repeated()) {
    std::string out;
    for (int i = 0; i < reflection->FieldSize(row, field); ++i) {
      absl::StrAppend(&out, i == 0 ? "" : "; ",
                      MessageText(reflection->GetRepeatedMessage(row, field, i)));
    }
    return out;
  }
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection->GetString(row, field);
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(reflection->GetInt64(row, field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetBool(row, field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return reflection->HasField(row, field) ? MessageText(reflection->GetMessage(row, field))
                                              : "";
    default:
      return "";
  }
}

// The currency of the row's amounts.
std::string CurrencyOf(const Message& row) {
  const Descriptor* type = row.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    if (!HoldsMoney(type->field(i)) || type->field(i)->is_repeated()) continue;
    const Message& money = row.GetReflection()->GetMessage(row, type->field(i));
    return static_cast<const google::type::Money&>(money).currency_code();
  }
  return "";
}

}  // namespace

std::string CsvHeader(const Descriptor* row) {
  std::vector<std::string> names;
  for (int i = 0; i < row->field_count(); ++i) names.push_back(row->field(i)->name());
  if (!NamesCurrency(row)) names.push_back(kCurrency);
  std::string out;
  csv::AppendRow(names, out);
  return out;
}

void AppendCsvRow(const Message& row, std::string& out) {
  const Descriptor* type = row.GetDescriptor();
  std::vector<std::string> fields;
  for (int i = 0; i < type->field_count(); ++i) fields.push_back(FieldText(row, type->field(i)));
  if (!NamesCurrency(type)) fields.push_back(CurrencyOf(row));
  csv::AppendRow(fields, out);
}

}  // namespace broadbill::reporting
