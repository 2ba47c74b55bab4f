#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/trace.h"

namespace broadbill::rpc {

// What a handler knows about its call. Copyable; hand it on to Channel::Call so that deadline and
// trace reach the callee.
struct Context {
  Principal principal;
  Trace trace = Trace::Make();
  std::string method;                            // "broadbill.tax.v1.Tax/BatchCalculate"
  absl::Time deadline = absl::InfiniteFuture();  // machine clock
  std::shared_ptr<std::atomic<bool>> cancelled;  // may be null

  bool IsCancelled() const { return cancelled != nullptr && cancelled->load(); }
};

// A context for work that no caller asked for (background tasks, tests, tools).
Context BackgroundContext(std::string_view service);

}  // namespace broadbill::rpc
