#pragma once

// The numbers of an electronic invoice (EN 16931), purely: a document's lines and taxes → lines
// with quantity × price = net, document charges, the VAT breakdown and the totals BT-106 to BT-115.
//
// What the standard knows otherwise than the document:
// - A discount line is an allowance of the line it belongs to, when both are taxed alike.
// - A line is taxed in one category: one that is exempt in part becomes two.
// - A price is never negative: a line that takes back has a negative quantity.
// - Taxes that are not VAT (no category) are document charges; payable rounding is no line.
// - Lines without VAT are "not subject to VAT" (O) if nothing else is in the document, else exempt
//   (E), since O may not stand beside other categories.
// - A credit note's amounts are positive.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/calendar/date.h"
#include "libs/money/decimal.h"

namespace broadbill::invoicing {

// A line of the document, with the document's sign (positive: the customer owes it).
struct EInvoiceLine {
  std::string id;
  std::string name;
  std::string note;
  DateInterval days;   // empty: none
  Decimal quantity;    // zero: not stated
  Decimal unit_price;  // of one unit; amount ÷ quantity when the line is only a part of it
  int64_t amount = 0;
  int parent = -1;  // the line a discount belongs to
  bool is_rounding = false;
};

// A tax of the document. An empty category: no VAT.
struct EInvoiceTax {
  struct Share {
    size_t line = 0;
    int64_t base = 0, exempt = 0, amount = 0;
  };
  std::string name;
  std::string category;  // UNCL5305: S, Z, E, AE, K, G, O
  Decimal rate;          // percent
  bool inclusive = false;
  std::string exempt_reason;  // text or VATEX code
  int64_t amount = 0;
  std::vector<Share> shares;
};

struct EInvoiceInput {
  bool credit_note = false;
  int exponent = 2;
  std::vector<EInvoiceLine> lines;
  std::vector<EInvoiceTax> taxes;
  int64_t prepaid = 0;  // 0 or more
};

struct EInvoiceNumbers {
  struct Vat {
    std::string category;
    Decimal rate;
    bool operator==(const Vat&) const = default;
  };
  struct Adjustment {  // an allowance or a charge
    std::string reason;
    int64_t amount = 0;
    Vat vat;
  };
  struct Line {
    std::string id, name, note;
    DateInterval days;
    Decimal quantity;       // negative: takes back
    Decimal price;          // never negative
    Decimal base_quantity;  // the quantity the price is for; zero: one
    int64_t net = 0;        // quantity × price ÷ base quantity − allowances
    Vat vat;
    std::vector<Adjustment> allowances;
  };
  struct Subtotal {
    Vat vat;
    int64_t taxable = 0, tax = 0;
    std::string reason;  // why nothing is taxed
  };
  std::vector<Line> lines;
  std::vector<Adjustment> charges, allowances;  // of the document
  std::vector<Subtotal> vat;                    // by category and rate
  int64_t line_total = 0;                       // BT-106
  int64_t allowance_total = 0;                  // BT-107
  int64_t charge_total = 0;                     // BT-108
  int64_t exclusive = 0;                        // BT-109
  int64_t tax = 0;                              // BT-110
  int64_t inclusive = 0;                        // BT-112
  int64_t prepaid = 0;                          // BT-113
  int64_t rounding = 0;                         // BT-114
  int64_t payable = 0;                          // BT-115
};

// FAILED_PRECONDITION (EINVOICE_UNSUPPORTED) when two VAT rates lie on the same amount.
absl::StatusOr<EInvoiceNumbers> ComputeEInvoice(const EInvoiceInput& input);

// Rules of EN 16931 that the numbers break, by name and exactly; the official rules let VAT be off
// by up to one unit of the currency. Empty: none. BR-CO-17 is reported apart by `VatDeviation`.
std::vector<std::string> BrokenRules(const EInvoiceNumbers& numbers, int exponent);

// The largest difference, in minor units, between a category's tax and its base × rate, rounded. 0
// unless credits took the rest of a line's tax: then at most one a credited line.
int64_t VatDeviation(const EInvoiceNumbers& numbers);

}  // namespace broadbill::invoicing
