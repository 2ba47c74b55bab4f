#include "services/rating/domain/freeswitch.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/rating/domain/json.h"

namespace broadbill::rating {
namespace {

constexpr size_t kColumns = 15;
constexpr std::array<const char*, kColumns> kNames = {
    "caller_id_name", "caller_id_number", "destination_number", "context",    "start_stamp",
    "answer_stamp",   "end_stamp",        "duration",           "billsec",    "hangup_cause",
    "uuid",           "bleg_uuid",        "accountcode",        "read_codec", "write_codec"};
constexpr size_t kCalling = 1, kCalled = 2, kAnswer = 5, kBillsec = 8, kUuid = 10, kAccount = 12;

bool ToWhole(const std::string& text, int64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= 0;
}

// The next line of `text`, without its break; whether it had one.
std::pair<std::string_view, bool> TakeLine(std::string_view& text) {
  const size_t end = text.find('\n');
  const bool whole = end != std::string_view::npos;
  std::string_view line = text.substr(0, end);
  text.remove_prefix(whole ? end + 1 : text.size());
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return {line, whole};
}

using Refuse = std::function<void(const char* column, const std::string& value, const char* why)>;

// What the texts of a record may be.
bool CheckTexts(const CallRecord& record, const std::string& uuid, const Refuse& refuse) {
  for (const auto& [column, text] :
       {std::pair("uuid", &uuid), std::pair("caller_id_number", &record.calling),
        std::pair("destination_number", &record.called),
        std::pair("accountcode", &record.account_code)}) {
    if (!csv::IsText(*text) || text->size() > kNameBytesMax) {
      refuse(column, *text, "must be UTF-8 of at most 200 bytes");
      return false;
    }
  }
  if (uuid.empty()) refuse("uuid", "", "must not be empty");
  return !uuid.empty();
}

// False when the row is refused or needs no rating.
bool ReadRow(const csv::Row& row, absl::TimeZone zone, CallRecord& record, int64_t& skipped,
             const Refuse& refuse) {
  if (row.problem != csv::Problem::kNone) {
    refuse("", "", "is no row: a quote is open, or it is no UTF-8 text");
    return false;
  }
  if (row.fields.size() != kColumns) {
    refuse("", absl::StrCat(row.fields.size()), "the row must have 15 columns");
    return false;
  }
  if (!ToWhole(row.fields[kBillsec], record.seconds) || record.seconds > UINT32_MAX) {
    refuse(kNames[kBillsec], row.fields[kBillsec], "must be a number of seconds");
    return false;
  }
  if (row.fields[kAnswer].empty() || record.seconds == 0) {
    ++skipped;
    return false;
  }
  std::string error;
  if (!absl::ParseTime("%Y-%m-%d %H:%M:%S", row.fields[kAnswer], zone, &record.answered, &error) ||
      !IsRecordTime(record.answered)) {
    refuse(kNames[kAnswer], row.fields[kAnswer], "must be a time like 2026-03-01 12:00:00");
    return false;
  }
  record.calling = row.fields[kCalling];
  record.called = row.fields[kCalled];
  record.account_code = row.fields[kAccount];
  record.key = absl::StrCat("freeswitch:", row.fields[kUuid]);
  return CheckTexts(record, row.fields[kUuid], refuse);
}

std::string PercentDecoded(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    uint8_t byte = 0;
    const char* from = text.data() + i + 1;
    const bool two = text[i] == '%' && i + 2 < text.size();
    if (two && std::from_chars(from, from + 2, byte, 16).ptr == from + 2) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// False when the record is refused or needs no rating.
bool ReadJson(const JsonValue& value, CallRecord& record, int64_t& skipped, const Refuse& refuse) {
  const JsonValue* variables = value.Find("variables");
  if (variables == nullptr) {
    refuse("variables", "", "is missing: no record of mod_json_cdr");
    return false;
  }
  const auto text = [&](const char* name) { return PercentDecoded(variables->TextOf(name)); };
  int64_t answer = 0;
  int64_t end = 0;
  for (const auto& [name, to] :
       {std::pair("answer_uepoch", &answer), std::pair("end_uepoch", &end)}) {
    const std::string given = text(name);
    if (!given.empty() && !ToWhole(given, *to)) {
      refuse(name, given, "must be microseconds since 1970");
      return false;
    }
  }
  const bool other_leg = !text("originator").empty() || !text("originating_leg_uuid").empty();
  if (answer == 0 || end <= answer || other_leg) {
    ++skipped;
    return false;
  }
  record.answered = absl::FromUnixMicros(answer);
  const int64_t micros = end - answer;
  record.seconds = micros / 1'000'000 + (micros % 1'000'000 > 0 ? 1 : 0);
  // What the switch itself bills, as its CSV says it.
  const std::string billed = text("billsec");
  if (!billed.empty() && !ToWhole(billed, record.seconds)) {
    refuse("billsec", billed, "must be whole seconds");
    return false;
  }
  if (record.seconds == 0) {
    ++skipped;
    return false;
  }
  if (!IsRecordTime(record.answered)) {
    refuse("answer_uepoch", text("answer_uepoch"), "is not between 1970 and 9999");
    return false;
  }
  if (record.seconds > UINT32_MAX) {
    refuse(billed.empty() ? "end_uepoch" : "billsec", billed.empty() ? text("end_uepoch") : billed,
           "is more than 32 bits of seconds behind the answer");
    return false;
  }
  const JsonValue* flow = value.Find("callflow");
  // The latest stands first: what the call came to after transfers.
  const JsonValue* first = flow == nullptr || flow->items.empty() ? flow : &flow->items.front();
  const JsonValue* profile = first == nullptr ? nullptr : first->Find("caller_profile");
  const auto number = [&](const char* name) {
    const std::string own = text(name);
    return own.empty() && profile != nullptr ? PercentDecoded(profile->TextOf(name)) : own;
  };
  record.calling = number("caller_id_number");
  record.called = number("destination_number");
  record.account_code = text("accountcode");
  const std::string uuid = text("uuid");
  record.key = absl::StrCat("freeswitch:", uuid);
  return CheckTexts(record, uuid, refuse);
}

}  // namespace

absl::StatusOr<Parsed<CallRecord>> ParseFreeswitchCsv(std::string_view text, absl::TimeZone zone) {
  RETURN_IF_ERROR(csv::CheckReadable(text));
  Parsed<CallRecord> out;
  size_t widest = 0;
  for (int64_t number = 1; !text.empty(); ++number) {
    const auto [line, whole] = TakeLine(text);
    // Every record is a line, so that a stray quote spoils no other record.
    csv::Reader reader(line);
    csv::Row row;
    if (!reader.Next(row)) continue;
    ++out.read;
    widest = std::max(widest, row.fields.size());
    const auto refuse = [&, number](const char* column, const std::string& value, const char* why) {
      out.errors.push_back({number, column, value, "INVALID_VALUE", why});
    };
    CallRecord record;
    record.line = number;
    if (!whole) {
      refuse("", "", "the line is still being written; load the file again when it is whole");
    } else if (ReadRow(row, zone, record, out.skipped, refuse)) {
      out.records.push_back(std::move(record));
    }
  }
  if (widest == 0 || widest >= kColumns) return out;
  return InvalidArgumentError("MISSING_COLUMN",
                              "no line has the 15 columns of mod_cdr_csv's default template");
}

absl::StatusOr<Parsed<CallRecord>> ParseFreeswitchJson(std::string_view text) {
  RETURN_IF_ERROR(csv::CheckReadable(text));
  Parsed<CallRecord> out;
  bool any = false;
  for (int64_t number = 1; !text.empty(); ++number) {
    const auto [line, whole] = TakeLine(text);
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    ++out.read;
    const auto refuse = [&, number](const char* column, const std::string& value, const char* why) {
      out.errors.push_back({number, column, value, "INVALID_VALUE", why});
    };
    const auto value = ParseJson(line);
    CallRecord record;
    record.line = number;
    if (!value.ok()) {
      const std::string why(value.status().message());
      refuse("", "", why.c_str());
      continue;
    }
    any = any || value->Find("variables") != nullptr;
    if (ReadJson(*value, record, out.skipped, refuse)) out.records.push_back(std::move(record));
  }
  if (any || out.read == 0) return out;
  return InvalidArgumentError("MALFORMED_FILE", "no line is a record of mod_json_cdr");
}

}  // namespace broadbill::rating
