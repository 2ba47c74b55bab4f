#pragma once

// Message templates: text with {{name}} placeholders. A name that the message does not have is an
// error when the template is stored, and empty when it is rendered.

#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"

namespace broadbill::notification {

using Values = std::map<std::string, std::string>;

// Replaces every {{name}}; blanks inside the braces are ignored. "{{{{" gives a literal "{{".
std::string Render(const std::string& text, const Values& values);

// INVALID_ARGUMENT naming the first placeholder that is not in `known`, or an unclosed "{{".
absl::Status CheckTemplate(const std::string& field, const std::string& text,
                           const std::set<std::string>& known);

}  // namespace broadbill::notification
