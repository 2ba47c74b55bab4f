#pragma once

// Draws a document as PDF with cairo and pango. Everything arrives as text that is already
// formatted for the customer (amounts, dates, language), so drawing computes no money. Equal input
// gives equal bytes: the creation date is the document's date. Languages that run from right to
// left are drawn mirrored.

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "services/invoicing/render/texts.h"

namespace broadbill::invoicing {

struct RenderParty {
  std::string name;
  std::vector<std::string> address;  // lines, empty ones are skipped
  std::string tax_id;                // "" = none
  std::string contact;               // "billing@example.net · +1 612 555 0100"
};

struct RenderLine {
  std::string description;
  std::string detail;    // "Mar 10 – Mar 31, 2026 · 22 of 31 days", may be empty
  std::string quantity;  // may be empty
  std::string unit_price;
  std::string amount;
  bool is_discount = false;
};

// Lines of one service location or kind, under a heading.
struct RenderGroup {
  std::string heading;  // "Internet · 12 Elm Street, Minneapolis"
  std::vector<RenderLine> lines;
};

struct RenderTax {
  std::string name;  // "Minnesota sales tax"
  std::string rate;  // "6.875 %"
  std::string base;
  std::string amount;
};

// A label and an amount ("Subtotal", "149.97").
struct RenderTotal {
  std::string label;
  std::string amount;
  bool strong = false;
};

struct RenderInput {
  const Texts* texts = &Texts::Of("en");
  std::string title;     // "Invoice", "Credit note", "Statement", "Pro forma"
  std::string mark;      // across every page, "" = none: what is no document yet
  std::string number;    // "INV-2026-000123"; "" on drafts
  std::string iso_date;  // issue date as YYYY-MM-DD, for the file's metadata
  // Account, dates, period, what it corrects: label and value, in order.
  std::vector<std::pair<std::string, std::string>> facts;
  RenderParty seller;
  RenderParty customer;
  std::vector<RenderTotal> statement;  // previous balance, payments, …; empty in invoice mode
  std::vector<RenderGroup> groups;
  std::vector<RenderTax> taxes;
  std::vector<std::string> tax_notes;  // "Reverse charge: …"
  std::vector<RenderTotal> totals;
  RenderTotal payable;               // the one figure the customer looks for
  std::vector<std::string> payment;  // how to pay, one paragraph each
  std::string payment_code;          // payload of the QR code, "" = none
  std::string barcode;               // payment reference as Code 128, "" = none
  std::string note;                  // closing words, may be empty
  std::string logo_png;              // "" = the wordmark
  std::string logo_text;             // "" = the seller's name
  std::string accent = "#0b5c7a";    // the brand's colour, #rrggbb
  bool letter = true;                // US Letter; false: A4
};

// INTERNAL when a library fails or the font (DejaVu Sans) is not installed.
absl::StatusOr<std::string> RenderPdf(const RenderInput& input);

// The bars of a Code 128, one element a module, true = black; empty when `text` cannot be encoded.
std::vector<bool> Code128(const std::string& text);

}  // namespace broadbill::invoicing
