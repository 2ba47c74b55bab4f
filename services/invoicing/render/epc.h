#pragma once

// The European payment code (EPC069-12, version 002): what a banking app reads from the QR code.

#include <cstdint>
#include <string>

namespace broadbill::invoicing {

struct EpcTransfer {
  std::string name;  // who is paid; at most 70 characters are kept
  std::string iban;
  std::string bic;         // may be empty
  int64_t cents = 0;       // 1 to 99,999,999,999
  std::string remittance;  // unstructured; at most 140 characters are kept
};

// The payload, "" when the transfer cannot be one: no valid IBAN, no amount, too long.
std::string EpcPayload(const EpcTransfer& transfer);

// ISO 13616: length and check digits; blanks are allowed.
bool IsIban(const std::string& text);

}  // namespace broadbill::invoicing
