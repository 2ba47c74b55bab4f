#include "services/invoicing/store/coverage.h"

#include <algorithm>

#include "libs/db/codec.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/invoicing/store/rows.h"

namespace broadbill::invoicing {
namespace {

constexpr char kVersion = 3;  // 2: all of each piece; 1: discounts without days and basis

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
  bool done() const { return in_.empty(); }

 private:
  std::string_view Take(size_t size) {
    const std::string_view out = in_.substr(0, size);
    in_.remove_prefix(std::min(size, in_.size()));
    return out;
  }
  std::string_view in_;
};

}  // namespace

namespace {

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

}  // namespace

namespace {

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

// What is left out of a piece because the piece before says it.
enum Omitted : char { kSameWhat = 1, kBaseIsDays = 2, kStartsAtEnd = 4 };

}  // namespace

// Version byte; per piece a byte of what is omitted, what is sold, then the piece's own: days,
// base, amounts, line and document.
std::string EncodePieces(const std::vector<Piece>& pieces) {
  Writer w;
  w.out += kVersion;
  const Piece* before = nullptr;
  for (const Piece& piece : pieces) {
    const bool same = before != nullptr && SameWhat(*before, piece);
    const bool follows = before != nullptr && before->days.end == piece.days.start;
    const bool whole = piece.base == piece.days;
    w.out += static_cast<char>((same ? kSameWhat : 0) | (whole ? kBaseIsDays : 0) |
                               (follows ? kStartsAtEnd : 0));
    if (!same) WriteWhat(w, piece);
    if (!follows) w.Day(piece.days.start);
    w.Day(piece.days.end);
    if (!whole) {
      w.Day(piece.base.start);
      w.Day(piece.base.end);
    }
    w.Int(piece.value);
    w.Id(piece.line_id);
    w.Id(piece.document_id);
    for (const DiscountValue& discount : piece.discounts) {
      w.Int(discount.value);
      w.Day(discount.days.start);
      w.Day(discount.days.end);
    }
    before = &piece;
  }
  return w.out;
}

std::vector<Piece> DecodePieces(std::string_view bytes) {
  std::vector<Piece> out;
  if (bytes.empty() || bytes[0] < 1 || bytes[0] > kVersion) return out;
  if (bytes[0] < kVersion) return DecodeWhole(bytes);
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

absl::StatusOr<CoverageMap> LoadCoverage(db::Tx& tx, const std::vector<Uuid>& account_ids) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec("SELECT item_id, version, pieces, account_id, covered_days FROM item_coverage "
              "WHERE account_id = ANY($1)",
              account_ids));
  CoverageMap out;
  for (int i = 0; i < rows.size(); ++i) {
    Coverage one{rows.Get<int64_t>(i, 1), DecodePieces(rows.Raw(i, 2)), rows.Get<Uuid>(i, 3), true};
    const std::string_view bytes = rows.Raw(i, 2);
    // Read as nothing covered, what another version wrote would be billed again.
    one.sound = !bytes.empty() && bytes[0] >= 1 && bytes[0] <= kVersion;
    int64_t days = 0;
    CivilDay end = CivilDay::min();
    for (const Piece& piece : one.pieces) {
      days += piece.days.days();
      one.sound = one.sound && piece.days.start >= end;
      end = piece.days.end;
    }
    one.sound = one.sound && days == rows.Get<int64_t>(i, 4);
    out[rows.Get<Uuid>(i, 0)] = std::move(one);
  }
  return out;
}

namespace {

struct CoverageRow {
  Uuid account_id;
  Uuid item_id;
  DateSet covered;
  int64_t covered_days = 0;
  int64_t version = 0;
  db::Bytes pieces;
  static constexpr char kTable[] = "item_coverage";
  static constexpr auto Columns() {
    using R = CoverageRow;
    return std::make_tuple(db::Col("account_id", &R::account_id), db::Col("item_id", &R::item_id),
                           db::Col("covered", &R::covered),
                           db::Col("covered_days", &R::covered_days),
                           db::Col("version", &R::version), db::Col("pieces", &R::pieces));
  }
};

CoverageRow ToRow(const CoverageUpdate& update) {
  CoverageRow row;
  row.account_id = update.account_id;
  row.item_id = update.item_id;
  row.covered = CoveredDays(update.pieces);
  // Counted piece by piece: overlapping pieces make the sum differ from the set's days.
  for (const Piece& piece : update.pieces) row.covered_days += piece.days.days();
  row.version = update.version + 1;
  row.pieces.data = EncodePieces(update.pieces);
  return row;
}

absl::Status Moved() {
  return AbortedError("COVERAGE_MOVED", "an item was billed by another transaction meanwhile");
}

// Rows that are there change in place; each must still have the version that was read.
absl::Status Change(db::Tx& tx, const std::vector<CoverageRow>& rows) {
  if (rows.empty()) return absl::OkStatus();
  std::vector<Uuid> accounts, items;
  std::vector<DateSet> sets;
  std::vector<int64_t> days, versions;
  std::vector<db::Bytes> pieces;
  for (const CoverageRow& row : rows) {
    accounts.push_back(row.account_id);
    items.push_back(row.item_id);
    sets.push_back(row.covered);
    days.push_back(row.covered_days);
    versions.push_back(row.version);
    pieces.push_back(row.pieces);
  }
  ASSIGN_OR_RETURN(
      const db::Result saved,
      tx.Exec("UPDATE item_coverage c SET covered = u.s, covered_days = u.d, version = u.v, "
              "pieces = u.p FROM unnest($1, $2, $3, $4, $5, $6) AS u(a, i, s, d, v, p) "
              "WHERE c.account_id = u.a AND c.item_id = u.i AND c.version = u.v - 1",
              accounts, items, sets, days, versions, pieces));
  return saved.affected() == static_cast<int64_t>(rows.size()) ? absl::OkStatus() : Moved();
}

}  // namespace

absl::Status SaveCoverage(db::Tx& tx, const std::vector<CoverageUpdate>& updates) {
  std::vector<CoverageRow> changed;
  db::CopyBuffer<CoverageRow> fresh;
  for (const CoverageUpdate& update : updates) {
    CoverageRow row = ToRow(update);
    if (update.version == 0) {
      fresh.Add(row);
    } else {
      changed.push_back(std::move(row));
    }
  }
  RETURN_IF_ERROR(Change(tx, changed));
  const absl::Status copied = fresh.Send(tx);
  return copied.code() == absl::StatusCode::kAlreadyExists ? Moved() : copied;
}

absl::Status SaveReplaced(db::Tx& tx, const std::vector<Replacing>& drafts) {
  std::vector<ReplacedRow> rows;
  for (const Replacing& draft : drafts) {
    for (const CoverageUpdate& update : *draft.updates) {
      if (update.replaced.empty()) continue;
      rows.push_back({update.account_id, draft.document_id, update.item_id, update.version + 1,
                      db::Bytes{EncodePieces(update.replaced)}});
    }
  }
  return db::Copy(tx, rows);
}

absl::StatusOr<std::vector<CoverageUpdate>> TakeBack(db::Tx& tx, const std::vector<Uuid>& accounts,
                                                     const std::vector<Uuid>& documents) {
  ASSIGN_OR_RETURN(const CoverageMap coverage, LoadCoverage(tx, accounts));
  ASSIGN_OR_RETURN(const auto rows, db::Select<ReplacedRow>(
                                        tx, "WHERE account_id = ANY($1) AND document_id = ANY($2)",
                                        accounts, documents));
  const auto made = [&](const Piece& piece) {
    return std::find(documents.begin(), documents.end(), piece.document_id) != documents.end();
  };
  std::map<Uuid, const ReplacedRow*> replaced;
  for (const ReplacedRow& row : rows) replaced[row.item_id] = &row;
  std::vector<CoverageUpdate> out;
  for (const auto& [item, state] : coverage) {
    const auto found = replaced.find(item);
    const bool superseded = found != replaced.end() && found->second->version != state.version;
    if (superseded) {
      return FailedPreconditionError("DRAFT_SUPERSEDED",
                                     "a later document changed the same item; void that one first");
    }
    CoverageUpdate update{state.account_id, item, state.version, {}, {}};
    if (found != replaced.end()) update.pieces = DecodePieces(found->second->pieces.data);
    const DateSet back = CoveredDays(update.pieces);
    for (const Piece& piece : state.pieces) {
      // Left of a replaced piece, or charged by the draft: not there before it.
      const bool before = !made(piece) && back.Intersect(piece.days).empty();
      if (before) update.pieces.push_back(piece);
    }
    std::stable_sort(update.pieces.begin(), update.pieces.end(),
                     [](const Piece& a, const Piece& b) { return a.days.start < b.days.start; });
    if (found != replaced.end() || update.pieces.size() != state.pieces.size()) {
      out.push_back(std::move(update));
    }
  }
  return out;
}

}  // namespace broadbill::invoicing
