#pragma once

// A deck's CSV file: one rate a row.

#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/calendar/date.h"
#include "services/rating/domain/deck.h"
#include "services/rating/domain/records.h"

namespace broadbill::rating {

// The most an amount of a rate may be, in micros: what a call costs stays far below 64 bits.
inline constexpr int64_t kRateMicrosMax = int64_t{1'000'000'000} * 1'000'000;

// Columns prefix, destination, rate_per_minute; connect_fee, first_increment, next_increment,
// minimum, maximum, valid_from, valid_to, window, step_from, step_rate_per_minute and
// step_increment where they are needed. `valid_from` is of rows without one; `windows` are the
// names that rates may hold in. Of one prefix, first day and window only one row may stand.
absl::StatusOr<Parsed<DeckRate>> ParseDeck(std::string_view text, CivilDay valid_from,
                                           const std::set<std::string>& windows);

}  // namespace broadbill::rating
