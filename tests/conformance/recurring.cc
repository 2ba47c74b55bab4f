#include "tests/conformance/recurring.h"

#include <catch2/catch.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/money/rounding.h"

namespace broadbill::conformance {

CivilDay Day(const std::string& text) {
  const auto day = ParseDate(text.substr(0, 10));
  INFO(text);
  REQUIRE(day.ok());
  return *day;
}

std::optional<Recurrence> FindRecurrence(const std::string& period) {
  static const std::map<std::string, Recurrence> kPeriods = {
      {"ANNUAL", {12, 0}},          {"QUARTERLY", {3, 0}},   {"MONTHLY", {1, 0}},
      {"BIANNUAL", {6, 0}},         {"BIMESTRIAL", {2, 0}},  {"WEEKLY", {0, 7}},
      {"BIWEEKLY", {0, 14}},        {"DAILY", {0, 1}},       {"THIRTY_DAYS", {0, 30}},
      {"THIRTY_ONE_DAYS", {0, 31}}, {"SIXTY_DAYS", {0, 60}}, {"NINETY_DAYS", {0, 90}},
      {"BIENNIAL", {24, 0}},        {"TRIENNIAL", {36, 0}},  {"SEMIANNUAL", {6, 0}},
      {"YEARLY", {12, 0}}};
  std::string upper = period;
  for (char& c : upper) c = absl::ascii_toupper(static_cast<unsigned char>(c));
  const auto found = kPeriods.find(upper);
  if (found == kPeriods.end()) return std::nullopt;
  return found->second;
}

Recurrence RecurrenceOf(const std::string& period) {
  const auto found = FindRecurrence(period);
  INFO(period);
  REQUIRE(found.has_value());
  return *found;
}

int64_t Cents(const std::string& text) {
  const auto value = Decimal::Parse(text[0] == '+' ? text.substr(1) : text);
  INFO(text);
  REQUIRE(value.ok());
  return static_cast<int64_t>(RoundDiv(value->scaled(), Decimal::kScale / 100));
}

std::string Span(const DateInterval& days) {
  return absl::StrCat("[", FormatDate(days.start), ",", FormatDate(days.end), ")");
}

invoicing::Item MakeItem(CivilDay start, CivilDay end, Recurrence recurrence, bool arrears,
                         const Decimal& price) {
  invoicing::Item item;
  invoicing::Segment segment;
  segment.days = {start, end};
  segment.terms.recurrence = recurrence;
  segment.terms.price = price;
  segment.terms.arrears = arrears;
  item.segments.push_back(segment);
  return item;
}

Biller::Biller(int cycle_day, AnchorRule rule) {
  schedules_.cycle_days.push_back({CivilDay(1970, 1, 1), cycle_day});
  schedules_.rule = rule;
}

std::vector<invoicing::Line> Biller::Run(const invoicing::Item& item, CivilDay as_of) {
  const auto bill = invoicing::BillItem(item, schedules_, pieces_, as_of, 0, 2);
  REQUIRE(bill.ok());
  pieces_ = bill->pieces;
  for (invoicing::Piece& piece : pieces_) {
    if (piece.line_id.IsNil()) piece.line_id.bytes[15] = ++next_line_;
  }
  std::vector<invoicing::Line> out;
  for (const invoicing::Line& line : bill->lines) {
    if (line.amount != 0) out.push_back(line);
  }
  return out;
}

namespace {

// One period of the charge's own length, stopped on the days that are not in `kept`.
invoicing::Item ItemOf(const Charged& charged, const DateSet& kept) {
  const DateInterval& days = charged.days;
  const Decimal price = Decimal::FromScaled(Int128{charged.amount} * (Decimal::kScale / 100));
  invoicing::Item item =
      MakeItem(days.start, days.end, Recurrence{0, static_cast<int>(days.days())}, false, price);
  const invoicing::Segment whole = item.segments.front();
  item.segments.clear();
  CivilDay from = days.start;
  const auto add = [&](CivilDay to, bool stopped) {
    if (to <= from) return;
    invoicing::Segment segment = whole;
    segment.days = {from, to};
    segment.suspended = stopped;
    segment.terms.suspension = invoicing::SuspensionMode::kStop;
    if (from > days.start) {
      segment.cause = stopped ? invoicing::Cause::kSuspend : invoicing::Cause::kResume;
    }
    item.segments.push_back(segment);
    from = to;
  };
  const DateSet inside = kept.Intersect(days);
  for (const DateInterval& part : inside.intervals()) {
    add(part.start, true);
    add(part.end, false);
  }
  add(days.end, true);
  return item;
}

}  // namespace

Repaired Repair(const Charged& charged, const DateSet& kept) {
  Biller biller(1);
  const CivilDay day = charged.days.start;
  DateSet whole;
  whole.Add(charged.days);
  biller.Run(ItemOf(charged, whole), day);
  if (!(charged.kept == whole)) biller.Run(ItemOf(charged, charged.kept), day);
  Repaired out;
  out.lines = biller.Run(ItemOf(charged, kept), day);
  out.pieces = biller.pieces();
  return out;
}

std::vector<invoicing::Line> ChargeRest(const Charged& charged, const DateSet& covered) {
  DateSet open;
  open.Add(charged.days);
  for (const DateInterval& days : covered.intervals()) open.Subtract(days);
  return Biller(1).Run(ItemOf(charged, open), charged.days.start);
}

}  // namespace broadbill::conformance
