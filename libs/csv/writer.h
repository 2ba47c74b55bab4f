#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace broadbill::csv {

// Appends a row as RFC 4180 wants it: fields with a comma, a quote or a line break (or a blank at
// an end, which readers trim) stand in quotes, quotes inside are doubled, the line ends with CRLF.
void AppendRow(const std::vector<std::string>& fields, std::string& out);

}  // namespace broadbill::csv
