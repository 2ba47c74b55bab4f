#include "services/invoicing/store/piece_codec.h"

#include <catch2/catch.hpp>

namespace broadbill::invoicing {
namespace {

Uuid Id(int n) {
  Uuid out;
  out.bytes[15] = static_cast<uint8_t>(n);
  return out;
}

// A piece a month; every third sells something else, some have discounts or lie inside their base.
std::vector<Piece> Months(int count) {
  std::vector<Piece> out;
  for (int i = 0; i < count; ++i) {
    Piece piece;
    piece.base = {CivilDay(2026, 1 + i, 1), CivilDay(2026, 2 + i, 1)};
    piece.days = piece.base;
    if (i % 4 == 1) piece.days.end = piece.days.end - 3;
    piece.terms_key = i % 3 == 2 ? 7 : 5;
    piece.value = 4999 + i;
    piece.full = Fraction::Ratio(4999, 1 + i % 3);
    piece.description = i % 3 == 2 ? "Fibre 500" : "Fibre 100";
    piece.tax_class = "internet";
    piece.price = Decimal::FromInt(50 + i % 3);
    piece.quantity = Decimal::FromInt(1);
    piece.line_id = Id(i + 1);
    piece.document_id = Id(i + 101);
    if (i % 5 == 0) {
      piece.discounts.push_back({Id(90), "Winter", "4100", 100 + i, piece.days, "50 × 2 %"});
      piece.location_id = Id(80);
    }
    out.push_back(std::move(piece));
  }
  return out;
}

TEST_CASE("pieces come back as they were, settled or not") {
  const std::vector<Piece> pieces = Months(12);
  REQUIRE(DecodePieces(EncodePieces(pieces)) == pieces);
  REQUIRE(DecodePieces(EncodePieces({})).empty());
  for (int month = 1; month <= 12; ++month) {
    const Settled settled{42, CivilDay(2026, month, 1)};
    const std::string bytes = EncodePieces(pieces, settled);
    CAPTURE(month);
    REQUIRE(DecodePieces(bytes) == pieces);
    REQUIRE(SettledOf(bytes).basis == 42);
    REQUIRE(SettledOf(bytes).through == settled.through);
    const Encoded tail = DecodeTail(bytes);
    REQUIRE(tail.pieces == std::vector<Piece>(pieces.begin() + month - 1, pieces.end()));
    int64_t days = 0;
    for (int i = 0; i < month - 1; ++i) days += pieces[static_cast<size_t>(i)].days.days();
    REQUIRE(tail.head.days == days);
  }
}

TEST_CASE("settled pieces are kept month by month without reading them") {
  const std::vector<Piece> pieces = Months(12);
  std::string bytes = EncodePieces({pieces[0]}, {1, CivilDay(2026, 1, 1)});
  for (int i = 1; i < 12; ++i) {
    Encoded state = DecodeTail(bytes);
    REQUIRE(state.pieces.size() == 1);
    state.pieces.push_back(pieces[static_cast<size_t>(i)]);
    bytes = EncodePieces(state.pieces, {1, CivilDay(2026, 1 + i, 1)}, state.head);
    REQUIRE(DecodePieces(bytes) == std::vector<Piece>(pieces.begin(), pieces.begin() + i + 1));
  }
  // One change at the end looks at the last month only, and everything is still there.
  Encoded state = DecodeTail(bytes);
  state.pieces.back().value = 1;
  const std::vector<Piece> after = DecodePieces(EncodePieces(state.pieces, {}, state.head));
  REQUIRE(after.size() == 12);
  REQUIRE(after.back().value == 1);
  REQUIRE(after.front() == pieces.front());
}

TEST_CASE("what another version wrote is not read as nothing") {
  REQUIRE_FALSE(IsReadable(""));
  REQUIRE_FALSE(IsReadable(std::string_view("\0", 1)));
  REQUIRE_FALSE(IsReadable("\x7f"));
  REQUIRE(IsReadable(EncodePieces({})));
}

}  // namespace
}  // namespace broadbill::invoicing
