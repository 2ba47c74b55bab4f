#include "services/invoicing/store/piece_codec.h"

#include <algorithm>

#include "libs/db/codec.h"

namespace broadbill::invoicing {
namespace {

// 3: what is sold stands with the first piece that sells it; 2: with each piece; 1: discounts
// without days and basis.
constexpr char kVersion = 4;
constexpr size_t kHeaderBytes = 1 + 8 + 4 + 8 + 4;

class Writer {
 public:
  void Int(int64_t value) { db::wire::Put<int64_t>(out, value); }
  void Wide(Int128 value) {
    Int(static_cast<int64_t>(value >> 64));
    Int(static_cast<int64_t>(value));
  }
  void Text(const std::string& text) {
    db::wire::Put<int32_t>(out, static_cast<int32_t>(text.size()));
    out += text;
  }
  void Id(const Uuid& id) { db::Codec<Uuid>::Encode(out, id); }
  void Day(CivilDay day) { db::Codec<CivilDay>::Encode(out, day); }
  std::string out;
};

class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}
  int64_t Int() { return db::wire::Get<int64_t>(Take(8)); }
  Int128 Wide() {
    const Int128 high = Int();
    return (high << 64) | static_cast<uint64_t>(Int());
  }
  std::string Text() {
    const auto size = static_cast<size_t>(db::wire::Get<int32_t>(Take(4)));
    return std::string(Take(size));
  }
  Uuid Id() { return db::Codec<Uuid>::Decode(Take(16)); }
  CivilDay Day() { return db::Codec<CivilDay>::Decode(Take(4)); }
  char Byte() {
    const std::string_view one = Take(1);
    return one.empty() ? '\0' : one[0];
  }
  int32_t Int32() { return db::wire::Get<int32_t>(Take(4)); }
  bool done() const { return in_.empty(); }
  std::string_view Take(size_t size) {
    const std::string_view out = in_.substr(0, size);
    in_.remove_prefix(std::min(size, in_.size()));
    return out;
  }

 private:
  std::string_view in_;
};

// What is left out of a piece because the piece before says it, or because it is usual.
enum Omitted : char { kSameWhat = 1, kBaseIsDays = 2, kStartsAtEnd = 4 };

// Whether two pieces differ only in days, amounts and the lines that pay: most pieces of an item
// do.
bool SameWhat(const Piece& a, const Piece& b) {
  const auto same_discount = [](const DiscountValue& x, const DiscountValue& y) {
    return x.id == y.id && x.label == y.label && x.account_code == y.account_code &&
           x.basis == y.basis;
  };
  return a.terms_key == b.terms_key && a.full == b.full && a.thirty_day == b.thirty_day &&
         a.description == b.description && a.tax_class == b.tax_class &&
         a.account_code == b.account_code && a.price == b.price && a.quantity == b.quantity &&
         a.location_id == b.location_id &&
         std::equal(a.discounts.begin(), a.discounts.end(), b.discounts.begin(), b.discounts.end(),
                    same_discount);
}

void WriteWhat(Writer& w, const Piece& piece) {
  w.Int(static_cast<int64_t>(piece.terms_key));
  w.Wide(piece.full.numerator());
  w.Int(static_cast<int64_t>(piece.full.denominator()));
  w.Int(piece.thirty_day ? 1 : 0);
  w.Text(piece.description);
  w.Text(piece.tax_class);
  w.Text(piece.account_code);
  w.Wide(piece.price.scaled());
  w.Wide(piece.quantity.scaled());
  w.Id(piece.location_id.value_or(Uuid()));
  w.Int(static_cast<int64_t>(piece.discounts.size()));
  for (const DiscountValue& discount : piece.discounts) {
    w.Id(discount.id);
    w.Text(discount.label);
    w.Text(discount.account_code);
    w.Text(discount.basis);
  }
}

void ReadWhat(Reader& r, Piece& piece) {
  piece.terms_key = static_cast<uint64_t>(r.Int());
  const Int128 numerator = r.Wide();
  const int64_t denominator = r.Int();
  piece.full = Fraction::Of(Decimal::FromScaled(numerator)) * Fraction::Of(Decimal::kScale) *
               Fraction::Ratio(1, denominator);
  piece.thirty_day = r.Int() == 1;
  piece.description = r.Text();
  piece.tax_class = r.Text();
  piece.account_code = r.Text();
  piece.price = Decimal::FromScaled(r.Wide());
  piece.quantity = Decimal::FromScaled(r.Wide());
  const Uuid location = r.Id();
  if (!location.IsNil()) piece.location_id = location;
  const int64_t discounts = r.Int();
  for (int64_t i = 0; i < discounts && !r.done(); ++i) {
    DiscountValue discount;
    discount.id = r.Id();
    discount.label = r.Text();
    discount.account_code = r.Text();
    discount.basis = r.Text();
    piece.discounts.push_back(std::move(discount));
  }
}

// Of versions 1 and 2.
std::vector<Piece> DecodeWhole(std::string_view bytes) {
  std::vector<Piece> out;
  const bool dated = bytes[0] > 1;
  Reader r(bytes.substr(1));
  while (!r.done()) {
    Piece piece;
    piece.days.start = r.Day();
    piece.days.end = r.Day();
    piece.base.start = r.Day();
    piece.base.end = r.Day();
    piece.terms_key = static_cast<uint64_t>(r.Int());
    piece.value = r.Int();
    const Int128 numerator = r.Wide();
    const int64_t denominator = r.Int();
    piece.full = Fraction::Of(Decimal::FromScaled(numerator)) * Fraction::Of(Decimal::kScale) *
                 Fraction::Ratio(1, denominator);
    piece.thirty_day = r.Int() == 1;
    piece.line_id = r.Id();
    piece.document_id = r.Id();
    piece.description = r.Text();
    piece.tax_class = r.Text();
    piece.account_code = r.Text();
    piece.price = Decimal::FromScaled(r.Wide());
    piece.quantity = Decimal::FromScaled(r.Wide());
    const Uuid location = r.Id();
    if (!location.IsNil()) piece.location_id = location;
    const int64_t discounts = r.Int();
    for (int64_t i = 0; i < discounts && !r.done(); ++i) {
      DiscountValue discount;
      discount.id = r.Id();
      discount.label = r.Text();
      discount.account_code = r.Text();
      discount.value = r.Int();
      if (dated) {
        discount.days.start = r.Day();
        discount.days.end = r.Day();
        discount.basis = r.Text();
      }
      piece.discounts.push_back(std::move(discount));
    }
    out.push_back(std::move(piece));
  }
  return out;
}

// Of version 3: what is sold stands with the first piece that sells it.
std::vector<Piece> DecodeInOrder(std::string_view bytes) {
  std::vector<Piece> out;
  Reader r(bytes.substr(1));
  while (!r.done()) {
    const char omitted = r.Byte();
    Piece piece;
    if ((omitted & kSameWhat) != 0 && !out.empty()) {
      piece = out.back();
    } else {
      ReadWhat(r, piece);
    }
    const bool follows = (omitted & kStartsAtEnd) != 0 && !out.empty();
    piece.days.start = follows ? out.back().days.end : r.Day();
    piece.days.end = r.Day();
    piece.base = piece.days;
    if ((omitted & kBaseIsDays) == 0) {
      piece.base.start = r.Day();
      piece.base.end = r.Day();
    }
    piece.value = r.Int();
    piece.line_id = r.Id();
    piece.document_id = r.Id();
    for (DiscountValue& discount : piece.discounts) {
      discount.value = r.Int();
      discount.days.start = r.Day();
      discount.days.end = r.Day();
    }
    out.push_back(std::move(piece));
  }
  return out;
}

// The place of what a piece sells among `kinds`; added when it is new.
int32_t KindOf(const Piece& piece, std::vector<Piece>& kinds) {
  for (size_t i = kinds.size(); i-- > 0;) {
    if (SameWhat(kinds[i], piece)) return static_cast<int32_t>(i);
  }
  kinds.push_back(piece);
  return static_cast<int32_t>(kinds.size()) - 1;
}

// A stretch of pieces; the first one says where it starts.
void WritePieces(Writer& w, const Piece* begin, const Piece* end, std::vector<Piece>& kinds) {
  for (const Piece* piece = begin; piece != end; ++piece) {
    const bool follows = piece != begin && piece[-1].days.end == piece->days.start;
    const bool whole = piece->base == piece->days;
    w.out += static_cast<char>((whole ? kBaseIsDays : 0) | (follows ? kStartsAtEnd : 0));
    db::wire::Put<int32_t>(w.out, KindOf(*piece, kinds));
    if (!follows) w.Day(piece->days.start);
    w.Day(piece->days.end);
    if (!whole) {
      w.Day(piece->base.start);
      w.Day(piece->base.end);
    }
    w.Int(piece->value);
    w.Id(piece->line_id);
    w.Id(piece->document_id);
    for (const DiscountValue& discount : piece->discounts) {
      w.Int(discount.value);
      w.Day(discount.days.start);
      w.Day(discount.days.end);
    }
  }
}

void ReadPieces(Reader& r, const std::vector<Piece>& kinds, std::vector<Piece>& out) {
  while (!r.done()) {
    const char omitted = r.Byte();
    const auto kind = static_cast<size_t>(r.Int32());
    if (kind >= kinds.size()) return;
    Piece piece = kinds[kind];
    const bool follows = (omitted & kStartsAtEnd) != 0 && !out.empty();
    piece.days.start = follows ? out.back().days.end : r.Day();
    piece.days.end = r.Day();
    piece.base = piece.days;
    if ((omitted & kBaseIsDays) == 0) {
      piece.base.start = r.Day();
      piece.base.end = r.Day();
    }
    piece.value = r.Int();
    piece.line_id = r.Id();
    piece.document_id = r.Id();
    for (DiscountValue& discount : piece.discounts) {
      discount.value = r.Int();
      discount.days.start = r.Day();
      discount.days.end = r.Day();
    }
    out.push_back(std::move(piece));
  }
}

// What stands before the pieces.
struct Header {
  Settled settled;
  int64_t days = 0;   // of the settled pieces
  size_t length = 0;  // of the settled pieces, bytes
  std::vector<Piece> kinds;
};

Header ReadHeader(Reader& r) {
  Header out;
  out.settled.basis = static_cast<uint64_t>(r.Int());
  out.settled.through = r.Day();
  out.days = r.Int();
  out.length = static_cast<size_t>(r.Int32());
  const int32_t kinds = r.Int32();
  for (int32_t i = 0; i < kinds && !r.done(); ++i) ReadWhat(r, out.kinds.emplace_back());
  return out;
}

}  // namespace

std::string EncodePieces(const std::vector<Piece>& pieces, const Settled& settled,
                         const Head& head) {
  const auto tail = settled.basis == 0
                        ? pieces.begin()
                        : std::find_if(pieces.begin(), pieces.end(), [&](const Piece& piece) {
                            return piece.days.start >= settled.through;
                          });
  const size_t count = static_cast<size_t>(tail - pieces.begin());
  std::vector<Piece> kinds = head.kinds;
  Writer settling, after;
  WritePieces(settling, pieces.data(), pieces.data() + count, kinds);
  WritePieces(after, pieces.data() + count, pieces.data() + pieces.size(), kinds);
  int64_t days = head.days;
  for (size_t i = 0; i < count; ++i) days += pieces[i].days.days();
  Writer w;
  w.out += kVersion;
  w.Int(static_cast<int64_t>(settled.basis));
  w.Day(settled.basis == 0 ? CivilDay(1970, 1, 1) : settled.through);
  w.Int(days);
  db::wire::Put<int32_t>(w.out, static_cast<int32_t>(head.bytes.size() + settling.out.size()));
  db::wire::Put<int32_t>(w.out, static_cast<int32_t>(kinds.size()));
  for (const Piece& kind : kinds) WriteWhat(w, kind);
  w.out += head.bytes;
  w.out += settling.out;
  w.out += after.out;
  return std::move(w.out);
}

bool IsReadable(std::string_view bytes) {
  return !bytes.empty() && bytes[0] >= 1 && bytes[0] <= kVersion;
}

Settled SettledOf(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes || bytes[0] != kVersion) return {};
  Reader r(bytes.substr(1));
  Settled out;
  out.basis = static_cast<uint64_t>(r.Int());
  out.through = r.Day();
  return out;
}

std::vector<Piece> DecodePieces(std::string_view bytes) {
  if (!IsReadable(bytes)) return {};
  if (bytes[0] < 3) return DecodeWhole(bytes);
  if (bytes[0] == 3) return DecodeInOrder(bytes);
  Reader r(bytes.substr(1));
  const Header header = ReadHeader(r);
  std::vector<Piece> out;
  Reader settled(r.Take(header.length));
  ReadPieces(settled, header.kinds, out);
  ReadPieces(r, header.kinds, out);
  return out;
}

Encoded DecodeTail(std::string_view bytes) {
  if (bytes.empty() || bytes[0] != kVersion) return {{}, {}, DecodePieces(bytes)};
  Reader r(bytes.substr(1));
  Header header = ReadHeader(r);
  Encoded out;
  out.settled = header.settled;
  out.head.bytes = std::string(r.Take(header.length));
  out.head.days = header.days;
  ReadPieces(r, header.kinds, out.pieces);
  out.head.kinds = std::move(header.kinds);
  return out;
}

}  // namespace broadbill::invoicing
