#include "tests/properties/books.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "tests/properties/naive.h"

namespace broadbill::properties {
namespace {

using invoicing::Line;
using invoicing::LineKind;
using invoicing::Piece;

// Some of its terms are in arrears, and it was to end some day.
bool MayBeEarly(const History& history) {
  bool arrears = history.terms.arrears;
  bool ends = false;
  for (const Step& step : history.steps) {
    arrears = arrears || step.arrears.value_or(false);
    ends = ends || step.kind == StepKind::kCancel || step.kind == StepKind::kCycleDay ||
           step.recurrence.has_value();
  }
  return arrears && ends;
}

std::string Text(const DateSet& days) {
  std::string out;
  for (const DateInterval& one : days.intervals()) absl::StrAppend(&out, " ", one.ToString());
  return out;
}

}  // namespace

std::string Books::Run(size_t count, CivilDay as_of) {
  const invoicing::Item item = ItemAfter(history_, count);
  const invoicing::Schedules schedules = SchedulesAfter(history_, count);
  const auto bill = BillItem(item, schedules, pieces_, as_of, history_.ahead, history_.exponent);
  if (!bill.ok()) return absl::StrCat("cannot bill: ", bill.status().message());
  const invoicing::AccountTerms terms{schedules, {}, history_.ahead, history_.exponent};
  if (auto broken = settled_.Compare({item}, terms, {&pieces_}, as_of, {*bill}); !broken.empty()) {
    return broken;
  }
  settled_.Keep({item}, terms, {*bill});
  if (std::string broken = Enter(*bill); !broken.empty()) return broken;
  const auto again = BillItem(item, schedules, pieces_, as_of, history_.ahead, history_.exponent);
  if (!again.ok()) return absl::StrCat("cannot bill again: ", again.status().message());
  if (!again->lines.empty() || again->changed) {
    return absl::StrCat("a second run makes ", again->lines.size(), " lines, first ",
                        again->lines.empty() ? "" : again->lines[0].derivation);
  }
  for (const auto& check : {&Books::CheckPieces, &Books::CheckLines, &Books::CheckCoverage}) {
    if (std::string broken = (this->*check)(); !broken.empty()) return broken;
  }
  return "";
}

std::string Books::Enter(const invoicing::ItemBill& bill) {
  Document document;
  document.before = pieces_;
  document.lines = bill.lines;
  pieces_ = bill.pieces;
  for (const Line& line : bill.lines) {
    Uuid id;
    ++next_id_;
    for (size_t i = 0; i < 4; ++i) id.bytes[15 - i] = static_cast<uint8_t>(next_id_ >> (8 * i));
    document.ids.push_back(id);
    if (line.piece < 0) continue;
    if (static_cast<size_t>(line.piece) >= pieces_.size()) return "a line of no piece";
    pieces_[static_cast<size_t>(line.piece)].line_id = id;
  }
  documents_.push_back(std::move(document));
  return "";
}

void Books::Void() {
  if (documents_.empty()) return;
  pieces_ = documents_.back().before;
  settled_.Forget();
  documents_.pop_back();
}

int64_t Books::total() const {
  int64_t out = 0;
  for (const Document& document : documents_) {
    for (const Line& line : document.lines) out += line.amount;
  }
  return out;
}

size_t Books::lines() const {
  size_t out = 0;
  for (const Document& document : documents_) out += document.lines.size();
  return out;
}

std::string Books::CheckPieces() const {
  int64_t days = 0;
  // By period: a piece that several lines share keeps discounts by days, not by value.
  std::map<std::pair<CivilDay, CivilDay>, int64_t> net;
  for (const Piece& piece : pieces_) {
    days += piece.days.days();
    if (piece.days.empty()) return "a piece without days";
    if (piece.value < 0) return absl::StrCat("a piece of ", piece.value);
    int64_t& left = net[{piece.base.start, piece.base.end}];
    left += piece.value;
    for (const auto& discount : piece.discounts) {
      if (discount.value < 0) return "a discount below zero";
      left -= discount.value;
    }
  }
  for (const auto& [base, left] : net) {
    if (history_.Actual() && left < 0) return absl::StrCat("discounts exceed a period by ", -left);
  }
  if (CoveredDays(pieces_).days() != days) return "pieces overlap";
  return "";
}

std::string Books::CheckLines() const {
  std::map<Uuid, int64_t> left;
  std::map<Uuid, DateInterval> charged;
  for (const Document& document : documents_) {
    for (size_t i = 0; i < document.lines.size(); ++i) {
      const Line& line = document.lines[i];
      if (line.kind == LineKind::kRecurring) {
        if (line.amount < 0) return absl::StrCat("a charge of ", line.amount);
        left[document.ids[i]] = line.amount;
        charged[document.ids[i]] = line.days;
      } else if (line.kind == LineKind::kCredit) {
        if (line.amount > 0) return absl::StrCat("a credit of ", line.amount);
        if (left.count(line.corrects_line) == 0) {
          return absl::StrCat("a credit ", line.days.ToString(), " of no charge");
        }
        left[line.corrects_line] += line.amount;
        if (left[line.corrects_line] < 0) {
          return absl::StrCat("credits exceed the line ", charged[line.corrects_line].ToString(),
                              " by ", -left[line.corrects_line]);
        }
      }
    }
  }
  for (const Piece& piece : pieces_) {
    if (charged.count(piece.line_id) == 0) {
      return absl::StrCat("covered days ", piece.days.ToString(), " of no line");
    }
  }
  return "";
}

// Charges add their days, credits take theirs away. What is left is covered; only days that gave
// back nothing (worth 0.00, or by a setting) may have lost their coverage without a line.
std::string Books::CheckCoverage() const {
  DateSet days;
  for (const Document& document : documents_) {
    for (const Line& line : document.lines) {
      if (line.kind == LineKind::kCredit) days.Subtract(line.days);
    }
    for (const Line& line : document.lines) {
      if (line.kind == LineKind::kRecurring) days.Add(line.days);
    }
  }
  DateSet unpaid = CoveredDays(pieces_);
  for (const DateInterval& paid : days.intervals()) unpaid.Subtract(paid);
  if (!unpaid.empty()) return absl::StrCat("covered without a charge:", Text(unpaid));
  return "";
}

std::string Judge(const History& history, int64_t* lines) {
  Books books(history);
  for (size_t i = 0; i < history.steps.size(); ++i) {
    const Step& step = history.steps[i];
    if (step.kind == StepKind::kVoid) books.Void();
    if (step.kind != StepKind::kRun) continue;
    if (std::string broken = books.Run(i, step.day); !broken.empty()) {
      return absl::StrCat("run as of ", FormatDate(step.day), ": ", broken);
    }
  }
  const size_t all = history.steps.size();
  if (std::string broken = books.Run(all, history.last); !broken.empty()) {
    return absl::StrCat("last run: ", broken);
  }
  if (lines != nullptr) *lines += static_cast<int64_t>(books.lines());
  Books straight(history);
  if (std::string broken = straight.Run(all, history.last); !broken.empty()) {
    return absl::StrCat("a single run: ", broken);
  }
  const DateSet covered = CoveredDays(books.pieces());
  const bool alike = covered == CoveredDays(straight.pieces());
  if (alike && books.total() != straight.total()) {
    return absl::StrCat("billed ", books.total(), ", a single run bills ", straight.total());
  }
  // Arrears that ended, were billed and go on after all are covered early.
  if (!alike && !MayBeEarly(history)) {
    return absl::StrCat("covered", Text(covered), ", a single run covers",
                        Text(CoveredDays(straight.pieces())));
  }
  if (!history.Actual()) return "";
  const NaiveBill naive = BillNaively(history, covered);
  DateSet missing = naive.due;
  for (const DateInterval& days : covered.intervals()) missing.Subtract(days);
  if (!missing.empty()) return absl::StrCat("not covered:", Text(missing));
  if (!(naive.served == covered)) {
    return absl::StrCat("covered", Text(covered), ", served", Text(naive.served));
  }
  // What changes on early days waits until their period is over.
  if (naive.served == naive.due && books.total() != naive.total) {
    return absl::StrCat("billed ", books.total(), ", the days served cost ", naive.total);
  }
  return "";
}

}  // namespace broadbill::properties
