#include "services/invoicing/render/epc.h"

#include <cctype>

#include "absl/strings/str_cat.h"
#include "libs/money/money.h"

namespace broadbill::invoicing {
namespace {

constexpr size_t kMaxBytes = 331;
constexpr int64_t kMaxCents = 99'999'999'999;

std::string Compact(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ') out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

// The first `count` characters (not bytes) on one line.
std::string Cut(const std::string& text, size_t count) {
  std::string out;
  size_t characters = 0;
  for (const char c : text) {
    const bool starts = (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    if (starts && ++characters > count) break;
    out += c == '\n' || c == '\r' ? ' ' : c;
  }
  return out;
}

}  // namespace

bool IsIban(const std::string& text) {
  const std::string iban = Compact(text);
  if (iban.size() < 15 || iban.size() > 34) return false;
  int rest = 0;
  for (size_t i = 0; i < iban.size(); ++i) {
    const char c = iban[(i + 4) % iban.size()];
    if (c >= '0' && c <= '9') {
      rest = (rest * 10 + (c - '0')) % 97;
    } else if (c >= 'A' && c <= 'Z') {
      rest = (rest * 100 + (c - 'A' + 10)) % 97;
    } else {
      return false;
    }
  }
  return rest == 1;
}

std::string EpcPayload(const EpcTransfer& transfer) {
  const bool payable = transfer.cents > 0 && transfer.cents <= kMaxCents;
  if (!payable || transfer.name.empty() || !IsIban(transfer.iban)) return "";
  const std::string out =
      absl::StrCat("BCD\n002\n1\nSCT\n", Compact(transfer.bic), "\n", Cut(transfer.name, 70), "\n",
                   Compact(transfer.iban), "\nEUR", FormatMinor(transfer.cents, 2), "\n\n\n",
                   Cut(transfer.remittance, 140));
  return out.size() <= kMaxBytes ? out : "";
}

}  // namespace broadbill::invoicing
