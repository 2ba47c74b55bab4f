#include "services/rating/domain/deck_file.h"

#include <optional>
#include <tuple>
#include <utility>

#include "libs/csv/reader.h"
#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

class DeckReader {
 public:
  DeckReader(csv::Header header, CivilDay valid_from, const std::set<std::string>& windows)
      : header_(std::move(header)), valid_from_(valid_from), windows_(windows) {}

  Parsed<DeckRate> Read(csv::Reader& reader) {
    for (csv::Row row; reader.Next(row);) {
      ++out_.read;
      if (auto wrong = header_.Check(row); wrong.has_value()) {
        out_.errors.push_back(*std::move(wrong));
      } else {
        ReadRow(row);
      }
    }
    return std::move(out_);
  }

 private:
  void Refuse(const csv::Row& row, const char* column, const std::string& message,
              const char* reason = "INVALID_VALUE") {
    out_.errors.push_back({row.line, column, header_.Get(row, column), reason, message});
  }

  bool Amount(const csv::Row& row, const char* column, bool required, int64_t& out) {
    constexpr int64_t kMicro = Decimal::kScale / 1'000'000;
    const std::string text = header_.Get(row, column);
    if (text.empty() && !required) return true;
    const auto value = Decimal::Parse(text);
    const bool fits = value.ok() && !value->IsNegative() && value->scaled() % kMicro == 0 &&
                      value->scaled() / kMicro <= kRateMicrosMax;
    if (!fits) {
      Refuse(row, column, "must be an amount of 0 to 1000000000 with at most 6 decimals");
    } else {
      out = static_cast<int64_t>(value->scaled() / kMicro);
    }
    return fits;
  }

  bool Seconds(const csv::Row& row, const char* column, int32_t& out) {
    const std::string text = header_.Get(row, column);
    if (text.empty()) return true;
    const bool digits =
        text.size() <= 5 && text.find_first_not_of("0123456789") == std::string::npos;
    const int value = digits ? std::stoi(text) : 0;
    if (value < 1) Refuse(row, column, "must be a number of seconds, 1 or more");
    if (value >= 1) out = value;
    return value >= 1;
  }

  bool Day(const csv::Row& row, const char* column, CivilDay& out) {
    const std::string text = header_.Get(row, column);
    if (text.empty()) return true;
    const auto day = ParseDate(text);
    if (!day.ok()) Refuse(row, column, "must be a date like 2026-03-01");
    if (day.ok()) out = *day;
    return day.ok();
  }

  void ReadRow(const csv::Row& row) {
    DeckRate rate;
    rate.prefix = header_.Get(row, "prefix");
    if (!rate.prefix.empty() && rate.prefix[0] == '+') rate.prefix.erase(0, 1);
    rate.destination = header_.Get(row, "destination");
    rate.valid_from = valid_from_;
    const bool digits = !rate.prefix.empty() && rate.prefix.size() <= 18 &&
                        rate.prefix.find_first_not_of("0123456789") == std::string::npos;
    if (!digits) return Refuse(row, "prefix", "must be 1 to 18 digits of an E.164 number");
    if (rate.destination.empty()) {
      return Refuse(row, "destination", "must not be empty", "MISSING_VALUE");
    }
    if (rate.destination.size() > kNameBytesMax) {
      return Refuse(row, "destination", "must have at most 200 bytes");
    }
    const bool ok = Amount(row, "rate_per_minute", true, rate.per_minute_micros) &&
                    Amount(row, "connect_fee", false, rate.connect_micros) &&
                    Amount(row, "minimum", false, rate.minimum_micros) &&
                    Seconds(row, "first_increment", rate.first_increment) &&
                    Seconds(row, "next_increment", rate.next_increment) &&
                    Day(row, "valid_from", rate.valid_from) &&
                    Day(row, "valid_to", rate.valid_to) && ReadSteps(row, rate);
    if (!ok) return;
    if (rate.valid_to <= rate.valid_from) {
      return Refuse(row, "valid_to", "must be after valid_from");
    }
    if (!keys_.insert({rate.prefix, rate.valid_from, rate.window}).second) {
      return Refuse(row, "prefix", "stands twice in the file for the same first day",
                    "DUPLICATE_ROW");
    }
    out_.records.push_back(std::move(rate));
  }

  // Window, maximum, and the rate from some second on.
  bool ReadSteps(const csv::Row& row, DeckRate& rate) {
    rate.window = header_.Get(row, "window");
    if (!rate.window.empty() && windows_.count(rate.window) == 0) {
      Refuse(row, "window", "must be a name of the deck's windows");
      return false;
    }
    int64_t maximum = 0;
    if (!Amount(row, "maximum", false, maximum)) return false;
    if (!header_.Get(row, "maximum").empty()) rate.maximum_micros = maximum;
    const bool ok = Seconds(row, "step_from", rate.step_from) &&
                    Seconds(row, "step_increment", rate.step_increment) &&
                    Amount(row, "step_rate_per_minute", false, rate.step_per_minute_micros);
    if (ok && rate.step_from == 0 && !header_.Get(row, "step_rate_per_minute").empty()) {
      Refuse(row, "step_from", "is required where step_rate_per_minute is given");
      return false;
    }
    return ok;
  }

  const csv::Header header_;
  const CivilDay valid_from_;
  const std::set<std::string>& windows_;
  std::set<std::tuple<std::string, CivilDay, std::string>> keys_;  // prefix, first day, window
  Parsed<DeckRate> out_;
};

}  // namespace

absl::StatusOr<Parsed<DeckRate>> ParseDeck(std::string_view text, CivilDay valid_from,
                                           const std::set<std::string>& windows) {
  csv::Reader reader(text);
  ASSIGN_OR_RETURN(csv::Header header,
                   csv::Header::Read(reader, {"prefix", "destination", "rate_per_minute"},
                                     {"connect_fee", "first_increment", "next_increment", "minimum",
                                      "maximum", "valid_from", "valid_to", "window", "step_from",
                                      "step_rate_per_minute", "step_increment"}));
  return DeckReader(std::move(header), valid_from, windows).Read(reader);
}

}  // namespace broadbill::rating
