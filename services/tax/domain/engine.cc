#include "services/tax/domain/engine.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "libs/money/allocate.h"
#include "libs/status/macros.h"

namespace broadbill::tax {
namespace {

bool Listed(const std::vector<std::string>& list, const std::string& value) {
  return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}

bool Covers(const std::string& prefix, const std::string& code) {
  return prefix.empty() || code == prefix ||
         (code.size() > prefix.size() && code.compare(0, prefix.size(), prefix) == 0 &&
          code[prefix.size()] == '-');
}

// The most specific entry that speaks about the class; nullptr: taxable.
const Taxability* Find(const std::vector<Taxability>& entries, const Rule& rule,
                       const std::string& tax_class, const Profile& profile) {
  const Taxability* best = nullptr;
  size_t best_score = 0;
  for (const Taxability& entry : entries) {
    const bool speaks =
        Covers(entry.jurisdiction_prefix, rule.jurisdiction_code) &&
        (entry.tax_code.empty() || entry.tax_code == rule.tax_code) &&
        (entry.tax_class.empty() || entry.tax_class == tax_class) &&
        (entry.customer_class.empty() || entry.customer_class == profile.customer_class) &&
        entry.valid.Contains(profile.date);
    if (!speaks) continue;
    const size_t score = 1 + entry.jurisdiction_prefix.size() + (entry.tax_code.empty() ? 0 : 100) +
                         (entry.customer_class.empty() ? 0 : 100) +
                         (entry.tax_class.empty() ? 0 : 1000);
    if (score > best_score) {
      best = &entry;
      best_score = score;
    }
  }
  return best;
}

// The exempt share of a line under certificates, in percent, with its reason.
std::pair<Decimal, std::string> ExemptShare(const Rule& rule, const TaxableLine& line,
                                            const Profile& profile) {
  Decimal share;
  std::string reason;
  if (profile.exemptions == nullptr) return {share, reason};
  for (const Exemption& exemption : *profile.exemptions) {
    const bool applies =
        exemption.valid.Contains(profile.date) && Listed(exemption.tax_codes, rule.tax_code) &&
        Listed(exemption.tax_classes, line.tax_class) &&
        (exemption.location_id.empty() || exemption.location_id == line.location_id) &&
        (exemption.jurisdiction_codes.empty() ||
         std::any_of(
             exemption.jurisdiction_codes.begin(), exemption.jurisdiction_codes.end(),
             [&](const std::string& code) { return Covers(code, rule.jurisdiction_code); }));
    if (applies && exemption.percent > share) {
      share = exemption.percent;
      reason = exemption.reason;
    }
  }
  return {share, reason};
}

// A line's taxed part and what is kept out of it, with the reason.
struct Division {
  int64_t base = 0, exempt = 0;
  std::string reason, category;
};

absl::StatusOr<Division> Divide(const TaxableLine& line, const Rule& rule,
                                const std::vector<Taxability>& taxability, const Profile& profile) {
  const Taxability* entry = Find(taxability, rule, line.tax_class, profile);
  if (entry != nullptr && !entry->taxable) {
    return Division{0, line.net, entry->reason, entry->category.empty() ? "E" : entry->category};
  }
  const auto [percent, reason] = ExemptShare(rule, line, profile);
  Division out;
  ASSIGN_OR_RETURN(
      out.exempt,
      (Fraction::Of(line.net) * Fraction::Of(percent) * Fraction::Ratio(1, 100)).Round());
  if (out.exempt != 0) out.reason = reason;
  out.base = line.net - out.exempt;
  out.category = "E";
  return out;
}

// The amounts of a document while they are gathered.
class Gathering {
 public:
  // VAT states what it does not fall on in a category of its own; other taxes beside what they do.
  void Add(size_t line, const Rule& rule, const Division& division) {
    const bool apart = !rule.category.empty() && division.exempt != 0;
    if (!apart) {
      AddShare({line, division.base, division.exempt, 0}, Of(rule, rule.category, ""), division);
      return;
    }
    if (division.base != 0) {
      AddShare({line, division.base, 0, 0}, Of(rule, rule.category, ""), {});
    }
    AddShare({line, 0, division.exempt, 0}, Of(rule, division.category, division.reason), division);
  }

  std::vector<TaxAmount> Take() { return std::move(amounts_); }

 private:
  TaxAmount& Of(const Rule& rule, const std::string& category, const std::string& reason) {
    const auto [at, fresh] =
        index_.emplace(std::make_tuple(&rule, category, reason), amounts_.size());
    if (fresh) {
      amounts_.emplace_back();
      amounts_.back().rule = &rule;
      amounts_.back().category = category;
    }
    return amounts_[at->second];
  }

  static void AddShare(const LineShare& share, TaxAmount& out, const Division& division) {
    if (!division.reason.empty()) out.exempt_reason = division.reason;
    out.base += share.base;
    out.exempt += share.exempt;
    out.shares.push_back(share);
  }

  std::vector<TaxAmount> amounts_;
  std::map<std::tuple<const Rule*, std::string, std::string>, size_t> index_;
};

// The tax of a base before rounding.
Fraction Unrounded(const Rule& rule, int64_t base, size_t taxed_lines, int exponent) {
  if (rule.kind == RuleKind::kFixed) {
    return Fraction::MinorUnits(rule.amount, exponent) *
           Fraction::Of(static_cast<int64_t>(taxed_lines));
  }
  const Fraction rate =
      Fraction::Of(rule.rate) * Fraction::Ratio(1, 100) * Fraction::Of(rule.base_factor);
  if (rule.kind == RuleKind::kPercentOfGross) {
    // Inside the gross: tax = net × rate ÷ (1 − rate).
    const Fraction rest = Fraction::Of(int64_t{1}) - rate;
    const auto numerator = static_cast<int64_t>(rest.denominator());
    return Fraction::Of(base) * rate *
           Fraction::Ratio(numerator, std::max<int64_t>(1, static_cast<int64_t>(rest.numerator())));
  }
  return Fraction::Of(base) * rate;
}

absl::Status Finish(const Rule& rule, int exponent, TaxAmount& out) {
  size_t taxed = 0;
  int64_t sign = 0;
  for (const LineShare& share : out.shares) {
    if (share.base == 0) continue;
    ++taxed;
    sign += share.base;
  }
  if (rule.kind == RuleKind::kFixed && sign <= 0) taxed = 0;
  out.unrounded = Unrounded(rule, out.base, taxed, exponent);
  if (rule.round_level == RoundLevel::kEachLine) {
    for (LineShare& share : out.shares) {
      const Fraction part = Unrounded(rule, share.base, share.base > 0 ? 1 : 0, exponent);
      ASSIGN_OR_RETURN(share.amount, part.Round(rule.rounding));
      out.amount += share.amount;
    }
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(out.amount, out.unrounded.Round(rule.rounding));
  // Over the lines by largest remainder of their exact shares: floor each, then the largest rests.
  std::vector<int64_t> weights;
  int64_t negative = 0;
  for (const LineShare& share : out.shares) {
    weights.push_back(std::max<int64_t>(
        0, rule.kind == RuleKind::kFixed ? (share.base > 0 ? 1 : 0) : share.base));
    if (share.base < 0 && rule.kind != RuleKind::kFixed) {
      // Lines below zero (discounts) carry their own rounded share.
      const size_t at = weights.size() - 1;
      ASSIGN_OR_RETURN(out.shares[at].amount,
                       Unrounded(rule, share.base, 0, exponent).Round(rule.rounding));
      negative += out.shares[at].amount;
    }
  }
  const bool only_negative =
      std::all_of(weights.begin(), weights.end(), [](int64_t weight) { return weight == 0; });
  if (only_negative) {
    std::vector<int64_t> mirrored;
    for (LineShare& share : out.shares) mirrored.push_back(std::max<int64_t>(0, -share.base));
    const std::vector<int64_t> parts = Allocate(out.amount, mirrored);
    for (size_t i = 0; i < parts.size(); ++i) out.shares[i].amount = parts[i];
    return absl::OkStatus();
  }
  const std::vector<int64_t> parts = Allocate(out.amount - negative, weights);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (weights[i] > 0) out.shares[i].amount = parts[i];
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<TaxAmount>> Calculate(const std::vector<TaxableLine>& lines,
                                                 const std::vector<Taxability>& taxability,
                                                 const Profile& profile) {
  Gathering gathering;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].rules == nullptr) continue;
    for (const Rule* rule : *lines[i].rules) {
      // A rate of nothing is no tax, unless its category must stand on e-invoices (zero-rated VAT);
      // whole states list their places with rate 0.
      const bool nothing =
          rule->kind != RuleKind::kFixed && rule->rate.IsZero() && rule->category.empty();
      const bool applies = !nothing && rule->valid.Contains(profile.date) &&
                           Listed(rule->tax_classes, lines[i].tax_class) &&
                           Listed(rule->customer_classes, profile.customer_class);
      if (!applies) continue;
      ASSIGN_OR_RETURN(const Division division, Divide(lines[i], *rule, taxability, profile));
      gathering.Add(i, *rule, division);
    }
  }
  std::vector<TaxAmount> out = gathering.Take();
  for (TaxAmount& amount : out) {
    RETURN_IF_ERROR(Finish(*amount.rule, profile.currency_exponent, amount));
  }
  std::stable_sort(out.begin(), out.end(), [](const TaxAmount& a, const TaxAmount& b) {
    const bool a_exempt = a.category != a.rule->category;
    const bool b_exempt = b.category != b.rule->category;
    return std::tie(a.rule->level, a.rule->jurisdiction_code, a.rule->tax_code, a_exempt) <
           std::tie(b.rule->level, b.rule->jurisdiction_code, b.rule->tax_code, b_exempt);
  });
  return out;
}

}  // namespace broadbill::tax
