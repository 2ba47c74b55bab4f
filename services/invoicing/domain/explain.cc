#include "services/invoicing/domain/explain.h"

#include "absl/strings/str_split.h"

namespace broadbill::invoicing {
namespace {

bool Has(const std::string& text, const char* what) { return text.find(what) != std::string::npos; }

std::string MethodOf(const std::string& derivation) {
  if (Has(derivation, "by setting")) return "by_setting";
  return Has(derivation, "30/360") ? "thirty_day" : "actual";
}

}  // namespace

std::string RuleOf(LineKind kind, const std::string& source, const std::string& derivation) {
  switch (kind) {
    case LineKind::kRecurring:
      return "recurring." + MethodOf(derivation);
    case LineKind::kCredit:
      return Has(derivation, "→") || Has(derivation, "by setting")
                 ? "credit." + MethodOf(derivation)
                 : "credit.by_hand";
    case LineKind::kDiscount:
      return Has(derivation, "share of") ? "discount.share"
             : Has(derivation, " %")     ? "discount.percent"
                                         : "discount.amount";
    case LineKind::kUsage:
      return "usage";
    case LineKind::kVoice:
      return "voice";
    case LineKind::kOneTime:
      return source.empty() ? "one_time" : "one_time." + source;
    case LineKind::kLateFee:
      return "late_fee";
    case LineKind::kRounding:
      return "rounding";
    case LineKind::kDeposit:
      return "deposit";
  }
  return "";
}

std::optional<Decimal> UnroundedOf(const std::string& derivation) {
  const size_t arrow = derivation.find(" → ");
  if (arrow == std::string::npos) return std::nullopt;
  Fraction value = Fraction::Of(1);
  bool divide = false;
  bool any = false;
  for (const auto& part : absl::StrSplit(derivation.substr(0, arrow), ' ')) {
    const std::string word(part);
    if (word == "×" || word == "÷") {
      divide = word == "÷";
    } else if (word == "%") {
      value = value * Fraction::Ratio(1, 100);
    } else if (word != "days" && word != "(30/360)") {
      const auto number = Decimal::Parse(word);
      if (!number.ok()) return std::nullopt;
      if (divide) {
        const auto days = Fraction::Of(*number).Round();
        if (!days.ok() || *days <= 0) return std::nullopt;
        value = value * Fraction::Ratio(1, *days);
      } else {
        value = value * Fraction::Of(*number);
      }
      any = true;
    }
  }
  const auto out = value.ToDecimal();
  return any && out.ok() ? std::optional<Decimal>(*out) : std::nullopt;
}

}  // namespace broadbill::invoicing
