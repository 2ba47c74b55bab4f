#pragma once

// W3C Trace Context (https://www.w3.org/TR/trace-context/), version 00, carried in the metadata key
// `traceparent` and in every log line.

#include <string>
#include <string_view>

namespace broadbill::rpc {

struct Trace {
  std::string trace_id;  // 32 hex digits
  std::string span_id;   // 16 hex digits
  bool sampled = true;

  // A fresh trace.
  static Trace Make();
  // The caller's trace with a span of our own; a fresh trace when `traceparent` is not valid.
  static Trace Continue(std::string_view traceparent);
  // A child span of this one, to hand to a callee.
  Trace Child() const;
  std::string ToTraceparent() const;
};

}  // namespace broadbill::rpc
