#pragma once

// The words of documents by language, and how the language writes dates, numbers and money. Texts
// are whole sentences with named places ("{number}") and need no plurals.

#include <cstdint>
#include <map>
#include <string>

#include "libs/calendar/date.h"

namespace broadbill::invoicing {

enum class Word {
  kInvoice,
  kCreditNote,
  kStatement,
  kProForma,      // title of a draft
  kProFormaMark,  // across its pages
  kProFormaNote,  // what it is not
  kVoid,          // across the pages of a discarded draft
  kBillTo,
  kAccount,
  kDate,
  kPeriod,
  kDue,
  kCorrects,  // label of the original's number
  kReason,
  kAmountDue,
  kCredited,
  kInCredit,  // nothing to pay: the customer's credit
  kDescription,
  kQuantity,
  kPrice,
  kAmount,
  kTaxes,
  kRate,
  kBase,
  kTax,
  kSubtotal,
  kTaxTotal,
  kRounding,
  kTotal,
  kSummary,  // heading of a statement's balances
  kPrevious,
  kPayments,
  kAdjustments,
  kThisDocument,
  kNewBalance,
  kHowToPay,
  kQuote,     // "… {number} … {date}"
  kTransfer,  // "… {iban} …"
  kScan,
  kPage,  // "{page} … {pages}"
  kTaxId,
  kCredit,  // "Credit: {text}"
  kExemptE,
  kExemptAE,
  kExemptK,
  kExemptG,
  kExemptZ,
  kExemptO,
  kCount  // how many there are
};

class Texts {
 public:
  // The language of a BCP 47 tag ("de-AT" → German); English when it is unknown.
  static const Texts& Of(const std::string& language);

  const std::string& language() const { return language_; }
  bool right_to_left() const { return right_to_left_; }
  const std::string& Get(Word word) const { return words_[static_cast<size_t>(word)]; }
  // With places filled: {{"number", "INV-1"}}.
  std::string Get(Word word, const std::map<std::string, std::string>& places) const;

  std::string LongDate(CivilDay day) const;
  // "Mar 10 – Mar 31, 2026", "10.03.2026 – 31.03.2026"; `end` is the first day after.
  std::string Interval(const DateInterval& days) const;
  // "1,249.04", "1.249,04", "1 249,04".
  std::string Number(int64_t minor, int exponent) const;
  // A decimal as it is, with the language's separator: "19", "8,1".
  std::string Plain(const std::string& decimal) const;
  std::string Percent(const std::string& decimal) const;
  // "$1,249.04", "1.249,04 €", "1,249.04 BHD".
  std::string Money(int64_t minor, const std::string& currency) const;

  Texts(std::string language, bool right_to_left, std::string decimal, std::string group,
        bool sign_first, std::string date_format, const char* const* months,
        const char* const* words);

 private:
  std::string language_;
  bool right_to_left_;
  std::string decimal_, group_;
  bool sign_first_;          // the currency's sign before the number
  std::string date_format_;  // of numeric dates: "%d.%m.%Y"; empty: English words
  const char* const* months_;
  std::string words_[static_cast<size_t>(Word::kCount)];
};

}  // namespace broadbill::invoicing
