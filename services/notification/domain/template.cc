#include "services/notification/domain/template.h"

#include <functional>

#include "absl/strings/ascii.h"
#include "libs/status/error.h"

namespace broadbill::notification {
namespace {

// Calls `on_text` and `on_name` for the parts in order; false for an unclosed placeholder.
bool Walk(const std::string& text, const std::function<void(const std::string&)>& on_text,
          const std::function<void(const std::string&)>& on_name) {
  size_t at = 0;
  while (true) {
    const size_t open = text.find("{{", at);
    on_text(text.substr(at, open == std::string::npos ? open : open - at));
    if (open == std::string::npos) return true;
    if (text.compare(open, 4, "{{{{") == 0) {
      on_text("{{");
      at = open + 4;
      continue;
    }
    const size_t close = text.find("}}", open);
    if (close == std::string::npos) return false;
    std::string name = text.substr(open + 2, close - open - 2);
    absl::StripAsciiWhitespace(&name);
    on_name(name);
    at = close + 2;
  }
}

}  // namespace

std::string Render(const std::string& text, const Values& values) {
  std::string out;
  Walk(
      text, [&](const std::string& part) { out += part; },
      [&](const std::string& name) {
        const auto found = values.find(name);
        if (found != values.end()) out += found->second;
      });
  return out;
}

absl::Status CheckTemplate(const std::string& field, const std::string& text,
                           const std::set<std::string>& known) {
  std::string unknown;
  const bool closed = Walk(
      text, [](const std::string&) {},
      [&](const std::string& name) {
        if (unknown.empty() && known.count(name) == 0) unknown = name;
      });
  if (!closed) return InvalidField(field, "a placeholder '{{' is not closed");
  if (!unknown.empty()) return InvalidField(field, "unknown placeholder '" + unknown + "'");
  return absl::OkStatus();
}

}  // namespace broadbill::notification
