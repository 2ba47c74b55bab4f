#pragma once

// For tests: bills items in order, carries the coverage, and checks what must hold after every run.

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "services/invoicing/domain/bill.h"
#include "services/invoicing/domain/test_settled.h"

namespace broadbill::invoicing {

inline void Must(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

inline CivilDay D(const char* text) { return *ParseDate(text); }
inline Decimal Dec(const char* text) { return *Decimal::Parse(text); }

inline Terms Price(const char* price) {
  Terms terms;
  terms.plan_code = std::string("plan_") + price;
  terms.description = terms.plan_code;
  terms.price = Dec(price);
  return terms;
}

inline Item Make(std::vector<Segment> segments, uint8_t id = 1) {
  Item item;
  item.item_id.bytes[0] = id;
  item.segments = std::move(segments);
  return item;
}

inline Item Open(const char* from, Terms terms, uint8_t id = 1) {
  return Make({{{D(from), CivilDay::max()}, Cause::kStart, false, std::move(terms)}}, id);
}

inline Discount Off(const char* label, const char* value, const char* from = "2020-01-01",
                    CivilDay to = CivilDay::max()) {
  Discount out;
  out.label = label;
  for (size_t i = 0; i < out.label.size(); ++i)
    out.id.bytes[i % 16] = static_cast<uint8_t>(out.id.bytes[i % 16] + out.label[i]);
  std::string text = value;
  if (text.back() == '%') {
    text.pop_back();
    out.percent = Dec(text.c_str());
  } else {
    out.amount = Dec(value);
  }
  out.days = {D(from), to};
  return out;
}

inline const CivilDay kOpen = CivilDay::max();
inline const Schedules kDay1{{{CivilDay(1970, 1, 1), 1}}, AnchorRule::kCycleDayOnOrAfterStart};

// Every line as "start..end amount", discounts with "  Label" before.
class TestLedger {
 public:
  explicit TestLedger(AccountTerms terms = {kDay1}) : terms_(std::move(terms)) {}

  std::string Run(const Item& item, CivilDay as_of) { return Run(std::vector<Item>{item}, as_of); }
  std::string Run(const Item& item, const char* as_of) { return Run(item, D(as_of)); }
  std::string Run(const std::vector<Item>& items, const char* as_of) {
    return Run(items, D(as_of));
  }

  std::string Run(const std::vector<Item>& items, CivilDay as_of) {
    if (pieces.size() < items.size()) pieces.resize(items.size());
    auto bills = BillAccount(items, terms_, States(), as_of);
    Must(bills.ok(), "it cannot be billed");
    Must(settled_.Compare(items, terms_, States(), as_of, *bills).empty(),
         "the same when settled periods are left out");
    settled_.Keep(items, terms_, *bills);
    std::string out;
    for (size_t i = 0; i < items.size(); ++i) out += Keep((*bills)[i], pieces[i]);
    const auto again = BillAccount(items, terms_, States(), as_of);
    Must(again.ok(), "it cannot be billed again");
    Must(settled_.Compare(items, terms_, States(), as_of, *again).empty(),
         "again the same when settled periods are left out");
    for (const ItemBill& bill : *again) {
      Must(bill.lines.empty() && !bill.changed, "a second run bills nothing");
    }
    return out;
  }

  AccountTerms& terms() { return terms_; }

  std::vector<std::vector<Piece>> pieces;  // by item
  std::vector<Line> lines;                 // of the last run
  int64_t total = 0;

 private:
  std::vector<const std::vector<Piece>*> States() const {
    std::vector<const std::vector<Piece>*> out;
    for (const auto& state : pieces) out.push_back(&state);
    return out;
  }

  std::string Keep(const ItemBill& bill, std::vector<Piece>& state) {
    std::string out;
    std::vector<Uuid> ids;
    for (const Line& line : bill.lines) {
      Uuid id;
      ++made_;
      for (size_t b = 0; b < 4; ++b) id.bytes[15 - b] = static_cast<uint8_t>(made_ >> (8 * b));
      ids.push_back(id);
      out += (line.kind == LineKind::kDiscount ? "  " + line.description + " " : "") +
             line.days.ToString() + " " + std::to_string(line.amount) + "\n";
      total += line.amount;
      // A line and its discounts are a family that never falls below its credits.
      Uuid head = id;
      if (line.parent >= 0) head = ids[static_cast<size_t>(line.parent)];
      if (line.parent >= 0 && heads_.count(head) > 0) head = heads_[head];
      if (!line.corrects_line.IsNil()) head = line.corrects_line;
      heads_[id] = head;
      left_[head] += line.amount;
    }
    lines = bill.lines;
    for (const auto& [head, left] : left_) Must(left >= 0, "a line below its credits");
    state = bill.pieces;
    for (size_t i = 0; i < bill.lines.size(); ++i) {
      if (bill.lines[i].piece < 0) continue;
      Piece& piece = state[static_cast<size_t>(bill.lines[i].piece)];
      Must(piece.line_id.IsNil(), "days charged twice");
      piece.line_id = ids[i];
    }
    // Every covered day has a line, none is covered twice.
    int64_t days = 0;
    for (const Piece& piece : state) {
      days += piece.days.days();
      Must(!piece.line_id.IsNil(), "days without a line");
    }
    Must(CoveredDays(state).days() == days, "days covered twice");
    return out;
  }

  AccountTerms terms_;
  SettledCheck settled_;
  uint32_t made_ = 0;
  std::map<Uuid, Uuid> heads_;
  std::map<Uuid, int64_t> left_;
};

}  // namespace broadbill::invoicing
