#pragma once

// Message templates. A name that the message does not have is an error when the template is stored,
// and empty when it is rendered.
//
//   {{name}}                  the value
//   {{#name}} … {{/name}}     the text between, when the value is not empty
//   {{^name}} … {{/name}}     the text between, when it is empty
//   {{{{                      a literal "{{"
//
// Blanks inside the braces are ignored; a section mark that stands alone on its line leaves no
// line.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace broadbill::notification {

using Values = std::map<std::string, std::string>;

enum class Escape { kNone, kHtml };

// Fills in the values, escaped as said.
std::string Render(const std::string& text, const Values& values, Escape escape = Escape::kNone);

// INVALID_ARGUMENT naming what is wrong in `field`: an unknown name, an unclosed "{{", a section
// that is not closed or closed in the wrong order.
absl::Status CheckTemplate(const std::string& field, const std::string& text,
                           const std::set<std::string>& known);

// The texts of one template. Keys in order of code, language, company.
struct TemplateText {
  std::string code;
  std::string language;  // BCP 47 tag; "" = every language
  std::string company;   // id as text; "" = every company
  std::string subject;
  std::string text;
  std::string html;  // "" = plain text only
  bool built_in = false;
};

// The template that holds: the company's own before everybody's, the exact language before its
// first part ("de" for "de-AT") before every language, own before built-in; for a code without any
// template
// ("reminder_2") the same of its family ("reminder"). Languages compare without regard to case.
// Nothing for a code of no family.
std::optional<TemplateText> ChooseTemplate(const std::vector<TemplateText>& own,
                                           const std::string& code, const std::string& language,
                                           const std::string& company);

}  // namespace broadbill::notification
