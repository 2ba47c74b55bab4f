#include "services/invoicing/store/coverage.h"

#include <algorithm>

#include "libs/db/codec.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/invoicing/store/rows.h"

namespace broadbill::invoicing {
namespace {

constexpr char kVersion = 2;  // 1: discounts without days and basis

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

std::string EncodePieces(const std::vector<Piece>& pieces) {
  Writer w;
  w.out += kVersion;
  for (const Piece& piece : pieces) {
    w.Day(piece.days.start);
    w.Day(piece.days.end);
    w.Day(piece.base.start);
    w.Day(piece.base.end);
    w.Int(static_cast<int64_t>(piece.terms_key));
    w.Int(piece.value);
    w.Wide(piece.full.numerator());
    w.Int(static_cast<int64_t>(piece.full.denominator()));
    w.Int(piece.thirty_day ? 1 : 0);
    w.Id(piece.line_id);
    w.Id(piece.document_id);
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
      w.Int(discount.value);
      w.Day(discount.days.start);
      w.Day(discount.days.end);
      w.Text(discount.basis);
    }
  }
  return w.out;
}

std::vector<Piece> DecodePieces(std::string_view bytes) {
  std::vector<Piece> out;
  if (bytes.empty() || bytes[0] < 1 || bytes[0] > kVersion) return out;
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

absl::StatusOr<CoverageMap> LoadCoverage(db::Tx& tx, const std::vector<Uuid>& account_ids) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec("SELECT item_id, version, pieces, account_id, covered_days FROM item_coverage "
              "WHERE account_id = ANY($1)",
              account_ids));
  CoverageMap out;
  for (int i = 0; i < rows.size(); ++i) {
    Coverage one{rows.Get<int64_t>(i, 1), DecodePieces(rows.Raw(i, 2)), rows.Get<Uuid>(i, 3), true};
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

absl::Status SaveCoverage(db::Tx& tx, const std::vector<CoverageUpdate>& updates) {
  if (updates.empty()) return absl::OkStatus();
  std::vector<Uuid> accounts;
  std::vector<Uuid> items;
  std::vector<std::string> sets;
  std::vector<int64_t> days;
  std::vector<int64_t> versions;
  std::vector<db::Bytes> pieces;
  for (const CoverageUpdate& update : updates) {
    accounts.push_back(update.account_id);
    items.push_back(update.item_id);
    const DateSet covered = CoveredDays(update.pieces);
    sets.push_back(covered.ToMultirange());
    // Counted piece by piece: overlapping pieces make the sum differ from the set's days.
    int64_t sum = 0;
    for (const Piece& piece : update.pieces) sum += piece.days.days();
    days.push_back(sum);
    versions.push_back(update.version);
    pieces.push_back({EncodePieces(update.pieces)});
  }
  ASSIGN_OR_RETURN(
      const db::Result saved,
      tx.Exec(
          "INSERT INTO item_coverage AS c (account_id, item_id, covered, covered_days, version, "
          "pieces) SELECT a, i, s::datemultirange, d, v + 1, p "
          "FROM unnest($1, $2, $3, $4, $5, $6) AS u(a, i, s, d, v, p) "
          "ON CONFLICT (account_id, item_id) DO UPDATE SET covered = excluded.covered, "
          "covered_days = excluded.covered_days, version = excluded.version, "
          "pieces = excluded.pieces WHERE c.version = excluded.version - 1",
          accounts, items, sets, days, versions, pieces));
  if (saved.affected() == static_cast<int64_t>(updates.size())) return absl::OkStatus();
  return AbortedError("COVERAGE_MOVED", "an item was billed by another transaction meanwhile");
}

absl::Status SaveReplaced(db::Tx& tx, const Uuid& document_id,
                          const std::vector<CoverageUpdate>& updates) {
  std::vector<ReplacedRow> rows;
  for (const CoverageUpdate& update : updates) {
    if (update.replaced.empty()) continue;
    rows.push_back({update.account_id, document_id, update.item_id, update.version + 1,
                    db::Bytes{EncodePieces(update.replaced)}});
  }
  if (rows.empty()) return absl::OkStatus();
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
