#include "services/invoicing/domain/pieces.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/status/macros.h"

namespace broadbill::invoicing {
namespace {

const std::optional<Uuid>& LocationOf(const Item& item, const Segment& segment) {
  return segment.location_id.has_value() ? segment.location_id : item.location_id;
}

uint64_t KeyOf(const Item& item, const Segment& segment, bool held) {
  const Terms& terms = segment.terms;
  std::string text = absl::StrCat(
      terms.plan_code, "|", held ? terms.hold_price.ToString() : terms.price.ToString(), "|",
      terms.quantity.ToString(), "|", terms.arrears ? 1 : 0, "|", terms.tax_class, "|",
      terms.account_code, "|", terms.term_discount_percent.ToString(), "|", held ? "hold" : "");
  const std::optional<Uuid>& location = LocationOf(item, segment);
  if (location.has_value()) {
    text.append(location->bytes.begin(), location->bytes.end());
  }
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

// The method that rules the beginning of a stretch under `terms`, or the end of one before it.
Proration MethodOf(const Terms& terms, Cause cause) {
  switch (cause) {
    case Cause::kStart:
      return terms.start;
    case Cause::kPlan:
    case Cause::kPrice:
      return terms.change;
    case Cause::kQuantity:
      return terms.quantity_change;
    case Cause::kSuspend:
    case Cause::kResume:
      return terms.suspend;
    case Cause::kMove:
      // The same service elsewhere: the parts always sum to the whole.
      return terms.change == Proration::kThirtyDay ? Proration::kThirtyDay : Proration::kActual;
  }
  return terms.start;
}

Proration EndMethod(const Item& item, const Stretch& stretch) {
  if (stretch.next.has_value()) return MethodOf(*stretch.at_end, *stretch.next);
  return item.no_refund ? Proration::kFull : stretch.at_end->cancel;
}

bool KeepsToTheEnd(Proration method) {
  return method == Proration::kFull || method == Proration::kNone;
}

// Whether the same terms already hold the period to its end: suspended without a credit, they are
// not charged again when they resume in it.
bool IsPaid(const Item& item, const std::vector<Stretch>& stretches, size_t index,
            const DateInterval& base) {
  for (size_t i = 0; i < index; ++i) {
    const Stretch& earlier = stretches[i];
    const bool inside = earlier.days.end > base.start && earlier.days.end < base.end;
    if (inside && !earlier.stopped && earlier.key == stretches[index].key &&
        KeepsToTheEnd(EndMethod(item, earlier))) {
      return true;
    }
  }
  return false;
}

// How the piece begins and ends inside its base.
void SetEnds(const std::vector<Stretch>& stretches, size_t index, Wanted& piece) {
  const Stretch& stretch = stretches[index];
  piece.from = Fraction::Ratio(0, 1);
  piece.to = Fraction::Ratio(1, 1);
  // The method that rules a beginning or an end which is not the period's own.
  if (piece.days.start > piece.base.start) {
    Proration method = Proration::kActual;
    if (piece.days.start == stretch.days.start) method = MethodOf(*stretch.terms, stretch.cause);
    piece.thirty_day = method == Proration::kThirtyDay;
    piece.nothing = method == Proration::kNone;
    if (method != Proration::kFull) {
      piece.from = PlaceIn(piece.base, piece.days.start, piece.thirty_day);
    } else if (stretch.cause == Cause::kResume &&
               IsPaid(*piece.item, stretches, index, piece.base)) {
      piece.nothing = true;
    }
  }
  if (piece.days.end < piece.base.end) {
    Proration method = Proration::kActual;
    if (piece.days.end == stretch.days.end) method = EndMethod(*piece.item, stretch);
    if (method == Proration::kThirtyDay) piece.thirty_day = true;
    if (!KeepsToTheEnd(method)) {
      piece.to = PlaceIn(piece.base, piece.days.end, method == Proration::kThirtyDay);
    }
  }
  // Days counted in two ways may cross; they are never worth less than nothing.
  if ((piece.to - piece.from).IsNegative()) piece.to = piece.from;
}

}  // namespace

Fraction PlaceIn(const DateInterval& base, CivilDay day, bool thirty_day) {
  const Position p = PositionIn(base, day, thirty_day ? Proration::kThirtyDay : Proration::kActual);
  return Fraction::Ratio(p.at, p.length);
}

absl::StatusOr<int64_t> Worth(const Fraction& full, const Fraction& from, const Fraction& to) {
  ASSIGN_OR_RETURN(const int64_t end, (full * to).Round());
  if (from.IsZero()) return end;
  ASSIGN_OR_RETURN(const int64_t begin, (full * from).Round());
  return end - begin;
}

std::vector<Stretch> Stretches(const Item& item, int exponent) {
  std::vector<Stretch> out;
  for (const Segment& segment : item.segments) {
    Stretch next;
    next.days = segment.days;
    next.cause = segment.cause;
    next.terms = next.at_end = &segment.terms;
    next.first = &segment;
    next.stopped = segment.suspended && segment.terms.suspension == SuspensionMode::kStop;
    next.held = segment.suspended && segment.terms.suspension == SuspensionMode::kHold;
    next.key = KeyOf(item, segment, next.held);
    if (!out.empty() && out.back().key == next.key && out.back().stopped == next.stopped) {
      out.back().days.end = segment.days.end;
      out.back().at_end = &segment.terms;
      continue;
    }
    if (!out.empty()) out.back().next = next.cause;
    next.full =
        Fraction::MinorUnits(next.held ? segment.terms.hold_price : segment.terms.price, exponent) *
        Fraction::Of(segment.terms.quantity);
    out.push_back(next);
  }
  return out;
}

absl::StatusOr<std::vector<Wanted>> WantedPieces(const Item& item,
                                                 const std::vector<Stretch>& stretches,
                                                 const std::vector<Era>& eras,
                                                 const Horizon& horizon) {
  std::vector<Wanted> out;
  const CivilDay begun = horizon.as_of + horizon.ahead + 1;
  const auto with_stub = DueWithStub(item, eras);
  for (const Era& era : eras) {
    DateInterval looked{era.days.start, std::min(era.days.end, begun)};
    const bool stub_due =
        with_stub.has_value() && era.days.start == eras.front().days.start && !looked.empty();
    if (stub_due) looked.end = std::min(era.days.end, std::max(looked.end, *with_stub + 1));
    looked.start = std::max(looked.start, horizon.from);
    for (const DateInterval& base : era.schedule.Overlapping(looked)) {
      const DateInterval window = base.Intersect(era.days);
      for (size_t i = 0; i < stretches.size(); ++i) {
        const Stretch& stretch = stretches[i];
        DateInterval days = window.Intersect(stretch.days);
        if (item.paid_through.has_value()) {
          days = days.Intersect({*item.paid_through, CivilDay::max()});
        }
        if (days.empty() || stretch.stopped) continue;
        const bool due = stretch.terms->arrears
                             ? window.end <= horizon.as_of
                             : window.start < begun || (stub_due && window.start == *with_stub);
        Wanted piece;
        piece.item = &item;
        piece.stretch = &stretch;
        piece.days = days;
        piece.base = base;
        piece.window = window;
        piece.due = due;
        SetEnds(stretches, i, piece);
        if (!piece.nothing) {
          ASSIGN_OR_RETURN(piece.value, Worth(stretch.full, piece.from, piece.to));
        }
        out.push_back(std::move(piece));
      }
    }
  }
  return out;
}

Piece ToPiece(const Wanted& wanted) {
  const Stretch& stretch = *wanted.stretch;
  const Terms& terms = *stretch.terms;
  Piece out;
  out.days = wanted.days;
  out.base = wanted.base;
  out.terms_key = stretch.key;
  out.value = wanted.value;
  out.discounts = wanted.discounts;
  out.full = stretch.full;
  out.thirty_day = wanted.thirty_day;
  out.description = terms.description;
  out.tax_class = terms.tax_class;
  out.account_code = terms.account_code;
  out.price = stretch.held ? terms.hold_price : terms.price;
  out.quantity = terms.quantity;
  out.location_id = LocationOf(*wanted.item, *stretch.first);
  return out;
}

}  // namespace broadbill::invoicing
