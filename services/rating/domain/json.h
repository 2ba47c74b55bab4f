#pragma once

// JSON as meters and switches send it (RFC 8259). Numbers stay the text they are, so that counters
// of 64 bits lose nothing.

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace broadbill::rating {

struct JsonField;

struct JsonValue {
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };
  Kind kind = Kind::kNull;
  std::string text;  // of a string, decoded; of a number or bool as it stands
  std::vector<JsonValue> items;
  std::vector<JsonField> fields;

  // The first field of that name; nullptr without one.
  const JsonValue* Find(std::string_view name) const;
  // The text of a field that is a string or a number; "" otherwise.
  std::string TextOf(std::string_view name) const;
};

struct JsonField {
  std::string name;
  JsonValue value;
};

// MALFORMED_JSON saying where. At most 32 levels deep; what follows the value but blanks is
// refused.
absl::StatusOr<JsonValue> ParseJson(std::string_view text);

}  // namespace broadbill::rating
