#pragma once

// Lines out of the difference between what is covered and what should be.

#include <vector>

#include "services/invoicing/domain/pieces.h"

namespace broadbill::invoicing {

// Adds to `out` the lines that turn `before` into `now`, pieces of one base and of equal terms, and
// the pieces that are there afterwards. Each new piece belongs to the line that charged its days,
// so that a later credit names that line.
absl::Status Differ(const Item& item, int exponent, const std::vector<Piece>& before,
                    const std::vector<Piece>& now, ItemBill& out);

// The same days at the same value, however they are cut.
bool SameValue(const std::vector<Piece>& a, const std::vector<Piece>& b);

// The part of a piece on some of its days.
absl::StatusOr<Piece> PartOf(const Piece& piece, const DateInterval& days);

}  // namespace broadbill::invoicing
