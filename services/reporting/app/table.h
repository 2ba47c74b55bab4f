#pragma once

#include <google/protobuf/message.h>

#include <string>

namespace broadbill::reporting {

// Rows of a report, as a table whose columns are the row's fields: dates "2026-03-31", amounts and
// rates with a point, "true" and "false", exempt amounts as "ITFA 79.99; resale 5.00". A row that
// names its currency only inside its amounts gets a column currency_code at the end. RFC 4180.
template <class Rows>
std::string ToCsv(const Rows& rows);

// The pieces of ToCsv.
std::string CsvHeader(const google::protobuf::Descriptor* row);
void AppendCsvRow(const google::protobuf::Message& row, std::string& out);

template <class Rows>
std::string ToCsv(const Rows& rows) {
  std::string out = CsvHeader(Rows::value_type::descriptor());
  for (const auto& row : rows) AppendCsvRow(row, out);
  return out;
}

}  // namespace broadbill::reporting
