#pragma once

// The tax calculation: a pure function of a document's lines and the data in force. BILLING.md §8.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/calendar/date.h"
#include "libs/money/fraction.h"

namespace broadbill::tax {

enum class RuleKind { kPercentOfNet = 1, kPercentOfGross = 2, kFixed = 3 };
enum class RoundLevel { kDocument = 1, kEachLine = 2 };

struct Rule {
  std::string rule_id;
  std::string jurisdiction_id, jurisdiction_code, jurisdiction_name;
  int level = 0;  // 1 country … 5 district
  std::string tax_code, name, category;
  RuleKind kind = RuleKind::kPercentOfNet;
  Decimal rate;                               // percent
  Decimal amount;                             // kFixed: major units a line
  Decimal base_factor = Decimal::FromInt(1);  // share of the base that is taxed
  Rounding rounding = Rounding::kHalfAwayFromZero;
  RoundLevel round_level = RoundLevel::kDocument;
  DateInterval valid;                         // tax dates; end = CivilDay::max() while open
  std::vector<std::string> tax_classes;       // empty: all
  std::vector<std::string> customer_classes;  // empty: all
};

// Says that a class is not taxed (or is, against a broader entry).
struct Taxability {
  std::string jurisdiction_prefix;  // of the code: "US" covers "US-27-…"
  std::string tax_code;             // "" = any
  std::string tax_class;            // "" = any
  std::string customer_class;       // "" = any
  bool taxable = true;
  std::string reason;
  DateInterval valid;
  std::string category = {};  // on e-invoices, of what is not taxed: "E", "Z", "AE", "O"
};

struct Exemption {
  std::vector<std::string> jurisdiction_codes, tax_codes, tax_classes;  // empty: all
  std::string location_id;                                              // "" = all
  Decimal percent = Decimal::FromInt(100);
  std::string reason;
  DateInterval valid;
};

struct TaxableLine {
  std::string tax_class;
  std::string location_id;
  int64_t net = 0;                                  // minor units
  const std::vector<const Rule*>* rules = nullptr;  // of its area; nullptr: area unknown
};

struct LineShare {
  size_t line = 0;
  int64_t base = 0, exempt = 0, amount = 0;
};

struct TaxAmount {
  const Rule* rule = nullptr;
  std::string category;  // on e-invoices; the rule's, or that of what it does not fall on
  int64_t base = 0;      // taxed net
  int64_t exempt = 0;    // net that a reason kept out
  std::string exempt_reason;
  Fraction unrounded;  // minor units
  int64_t amount = 0;
  std::vector<LineShare> shares;
};

struct Profile {
  std::string customer_class;
  CivilDay date;
  int currency_exponent = 2;
  const std::vector<Exemption>* exemptions = nullptr;
};

// Taxes of one document. Each rule's tax is computed once on the sum of its lines' rounded nets and
// spread over them by largest remainder (or per line, by setting). What a rule with a category
// (VAT) does not fall on stands apart, by category and reason. Negative documents mirror positive
// ones. OUT_OF_RANGE when an amount cannot be computed exactly.
absl::StatusOr<std::vector<TaxAmount>> Calculate(const std::vector<TaxableLine>& lines,
                                                 const std::vector<Taxability>& taxability,
                                                 const Profile& profile);

}  // namespace broadbill::tax
