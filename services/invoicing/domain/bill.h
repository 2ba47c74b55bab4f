#pragma once

// What an account should be billed, purely: (snapshot, coverage, as-of date) → lines and the new
// coverage. The same function serves preview, dry run and the run. BILLING.md §§1–3.
//
// Billing converges: per item and anchored period it compares the pieces that should be covered
// with the pieces that are, and makes charge lines for days that are missing and credit lines for
// days that are surplus, so that running twice bills nothing twice and a late change makes exactly
// the correcting lines.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/calendar/period.h"
#include "libs/ids/uuid.h"
#include "libs/money/fraction.h"

namespace broadbill::invoicing {

enum class Cause { kStart = 1, kPlan, kQuantity, kPrice, kSuspend, kResume, kMove };
enum class SuspensionMode { kKeep, kStop, kHold };
// What the first invoice of an item holds: the days up to the first boundary; those and the whole
// period after it; or a whole period from the start, and then the days up to the next boundary.
enum class FirstInvoice { kProrate, kProrateAndNext, kFullThenStub };

struct Terms {
  std::string plan_code;
  std::string description;
  std::string tax_class;
  std::string account_code;
  bool arrears = false;
  Recurrence recurrence;
  Decimal price;
  Decimal quantity = Decimal::FromInt(1);
  Proration start = Proration::kActual, change = Proration::kActual,
            quantity_change = Proration::kActual, suspend = Proration::kActual,
            cancel = Proration::kActual;
  SuspensionMode suspension = SuspensionMode::kKeep;
  Decimal hold_price;
  Decimal term_discount_percent;
  bool bill_changes_now = false;
  FirstInvoice first_invoice = FirstInvoice::kProrate;
};

struct Segment {
  DateInterval days;  // end = CivilDay::max() while open
  Cause cause = Cause::kStart;
  bool suspended = false;
  Terms terms;
  std::optional<Uuid> location_id = {};  // where it is delivered in these days; none: the item's
};

struct Discount {
  Uuid id;
  std::string label;
  std::optional<Decimal> percent;  // of what earlier discounts left
  std::optional<Decimal> amount;   // major units a whole billing period
  DateInterval days;
  std::string account_code;  // "" = the discounted line's
};

struct OneTimeFee {
  Decimal amount;
  std::string description, tax_class, account_code;
};

// What leaving before the end of a minimum term costs.
enum class EarlyTermination { kNoFee, kFixed, kRemainingMonths, kClawBack };
struct EarlyEnd {
  DateInterval term;
  EarlyTermination kind = EarlyTermination::kNoFee;
  OneTimeFee fee;  // the amount is for kFixed, or a month of kRemainingMonths
};

struct Item {
  Uuid item_id;
  std::optional<Uuid> location_id;
  std::optional<CivilDay> paid_through;  // days before it are covered elsewhere
  std::optional<CivilDay> anchor_date;   // a boundary of its periods instead of the rule's
  bool no_refund = false;
  std::vector<Segment> segments;
  std::vector<Discount> discounts;
  std::optional<OneTimeFee> setup_fee = {};
  std::optional<EarlyEnd> early_end = {};
};

struct CycleDay {
  CivilDay from;
  int day = 1;
};

struct Schedules {
  std::vector<CycleDay> cycle_days;  // ascending; the first holds from the beginning
  AnchorRule rule = AnchorRule::kCycleDayOnOrAfterStart;
};

// What a discount took off a covered piece, in minor units, 0 or more.
struct DiscountValue {
  Uuid id;
  std::string label;
  std::string account_code;
  int64_t value = 0;
  DateInterval days = {};  // of the piece, on which it holds
  std::string basis = {};  // of a whole period: "79.99 × 20 %", "5"
  bool operator==(const DiscountValue&) const = default;
};

// Days that are billed, with what they were billed at. The state of an item is a list of these.
struct Piece {
  DateInterval days;
  DateInterval base;       // the enclosing anchored period
  uint64_t terms_key = 0;  // equal keys: equal price, quantity, plan, methods
  int64_t value = 0;       // minor units before discounts
  std::vector<DiscountValue> discounts;
  // For credits and their texts.
  Fraction full;  // unrounded amount of the whole base, minor units
  bool thirty_day = false;
  Uuid line_id;
  Uuid document_id;
  std::string description, tax_class, account_code;
  Decimal price, quantity;
  std::optional<Uuid> location_id;
  bool operator==(const Piece&) const = default;
};

enum class LineKind {
  kRecurring = 1,
  kDiscount,
  kUsage,
  kVoice,
  kOneTime,
  kLateFee,
  kCredit,
  kRounding,
  kDeposit
};

struct Line {
  LineKind kind = LineKind::kRecurring;
  std::optional<Uuid> item_id;
  std::optional<Uuid> location_id;
  std::string description;
  DateInterval days;  // empty: no interval
  Decimal quantity;   // zero: not shown
  Decimal unit_price;
  int64_t amount = 0;  // minor units; credits are negative
  std::string tax_class, account_code;
  int parent = -1;     // index of the line a discount belongs to
  Uuid corrects_line;  // nil: none
  Uuid corrects_document;
  std::string derivation;         // "49.99 × 22 ÷ 31 days → 35.48"
  std::string source, source_id;  // pending charges, usage meters
  int piece = -1;                 // index of the new piece it pays for
};

// Up to which day an item's pieces are settled, and by what (domain/settled.h).
struct Settled {
  uint64_t basis = 0;  // 0: nothing is
  CivilDay through = CivilDay::min();
};

struct ItemBill {
  std::vector<Line> lines;
  std::vector<Piece> pieces;    // the item's state after these lines
  std::vector<Piece> replaced;  // of the state before: what is no longer there as it was
  bool changed = false;         // pieces differ from before
  bool fresh = false;           // a period without any coverage became due
  bool now = false;             // a correction may not wait for the next cycle invoice
  DateSet late;                 // days charged although later ones were covered before
  // The first day that a later run must look at, while the terms stay as they are.
  std::optional<CivilDay> settled_through;
};

// What an account is billed by, apart from its items.
struct AccountTerms {
  Schedules schedules;
  std::vector<Discount> discounts = {};  // of the whole account, after the items' own
  int ahead = 0;                         // days before its start an advance period is due
  int exponent = 2;                      // of the currency
};

// Bills the items of one account as of a date; `covered` holds the state of each item, in order.
// `from`, unless empty: for each item the day before which it is settled; `covered` then holds the
// pieces from that day on only, and so does the result. OUT_OF_RANGE when an amount cannot be
// computed exactly.
absl::StatusOr<std::vector<ItemBill>> BillAccount(
    const std::vector<Item>& items, const AccountTerms& terms,
    const std::vector<const std::vector<Piece>*>& covered, CivilDay as_of,
    const std::vector<CivilDay>& from = {});

// The same for one item of an account without discounts of its own.
absl::StatusOr<ItemBill> BillItem(const Item& item, const Schedules& schedules,
                                  const std::vector<Piece>& covered, CivilDay as_of, int ahead,
                                  int currency_exponent);

// The days of pieces.
DateSet CoveredDays(const std::vector<Piece>& pieces);

}  // namespace broadbill::invoicing
