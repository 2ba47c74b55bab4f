#pragma once

// RETURN_IF_ERROR(expr): returns the status of `expr` from the enclosing function unless OK.
// ASSIGN_OR_RETURN(lhs, expr): lhs = value of the StatusOr, or returns its status.

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define BROADBILL_CONCAT_INNER(a, b) a##b
#define BROADBILL_CONCAT(a, b) BROADBILL_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expr) \
  BROADBILL_RETURN_IF_ERROR(BROADBILL_CONCAT(bb_status_, __COUNTER__), expr)

#define BROADBILL_RETURN_IF_ERROR(var, expr)    \
  do {                                          \
    if (absl::Status var = (expr); !var.ok()) { \
      return var;                               \
    }                                           \
  } while (false)

#define ASSIGN_OR_RETURN(lhs, expr) \
  BROADBILL_ASSIGN_OR_RETURN(BROADBILL_CONCAT(bb_statusor_, __COUNTER__), lhs, expr)

#define BROADBILL_ASSIGN_OR_RETURN(var, lhs, expr) \
  auto var = (expr);                               \
  if (!var.ok()) return std::move(var).status();   \
  lhs = *std::move(var)
