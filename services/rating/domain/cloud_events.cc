#include "services/rating/domain/cloud_events.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/rating/domain/json.h"

namespace broadbill::rating {
namespace {

bool ToOctets(const std::string& text, int64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= 0;
}

// What stands for the octets.
std::string OctetsText(const JsonValue& event) {
  const JsonValue* data = event.Find("data");
  if (data == nullptr) return "";
  if (data->kind == JsonValue::Kind::kObject) return data->TextOf("octets");
  const bool plain =
      data->kind == JsonValue::Kind::kNumber || data->kind == JsonValue::Kind::kString;
  return plain ? data->text : "";
}

CloudEvent Read(const JsonValue& event, int64_t index) {
  CloudEvent out;
  out.record.line = index;
  const auto wrong = [&](const char* attribute, const char* why) {
    out.wrong.emplace_back(attribute, why);
  };
  if (event.kind != JsonValue::Kind::kObject) {
    wrong("", "must be a JSON object");
    return out;
  }
  for (const auto& [name, member] :
       {std::pair("id", &UsageEventRecord::id), std::pair("source", &UsageEventRecord::source),
        std::pair("subject", &UsageEventRecord::subject)}) {
    std::string& text = out.record.*member;
    text = event.TextOf(name);
    if (text.empty()) wrong(name, "is required");
    if (text.size() > kNameBytesMax) wrong(name, "must have at most 200 bytes");
  }
  if (event.TextOf("specversion") != "1.0") wrong("specversion", "must be 1.0");
  out.record.type = event.TextOf("type");
  if (out.record.type == "data.total") out.record.type = "data";
  if (out.record.type != "data" && out.record.type != "data.in" && out.record.type != "data.out") {
    wrong("type", "must be data, data.in, data.out or data.total");
  }
  std::string error;
  const std::string time = event.TextOf("time");
  if (time.empty()) {
    wrong("time", "is required");
  } else if (!absl::ParseTime(absl::RFC3339_full, time, &out.record.at, &error) ||
             !IsRecordTime(out.record.at)) {
    wrong("time", "must be a time like 2026-03-01T12:00:00Z");
  }
  if (!ToOctets(OctetsText(event), out.record.octets)) {
    wrong("data", "must be a whole number of octets below 2^63, or an object with them in octets");
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<CloudEvent>> ParseCloudEvents(std::string_view text, bool batch,
                                                         size_t most) {
  ASSIGN_OR_RETURN(const JsonValue value, ParseJson(text));
  std::vector<CloudEvent> out;
  if (!batch) {
    if (value.kind != JsonValue::Kind::kObject) {
      return InvalidArgumentError("MALFORMED_JSON", "an event must be a JSON object");
    }
    out.push_back(Read(value, 0));
    return out;
  }
  if (value.kind != JsonValue::Kind::kArray) {
    return InvalidArgumentError("MALFORMED_JSON", "a batch must be a JSON array");
  }
  if (value.items.size() > most) {
    return InvalidArgumentError("OUT_OF_RANGE",
                                absl::StrCat("a batch has at most ", most, " events"));
  }
  for (size_t i = 0; i < value.items.size(); ++i) {
    out.push_back(Read(value.items[i], static_cast<int64_t>(i)));
  }
  return out;
}

}  // namespace broadbill::rating
