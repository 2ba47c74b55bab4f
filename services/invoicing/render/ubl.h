#pragma once

// Writes an invoice or credit note as UBL 2.1 XML of the European core invoice (EN 16931). The
// numbers come from domain/einvoice; here they only get their names and order.

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "services/invoicing/domain/einvoice.h"

namespace broadbill::invoicing {

struct UblParty {
  std::string id;    // a number between seller and buyer, "" = none
  std::string name;  // legal name
  std::vector<std::string> lines;
  std::string city, region, postal_code;
  std::string country;  // ISO 3166-1 alpha-2
  std::string vat_id;   // with its country's prefix, "" = none
  std::string tax_id;   // any other number of the tax office or register, "" = none
  std::string email, phone;
};

struct UblDocument {
  bool credit_note = false;
  std::string number;
  CivilDay issue_date;
  CivilDay due_date;  // invoices only
  std::string currency;
  int exponent = 2;
  std::string note;
  std::string buyer_reference;
  DateInterval period;                                      // empty: none
  std::vector<std::pair<std::string, CivilDay>> corrected;  // numbers and dates of the originals
  UblParty seller, buyer;
  std::string delivered_to;       // country of delivery, stated for category K
  std::string iban, bic;          // "" = no bank account
  std::string payment_reference;  // what the customer states when paying
  std::string payment_terms;
  EInvoiceNumbers numbers;
};

// What the standard demands and the document lacks, for people ("the customer's VAT number");
// empty: nothing.
std::vector<std::string> MissingForUbl(const UblDocument& document);

// The file, UTF-8. INTERNAL when the library fails.
absl::StatusOr<std::string> WriteUbl(const UblDocument& document);

// A VAT number in its normal form ("de 136 695 976" → "DE136695976"), "" when `tax_id` is none: two
// letters of a country (EL for Greece, XI for Northern Ireland), then letters and digits.
std::string VatNumber(const std::string& tax_id);
// ISO country of a VAT number, "" for none.
std::string CountryOfVat(const std::string& vat_id);

}  // namespace broadbill::invoicing
