#include "libs/rpc/trace.h"

#include <algorithm>
#include <random>

#include "absl/strings/str_format.h"

namespace broadbill::rpc {
namespace {

std::string RandomHex16() {
  thread_local std::mt19937_64 engine{std::random_device{}()};
  uint64_t value = 0;
  while (value == 0) value = engine();
  return absl::StrFormat("%016x", value);
}

bool IsLowerHex(std::string_view text) {
  const bool digits = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  return digits && text.find_first_not_of('0') != std::string_view::npos;
}

}  // namespace

Trace Trace::Make() {
  return {.trace_id = RandomHex16() + RandomHex16(), .span_id = RandomHex16(), .sampled = true};
}

Trace Trace::Continue(std::string_view header) {
  const bool shaped = header.size() == 55 && header.substr(0, 3) == "00-" && header[35] == '-' &&
                      header[52] == '-' && IsLowerHex(header.substr(3, 32)) &&
                      IsLowerHex(header.substr(36, 16));
  if (!shaped) return Make();
  return {.trace_id = std::string(header.substr(3, 32)),
          .span_id = RandomHex16(),
          .sampled = header[54] % 2 == '1' % 2};
}

Trace Trace::Child() const {
  return {.trace_id = trace_id, .span_id = RandomHex16(), .sampled = sampled};
}

std::string Trace::ToTraceparent() const {
  return "00-" + trace_id + "-" + span_id + (sampled ? "-01" : "-00");
}

}  // namespace broadbill::rpc
