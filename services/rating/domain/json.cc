#include "services/rating/domain/json.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "libs/csv/reader.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

constexpr int kLevelsMost = 32;

void AppendUtf8(uint32_t code, std::string& out) {
  const auto put = [&out](uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | (code >> 6));
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3f));
    put(0x80 | ((code >> 6) & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<JsonValue> Parse() {
    JsonValue out;
    RETURN_IF_ERROR(Value(0, out));
    SkipBlanks();
    if (at_ < text_.size()) return Wrong("more text after the value");
    return out;
  }

 private:
  absl::Status Wrong(const std::string& what) const {
    return InvalidArgumentError("MALFORMED_JSON", absl::StrCat("byte ", at_ + 1, ": ", what));
  }
  void SkipBlanks() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }
  bool Take(char c) {
    SkipBlanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool TakeWord(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  absl::Status Value(int level, JsonValue& out) {
    if (level > kLevelsMost) return Wrong("nested too deeply");
    SkipBlanks();
    if (at_ >= text_.size()) return Wrong("a value is missing");
    const char c = text_[at_];
    if (c == '{') return Object(level, out);
    if (c == '[') return Array(level, out);
    if (c == '"') {
      out.kind = JsonValue::Kind::kString;
      return String(out.text);
    }
    if (c == '-' || IsDigit(c)) return Number(out);
    for (const char* word : {"true", "false"}) {
      if (!TakeWord(word)) continue;
      out.kind = JsonValue::Kind::kBool;
      out.text = word;
      return absl::OkStatus();
    }
    if (TakeWord("null")) return absl::OkStatus();
    return Wrong("no value begins so");
  }

  absl::Status Object(int level, JsonValue& out) {
    out.kind = JsonValue::Kind::kObject;
    ++at_;
    if (Take('}')) return absl::OkStatus();
    do {
      SkipBlanks();
      if (at_ >= text_.size() || text_[at_] != '"') return Wrong("a field's name is missing");
      auto& [name, value] = out.fields.emplace_back();
      RETURN_IF_ERROR(String(name));
      if (!Take(':')) return Wrong("':' is missing");
      RETURN_IF_ERROR(Value(level + 1, value));
    } while (Take(','));
    return Take('}') ? absl::OkStatus() : Wrong("'}' is missing");
  }

  absl::Status Array(int level, JsonValue& out) {
    out.kind = JsonValue::Kind::kArray;
    ++at_;
    if (Take(']')) return absl::OkStatus();
    do {
      RETURN_IF_ERROR(Value(level + 1, out.items.emplace_back()));
    } while (Take(','));
    return Take(']') ? absl::OkStatus() : Wrong("']' is missing");
  }

  absl::Status Number(JsonValue& out) {
    out.kind = JsonValue::Kind::kNumber;
    const size_t from = at_;
    const auto digits = [this] {
      const size_t first = at_;
      while (at_ < text_.size() && IsDigit(text_[at_])) ++at_;
      return at_ > first;
    };
    if (text_[at_] == '-') ++at_;
    const bool zero = at_ < text_.size() && text_[at_] == '0';
    const size_t whole = at_;
    if (!digits() || (zero && at_ > whole + 1)) return Wrong("no number");
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      if (!digits()) return Wrong("no number");
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (!digits()) return Wrong("no number");
    }
    out.text = std::string(text_.substr(from, at_ - from));
    return absl::OkStatus();
  }

  bool Hex4(uint32_t& out) {
    if (text_.size() - at_ < 4) return false;
    out = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = text_[at_++];
      const int digit = IsDigit(c)             ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return false;
      out = out * 16 + static_cast<uint32_t>(digit);
    }
    return true;
  }

  // Behind "\u".
  absl::Status Unicode(std::string& out) {
    uint32_t code = 0;
    if (!Hex4(code)) return Wrong("\\u takes four hexadecimal digits");
    if (code >= 0xd800 && code < 0xdc00) {
      uint32_t low = 0;
      if (!TakeWord("\\u") || !Hex4(low) || low < 0xdc00 || low > 0xdfff) {
        return Wrong("half a surrogate pair");
      }
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code <= 0xdfff) {
      return Wrong("half a surrogate pair");
    }
    AppendUtf8(code, out);
    return absl::OkStatus();
  }

  absl::Status String(std::string& out) {
    static constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
    ++at_;
    while (at_ < text_.size() && text_[at_] != '"') {
      const char c = text_[at_];
      if (static_cast<unsigned char>(c) < 0x20) return Wrong("a control character in a string");
      ++at_;
      if (c != '\\') {
        out += c;
        continue;
      }
      if (at_ >= text_.size()) break;
      const char escaped = text_[at_++];
      if (escaped == 'u') {
        RETURN_IF_ERROR(Unicode(out));
        continue;
      }
      const size_t which = kEscapes.find(escaped);
      if (which == std::string_view::npos) return Wrong("no such escape");
      out += kMeant[which];
    }
    if (at_ >= text_.size()) return Wrong("a string does not end");
    ++at_;
    return csv::IsText(out) ? absl::OkStatus() : Wrong("a string that is no UTF-8 text");
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

const JsonValue* JsonValue::Find(std::string_view name) const {
  for (const auto& [field, value] : fields) {
    if (field == name) return &value;
  }
  return nullptr;
}

std::string JsonValue::TextOf(std::string_view name) const {
  const JsonValue* value = Find(name);
  const bool has =
      value != nullptr && (value->kind == Kind::kString || value->kind == Kind::kNumber);
  return has ? value->text : "";
}

absl::StatusOr<JsonValue> ParseJson(std::string_view text) { return Parser(text).Parse(); }

}  // namespace broadbill::rating
