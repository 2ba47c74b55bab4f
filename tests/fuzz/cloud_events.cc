// CloudEvents in JSON, one or a batch; and JSON itself.

#include "services/rating/domain/cloud_events.h"

#include <algorithm>
#include <cstdio>

#include "services/rating/domain/json.h"
#include "tests/fuzz/fuzz.h"

namespace broadbill::rating {
namespace {

using fuzz::Require;

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || c == '"' || c == '\\') {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", byte);
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string Write(const JsonValue& value) {
  using Kind = JsonValue::Kind;
  std::string out;
  const char* separator = "";
  switch (value.kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
    case Kind::kNumber:
      return value.text;
    case Kind::kString:
      return Quoted(value.text);
    case Kind::kArray:
      for (const JsonValue& item : value.items) {
        out += separator + Write(item);
        separator = ",";
      }
      return "[" + out + "]";
    case Kind::kObject:
      for (const auto& [name, field] : value.fields) {
        out += separator + Quoted(name) + ":" + Write(field);
        separator = ",";
      }
      return "{" + out + "}";
  }
  return out;
}

bool Same(const JsonValue& a, const JsonValue& b) {
  return a.kind == b.kind && a.text == b.text &&
         std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), Same) &&
         std::equal(a.fields.begin(), a.fields.end(), b.fields.begin(), b.fields.end(),
                    [](const auto& x, const auto& y) {
                      return x.name == y.name && Same(x.value, y.value);
                    });
}

void CheckEvent(const CloudEvent& event, size_t place) {
  Require(event.record.line == static_cast<int64_t>(place), "an event has its place");
  for (const auto& [attribute, why] : event.wrong)
    Require(!why.empty(), "it is said what is wrong");
  if (!event.wrong.empty()) return;
  const UsageEventRecord& record = event.record;
  fuzz::RequireName(record.id, 200);
  fuzz::RequireName(record.source, 200);
  fuzz::RequireName(record.subject, 200);
  fuzz::RequireTime(record.at);
  Require(record.octets >= 0, "octets are not negative");
  Require(record.type == "data" || record.type == "data.in" || record.type == "data.out",
          "the type is known");
}

}  // namespace

FUZZ_TARGET(cloud_events) {
  const auto value = ParseJson(input);
  if (value.ok()) {
    const auto again = ParseJson(Write(*value));
    Require(again.ok() && Same(*value, *again), "JSON as written out is the same");
  }
  const bool batch = value.ok() && value->kind == JsonValue::Kind::kArray;
  const auto events = ParseCloudEvents(input, batch, 100);
  Require(value.ok() || !events.ok(), "events are JSON");
  if (!events.ok()) return;
  Require(events->size() == (batch ? value->items.size() : 1), "every event is one");
  for (size_t i = 0; i < events->size(); ++i) CheckEvent((*events)[i], i);
}

}  // namespace broadbill::rating
