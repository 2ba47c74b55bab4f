#pragma once

// The pieces of an item as bytes: what is sold once each, then per piece its days, amounts, line
// and document. The settled ones stand first and need not be read to write those after them.

#include <string>
#include <string_view>
#include <vector>

#include "services/invoicing/domain/bill.h"

namespace broadbill::invoicing {

// The settled pieces as they are stored, not decoded.
struct Head {
  std::vector<Piece> kinds;  // what is sold, named by its place here; days and amounts unset
  std::string bytes;
  int64_t days = 0;
};

struct Encoded {
  Settled settled;
  Head head;                  // empty when nothing is settled
  std::vector<Piece> pieces;  // those after it
};

// `pieces` stand behind `head`; those that begin before `settled.through` are settled from now on.
std::string EncodePieces(const std::vector<Piece>& pieces, const Settled& settled = {},
                         const Head& head = {});
// All pieces.
std::vector<Piece> DecodePieces(std::string_view bytes);
// The pieces from the settled day on.
Encoded DecodeTail(std::string_view bytes);
// Where the settled pieces end, without decoding any.
Settled SettledOf(std::string_view bytes);
// Whether this program can read it.
bool IsReadable(std::string_view bytes);

}  // namespace broadbill::invoicing
