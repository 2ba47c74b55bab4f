#include "services/notification/domain/template.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "libs/status/error.h"
#include "services/notification/domain/builtin.h"

namespace broadbill::notification {
namespace {

struct Token {
  enum Kind { kText, kValue, kWhen, kUnless, kEnd } kind = kText;
  std::string text;  // the text, or the name
};

// The mark between "{{" and "}}".
Token ReadMark(std::string inside) {
  absl::StripAsciiWhitespace(&inside);
  Token token{Token::kValue, inside};
  if (inside.empty()) return token;
  switch (inside.front()) {
    case '#':
      token.kind = Token::kWhen;
      break;
    case '^':
      token.kind = Token::kUnless;
      break;
    case '/':
      token.kind = Token::kEnd;
      break;
    default:
      return token;
  }
  token.text.erase(0, 1);
  absl::StripAsciiWhitespace(&token.text);
  return token;
}

// False when a "{{" is not closed; the tokens before it are there.
bool Tokenize(const std::string& text, std::vector<Token>& out) {
  size_t at = 0;
  while (true) {
    const size_t open = text.find("{{", at);
    out.push_back(
        {Token::kText, text.substr(at, open == std::string::npos ? std::string::npos : open - at)});
    if (open == std::string::npos) return true;
    if (text.compare(open, 4, "{{{{") == 0) {
      out.push_back({Token::kText, "{{"});
      at = open + 4;
      continue;
    }
    const size_t close = text.find("}}", open);
    if (close == std::string::npos) return false;
    out.push_back(ReadMark(text.substr(open + 2, close - open - 2)));
    at = close + 2;
    const bool alone = out.back().kind != Token::kValue && (open == 0 || text[open - 1] == '\n') &&
                       at < text.size() && text[at] == '\n';
    if (alone) ++at;
  }
}

void AppendEscaped(const std::string& value, Escape escape, std::string& out) {
  if (escape == Escape::kNone) {
    out += value;
    return;
  }
  for (const char c : value) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
}

// The languages to try, best first.
std::vector<std::string> LanguageChain(const std::string& language) {
  std::vector<std::string> out;
  if (!language.empty()) out.push_back(language);
  const size_t dash = language.find('-');
  if (dash != std::string::npos) out.push_back(language.substr(0, dash));
  out.emplace_back();
  return out;
}

}  // namespace

std::string Render(const std::string& text, const Values& values, Escape escape) {
  std::vector<Token> tokens;
  Tokenize(text, tokens);
  std::string out;
  std::vector<bool> open;  // sections around, each: shown
  int hidden = 0;          // how many of them are not
  for (const Token& token : tokens) {
    const auto found = values.find(token.text);
    const bool has = found != values.end() && !found->second.empty();
    switch (token.kind) {
      case Token::kText:
        if (hidden == 0) out += token.text;
        break;
      case Token::kValue:
        if (hidden == 0 && has) AppendEscaped(found->second, escape, out);
        break;
      case Token::kWhen:
      case Token::kUnless:
        open.push_back(has == (token.kind == Token::kWhen));
        hidden += open.back() ? 0 : 1;
        break;
      case Token::kEnd:
        if (open.empty()) break;
        hidden -= open.back() ? 0 : 1;
        open.pop_back();
        break;
    }
  }
  return out;
}

absl::Status CheckTemplate(const std::string& field, const std::string& text,
                           const std::set<std::string>& known) {
  std::vector<Token> tokens;
  if (!Tokenize(text, tokens)) return InvalidField(field, "a placeholder '{{' is not closed");
  std::vector<std::string> open;
  for (const Token& token : tokens) {
    if (token.kind == Token::kText) continue;
    if (known.count(token.text) == 0) {
      return InvalidField(field, "unknown placeholder '" + token.text + "'");
    }
    if (token.kind == Token::kWhen || token.kind == Token::kUnless) open.push_back(token.text);
    if (token.kind != Token::kEnd) continue;
    if (open.empty() || open.back() != token.text) {
      return InvalidField(field, "'{{/" + token.text + "}}' closes no section that is open here");
    }
    open.pop_back();
  }
  if (open.empty()) return absl::OkStatus();
  return InvalidField(field, "the section '" + open.back() + "' is not closed");
}

std::optional<TemplateText> ChooseTemplate(const std::vector<TemplateText>& own,
                                           const std::string& code, const std::string& language,
                                           const std::string& company) {
  const TemplateText* const family = FamilyOf(code);
  if (family == nullptr) return std::nullopt;
  std::vector<std::string> codes = {code};
  if (code != family->code) codes.push_back(family->code);
  std::vector<std::string> companies = {""};
  if (!company.empty()) companies.insert(companies.begin(), company);
  for (const std::string& wanted : codes) {
    for (const std::string& seller : companies) {
      for (const std::string& tag : LanguageChain(language)) {
        for (const TemplateText& one : own) {
          const bool holds = one.code == wanted && one.company == seller &&
                             absl::EqualsIgnoreCase(one.language, tag);
          if (holds) return one;
        }
      }
    }
  }
  return *family;
}

}  // namespace broadbill::notification
