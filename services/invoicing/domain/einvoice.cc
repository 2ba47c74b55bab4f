#include "services/invoicing/domain/einvoice.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "absl/strings/str_cat.h"
#include "libs/money/fraction.h"
#include "libs/money/money.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::invoicing {
namespace {

using Numbers = EInvoiceNumbers;
using Vat = EInvoiceNumbers::Vat;

constexpr char kNotSubject[] = "Not subject to VAT";

Decimal Abs(const Decimal& value) { return value.IsNegative() ? -value : value; }

// Minor units as a decimal of major units.
Decimal Major(int64_t minor, int exponent) {
  const auto value = Decimal::Parse(FormatMinor(minor, exponent));
  return value.ok() ? *value : Decimal();
}

// The category of an amount that a tax does not fall on: by the code of the reason, which is finer.
std::string ExemptCategory(const EInvoiceTax& tax) {
  if (tax.category != "S" && tax.category != "E") return tax.category;
  const auto names = [&](const char* code) { return tax.exempt_reason.find(code) == 0; };
  if (names("VATEX-EU-AE")) return "AE";
  if (names("VATEX-EU-IC")) return "K";
  if (names("VATEX-EU-G")) return "G";
  if (names("VATEX-EU-O")) return "O";
  return "E";
}

bool NeedsReason(const std::string& category) {
  return category == "E" || category == "AE" || category == "K" || category == "G" ||
         category == "O";
}

// A line's amount in one category.
struct Part {
  Vat vat;
  int64_t net = 0;
  std::string reason;
};

class Computing {
 public:
  explicit Computing(const EInvoiceInput& input)
      : in_(input), sign_(input.credit_note ? -1 : 1), parts_(input.lines.size()) {}

  absl::StatusOr<Numbers> Run() {
    RETURN_IF_ERROR(Split());
    Untaxed();
    AddLines();
    AddCharges();
    AddVat();
    Total();
    return std::move(out_);
  }

 private:
  // Net of each line, without the taxes it contains, by category.
  absl::Status Split() {
    for (const EInvoiceLine& line : in_.lines) left_.push_back(sign_ * line.amount);
    for (const EInvoiceTax& tax : in_.taxes) {
      if (!tax.inclusive) continue;
      for (const auto& share : tax.shares) left_[share.line] -= sign_ * share.amount;
    }
    net_ = left_;
    for (const EInvoiceTax& tax : in_.taxes) {
      if (tax.category.empty()) continue;
      for (const auto& share : tax.shares) AddPart(tax, share);
    }
    for (size_t i = 0; i < parts_.size(); ++i) {
      const bool over = net_[i] >= 0 ? left_[i] < 0 : left_[i] > 0;
      if (over) {
        return FailedPreconditionError(
            "EINVOICE_UNSUPPORTED",
            absl::StrCat("line ", in_.lines[i].id, " is taxed with two VAT rates"));
      }
    }
    return absl::OkStatus();
  }

  void AddPart(const EInvoiceTax& tax, const EInvoiceTax::Share& share) {
    const auto add = [&](Part part) {
      left_[share.line] -= part.net;
      auto& parts = parts_[share.line];
      const auto same = std::find_if(parts.begin(), parts.end(),
                                     [&](const Part& one) { return one.vat == part.vat; });
      if (same == parts.end()) {
        parts.push_back(std::move(part));
      } else {
        same->net += part.net;
      }
    };
    if (share.base != 0 || share.exempt == 0) {
      const bool taxed = tax.category == "S";
      const std::string& why = tax.exempt_reason.empty() ? tax.name : tax.exempt_reason;
      add({{tax.category, tax.rate}, sign_ * share.base, taxed ? "" : why});
    }
    if (share.exempt != 0) {
      add({{ExemptCategory(tax), Decimal()},
           sign_ * share.exempt,
           tax.exempt_reason.empty() ? tax.name : tax.exempt_reason});
    }
  }

  // What no VAT speaks about. O excludes all other categories; beside them it is E.
  void Untaxed() {
    bool any_other = false;
    for (size_t i = 0; i < parts_.size(); ++i) {
      if (in_.lines[i].is_rounding) continue;
      if (left_[i] != 0 || parts_[i].empty()) {
        parts_[i].push_back({{"O", Decimal()}, left_[i], kNotSubject});
      }
      for (const Part& part : parts_[i]) any_other = any_other || part.vat.category != "O";
    }
    none_ = any_other ? "E" : "O";
    for (auto& parts : parts_) {
      for (Part& part : parts) {
        if (part.vat.category == "O") part.vat.category = none_;
      }
    }
  }

  // A discount that lowers the line it belongs to, taxed alike.
  bool IsAllowance(size_t i) const {
    const int parent = in_.lines[i].parent;
    if (parent < 0 || net_[i] > 0) return false;
    const auto at = static_cast<size_t>(parent);
    return net_[at] >= 0 && parts_[i].size() == 1 && parts_[at].size() == 1 &&
           parts_[i][0].vat == parts_[at][0].vat;
  }

  void AddLines() {
    std::vector<size_t> first(in_.lines.size());  // index in the answer
    for (size_t i = 0; i < in_.lines.size(); ++i) {
      const EInvoiceLine& line = in_.lines[i];
      if (line.is_rounding) {
        out_.rounding += net_[i];
        continue;
      }
      if (IsAllowance(i)) {
        Numbers::Line& parent = out_.lines[first[static_cast<size_t>(line.parent)]];
        parent.allowances.push_back({line.name, -net_[i], parent.vat});
        parent.net += net_[i];
        continue;
      }
      first[i] = out_.lines.size();
      for (size_t p = 0; p < parts_[i].size(); ++p) {
        const bool whole = parts_[i].size() == 1;
        out_.lines.push_back(MakeLine(line, parts_[i][p], whole));
        if (!whole) out_.lines.back().id = absl::StrCat(line.id, ".", p + 1);
      }
    }
  }

  Numbers::Line MakeLine(const EInvoiceLine& line, const Part& part, bool whole) const {
    Numbers::Line out;
    out.id = line.id;
    out.name = line.name;
    out.note = line.note;
    out.days = line.days;
    out.vat = part.vat;
    out.net = part.net;
    const Decimal count = line.quantity.IsZero() ? Decimal::FromInt(1) : Abs(line.quantity);
    out.quantity = part.net < 0 ? -count : count;
    const auto exact =
        (Fraction::MinorUnits(Abs(line.unit_price), in_.exponent) * Fraction::Of(count));
    if (whole && exact == Fraction::Of(std::abs(part.net))) {
      out.price = Abs(line.unit_price);
    } else {
      out.price = Major(std::abs(part.net), in_.exponent);
      if (count != Decimal::FromInt(1)) out.base_quantity = count;
    }
    return out;
  }

  void AddCharges() {
    for (const EInvoiceTax& tax : in_.taxes) {
      if (!tax.category.empty() || tax.inclusive || tax.amount == 0) continue;
      const int64_t amount = sign_ * tax.amount;
      auto& list = amount > 0 ? out_.charges : out_.allowances;
      list.push_back({tax.name.empty() ? "Tax" : tax.name, std::abs(amount), {none_, Decimal()}});
    }
  }

  Numbers::Subtotal& SubtotalOf(const Vat& vat) {
    for (Numbers::Subtotal& subtotal : out_.vat) {
      if (subtotal.vat == vat) return subtotal;
    }
    out_.vat.push_back({vat, 0, 0, ""});
    return out_.vat.back();
  }

  void AddVat() {
    for (const Numbers::Line& line : out_.lines) SubtotalOf(line.vat).taxable += line.net;
    for (const auto& charge : out_.charges) SubtotalOf(charge.vat).taxable += charge.amount;
    for (const auto& allowance : out_.allowances) {
      SubtotalOf(allowance.vat).taxable -= allowance.amount;
    }
    for (const EInvoiceTax& tax : in_.taxes) {
      if (tax.category == "S" && tax.amount != 0) {
        SubtotalOf({tax.category, tax.rate}).tax += sign_ * tax.amount;
      }
    }
    for (const auto& parts : parts_) {
      for (const Part& part : parts) {
        if (!NeedsReason(part.vat.category)) continue;
        std::string& reason = SubtotalOf(part.vat).reason;
        if (part.reason.empty() || reason.find(part.reason) != std::string::npos) continue;
        absl::StrAppend(&reason, reason.empty() ? "" : "; ", part.reason);
      }
    }
    for (Numbers::Subtotal& subtotal : out_.vat) {
      if (subtotal.reason.empty() && subtotal.vat.category == none_) subtotal.reason = kNotSubject;
    }
  }

  void Total() {
    for (const Numbers::Line& line : out_.lines) out_.line_total += line.net;
    for (const auto& charge : out_.charges) out_.charge_total += charge.amount;
    for (const auto& allowance : out_.allowances) out_.allowance_total += allowance.amount;
    for (const Numbers::Subtotal& subtotal : out_.vat) out_.tax += subtotal.tax;
    out_.exclusive = out_.line_total - out_.allowance_total + out_.charge_total;
    out_.inclusive = out_.exclusive + out_.tax;
    out_.prepaid = in_.prepaid;
    out_.payable = out_.inclusive - out_.prepaid + out_.rounding;
  }

  const EInvoiceInput& in_;
  const int64_t sign_;
  std::vector<std::vector<Part>> parts_;  // by line
  std::vector<int64_t> net_, left_;       // by line: its net, and what no VAT speaks about
  std::string none_;                      // category of what VAT does not speak about
  Numbers out_;
};

// quantity × price ÷ base quantity, in minor units, exactly.
Fraction Gross(const Numbers::Line& line, int exponent) {
  const Decimal base = line.base_quantity.IsZero() ? Decimal::FromInt(1) : Abs(line.base_quantity);
  const Fraction count = Fraction::Of(base);
  if (count.numerator() == 0) return Fraction();
  const Fraction inverse = Fraction::Ratio(static_cast<int64_t>(count.denominator()),
                                           static_cast<int64_t>(count.numerator()));
  return Fraction::MinorUnits(line.price, exponent) * Fraction::Of(line.quantity) * inverse;
}

int64_t TaxOf(const Numbers::Subtotal& subtotal) {
  const auto tax =
      (Fraction::Of(subtotal.taxable) * Fraction::Of(subtotal.vat.rate) * Fraction::Ratio(1, 100))
          .Round();
  return tax.ok() ? *tax : 0;
}

}  // namespace

absl::StatusOr<Numbers> ComputeEInvoice(const EInvoiceInput& input) {
  return Computing(input).Run();
}

std::vector<std::string> BrokenRules(const Numbers& n, int exponent) {
  std::vector<std::string> broken;
  const auto require = [&](bool holds, const std::string& rule) {
    if (!holds) broken.push_back(rule);
  };
  int64_t lines = 0, charges = 0, allowances = 0, tax = 0;
  for (const Numbers::Line& line : n.lines) {
    lines += line.net;
    int64_t allowed = 0;
    for (const auto& allowance : line.allowances) {
      allowed += allowance.amount;
      require(allowance.amount >= 0 && !allowance.reason.empty(), "BR-42 " + line.id);
    }
    require(!line.price.IsNegative(), "BR-27 " + line.id);
    require(Gross(line, exponent) == Fraction::Of(line.net + allowed), "net of line " + line.id);
  }
  for (const auto& charge : n.charges) charges += charge.amount;
  for (const auto& allowance : n.allowances) allowances += allowance.amount;
  bool outside = false;
  for (const Numbers::Subtotal& subtotal : n.vat) {
    tax += subtotal.tax;
    int64_t taxable = 0;
    for (const Numbers::Line& line : n.lines) taxable += line.vat == subtotal.vat ? line.net : 0;
    for (const auto& one : n.charges) taxable += one.vat == subtotal.vat ? one.amount : 0;
    for (const auto& one : n.allowances) taxable -= one.vat == subtotal.vat ? one.amount : 0;
    const std::string& category = subtotal.vat.category;
    require(taxable == subtotal.taxable, absl::StrCat("BR-", category, "-08"));
    require(category == "S" || subtotal.tax == 0, absl::StrCat("BR-", category, "-09"));
    require(NeedsReason(category) != subtotal.reason.empty(), absl::StrCat("BR-", category, "-10"));
    outside = outside || category == "O";
  }
  require(!n.lines.empty(), "BR-16");
  require(!n.vat.empty(), "BR-CO-18");
  require(!outside || n.vat.size() == 1, "BR-O-11");
  require(n.line_total == lines, "BR-CO-10");
  require(n.allowance_total == allowances, "BR-CO-11");
  require(n.charge_total == charges, "BR-CO-12");
  require(n.exclusive == n.line_total - n.allowance_total + n.charge_total, "BR-CO-13");
  require(n.tax == tax, "BR-CO-14");
  require(n.inclusive == n.exclusive + n.tax, "BR-CO-15");
  require(n.payable == n.inclusive - n.prepaid + n.rounding, "BR-CO-16");
  return broken;
}

int64_t VatDeviation(const Numbers& numbers) {
  int64_t out = 0;
  for (const Numbers::Subtotal& subtotal : numbers.vat) {
    out = std::max<int64_t>(out, std::abs(subtotal.tax - TaxOf(subtotal)));
  }
  return out;
}

}  // namespace broadbill::invoicing
