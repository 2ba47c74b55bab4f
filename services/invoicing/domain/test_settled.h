#pragma once

// For tests: a bill that leaves settled periods out is the bill of all periods.

#include <algorithm>
#include <string>
#include <vector>

#include "services/invoicing/domain/settled.h"

namespace broadbill::invoicing {

class SettledCheck {
 public:
  // What is settled after these bills were kept.
  void Keep(const std::vector<Item>& items, const AccountTerms& terms,
            const std::vector<ItemBill>& bills) {
    settled_.resize(items.size());
    for (size_t i = 0; i < items.size(); ++i) {
      if (!bills[i].changed) continue;
      settled_[i] = {};
      if (bills[i].settled_through.has_value()) {
        settled_[i] = {BasisOf(items[i], terms), *bills[i].settled_through};
      }
    }
  }
  void Forget() { settled_.clear(); }
  int64_t left_out() const { return left_out_; }

  // "" or what differs from the bill of everything.
  std::string Compare(const std::vector<Item>& items, const AccountTerms& terms,
                      const std::vector<const std::vector<Piece>*>& states, CivilDay as_of,
                      const std::vector<ItemBill>& whole) {
    settled_.resize(items.size());
    std::vector<std::vector<Piece>> heads(items.size()), tails(items.size());
    std::vector<const std::vector<Piece>*> covered;
    std::vector<CivilDay> from;
    for (size_t i = 0; i < items.size(); ++i) {
      const bool settled = IsSettled(settled_[i], BasisOf(items[i], terms), as_of);
      from.push_back(settled ? settled_[i].through : CivilDay::min());
      for (const Piece& piece : *states[i]) {
        (piece.days.start < from[i] ? heads : tails)[i].push_back(piece);
      }
      left_out_ += static_cast<int64_t>(heads[i].size());
      covered.push_back(&tails[i]);
    }
    const auto bills = BillAccount(items, terms, covered, as_of, from);
    if (!bills.ok()) return std::string(bills.status().message());
    for (size_t i = 0; i < items.size(); ++i) {
      const ItemBill& part = (*bills)[i];
      std::vector<Piece> pieces = heads[i];
      pieces.insert(pieces.end(), part.pieces.begin(), part.pieces.end());
      if (part.changed != whole[i].changed) return "settled: whether anything changes";
      if (!(pieces == whole[i].pieces)) return "settled: the pieces afterwards";
      if (!(part.replaced == whole[i].replaced)) return "settled: what is replaced";
      if (part.fresh != whole[i].fresh || part.now != whole[i].now) return "settled: when";
      if (!(part.late == whole[i].late)) return "settled: late days";
      if (part.lines.size() != whole[i].lines.size()) return "settled: the number of lines";
      for (size_t k = 0; k < part.lines.size(); ++k) {
        const Line& a = part.lines[k];
        const Line& b = whole[i].lines[k];
        if (a.amount != b.amount || !(a.days == b.days) || a.derivation != b.derivation ||
            !(a.corrects_line == b.corrects_line) || a.parent != b.parent) {
          return "settled: a line: " + a.derivation + " instead of " + b.derivation;
        }
      }
    }
    return "";
  }

 private:
  std::vector<Settled> settled_;
  int64_t left_out_ = 0;
};

}  // namespace broadbill::invoicing
