#pragma once

// What the tests of recurring billing share: words of other systems put to our domain.

#include <optional>
#include <string>
#include <vector>

#include "services/invoicing/domain/bill.h"
#include "tests/conformance/inputs.h"

namespace broadbill::conformance {

// "2026-03-10" or an instant that begins with it. The test fails for anything else.
CivilDay Day(const std::string& text);
// "MONTHLY", "Quarterly", "THIRTY_DAYS", …; nothing for a word that is not known.
std::optional<Recurrence> FindRecurrence(const std::string& period);
Recurrence RecurrenceOf(const std::string& period);
// Minor units of a currency with two decimals.
int64_t Cents(const std::string& text);
std::string Span(const DateInterval& days);  // "[2026-03-10,2026-04-01)"

// An item of one price from `start`; `end` is CivilDay::max() while it is open.
invoicing::Item MakeItem(CivilDay start, CivilDay end, Recurrence recurrence, bool arrears,
                         const Decimal& price = Decimal::FromInt(100));

// Bills one item again and again, carrying its coverage.
class Biller {
 public:
  explicit Biller(int cycle_day, AnchorRule rule = AnchorRule::kCycleDayInStartMonth);
  // Lines of other amounts than 0.
  std::vector<invoicing::Line> Run(const invoicing::Item& item, CivilDay as_of);
  const std::vector<invoicing::Piece>& pieces() const { return pieces_; }

 private:
  invoicing::Schedules schedules_;
  std::vector<invoicing::Piece> pieces_;
  uint8_t next_line_ = 0;
};

// A charge of `amount` for a whole period [start, end), as an item of its own.
struct Charged {
  DateInterval days;
  int64_t amount = 0;
  DateSet kept;  // days of it that still stand
};
// The lines and values when of a charge's days only `kept` stand, after `before` stood.
struct Repaired {
  std::vector<invoicing::Line> lines;
  std::vector<invoicing::Piece> pieces;
};
Repaired Repair(const Charged& charged, const DateSet& kept);
// The lines for the days of a charge that are not covered yet.
std::vector<invoicing::Line> ChargeRest(const Charged& charged, const DateSet& covered);

}  // namespace broadbill::conformance
