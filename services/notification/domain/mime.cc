#include "services/notification/domain/mime.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace broadbill::notification {
namespace {

constexpr char kCrLf[] = "\r\n";

// ASCII that no reader could take for an encoded word.
bool IsPlain(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; }) &&
         text.find("=?") == std::string::npos;
}

std::string Base64Lines(const std::string& bytes) {
  const std::string all = absl::Base64Escape(bytes);
  std::string out;
  out.reserve(all.size() + all.size() / 38);
  for (size_t at = 0; at < all.size(); at += 76) {
    out.append(all, at, 76);
    out += kCrLf;
  }
  return out;
}

// A cut that does not split a UTF-8 sequence, at most `limit` bytes.
size_t Cut(const std::string& text, size_t at, size_t limit) {
  size_t end = std::min(text.size(), at + limit);
  while (end < text.size() && end > at && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) {
    --end;
  }
  return end == at ? std::min(text.size(), at + limit) : end;
}

std::string Address(const std::string& full_name, const std::string& raw_address) {
  const std::string name = OneLine(full_name);
  const std::string address = OneLine(raw_address);
  if (name.empty()) return absl::StrCat("<", address, ">");
  if (!IsPlain(name)) return absl::StrCat(EncodeHeader(name), " <", address, ">");
  std::string quoted;
  for (const char c : name) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return absl::StrCat("\"", quoted, "\" <", address, ">");
}

std::string SafeFileName(std::string name) {
  for (char& c : name) {
    const bool safe =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_';
    if (!safe) c = '_';
  }
  return name.empty() ? "attachment" : name;
}

std::string Part(const std::string& content_type, const std::string& bytes) {
  return absl::StrCat("Content-Type: ", content_type, kCrLf, "Content-Transfer-Encoding: base64",
                      kCrLf, kCrLf, Base64Lines(bytes));
}

// The words: plain text, or both forms for the reader to choose.
std::string Words(const Mail& mail, const std::string& boundary) {
  const std::string text = Part("text/plain; charset=utf-8", mail.text);
  if (mail.html.empty()) return text;
  return absl::StrCat("Content-Type: multipart/alternative; boundary=\"", boundary, "\"", kCrLf,
                      kCrLf, "--", boundary, kCrLf, text, "--", boundary, kCrLf,
                      Part("text/html; charset=utf-8", mail.html), "--", boundary, "--", kCrLf);
}

}  // namespace

std::string OneLine(const std::string& text) {
  std::string out = text;
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  absl::StripAsciiWhitespace(&out);
  return out;
}

std::optional<Mailbox> ParseMailbox(const std::string& text) {
  Mailbox out;
  const size_t open = text.rfind('<');
  if (open == std::string::npos) {
    out.address = OneLine(text);
  } else {
    const size_t close = text.find('>', open);
    if (close == std::string::npos || !OneLine(text.substr(close + 1)).empty()) return std::nullopt;
    out.name = OneLine(text.substr(0, open));
    if (out.name.size() >= 2 && out.name.front() == '"' && out.name.back() == '"') {
      out.name = out.name.substr(1, out.name.size() - 2);
    }
    out.address = OneLine(text.substr(open + 1, close - open - 1));
  }
  if (!IsMailAddress(out.address)) return std::nullopt;
  return out;
}

std::string EncodeHeader(const std::string& text) {
  if (IsPlain(text) && text.size() <= 900) return text;
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = Cut(text, at, 39);
    absl::StrAppend(&out, out.empty() ? "" : "\r\n ", "=?UTF-8?B?",
                    absl::Base64Escape(text.substr(at, end - at)), "?=");
    at = end;
  }
  return out;
}

bool IsMailAddress(const std::string& address) {
  const size_t at = address.find('@');
  const bool shaped = at != std::string::npos && at > 0 && at == address.rfind('@') &&
                      at + 1 < address.size() && address.size() <= 254 && at <= 64;
  if (!shaped) return false;
  const std::string domain = address.substr(at + 1);
  if (domain != "localhost" && domain.find('.') == std::string::npos && domain.front() != '[') {
    return false;
  }
  return std::all_of(address.begin(), address.end(), [](char c) {
    return c > 0x20 && c != 0x7f && c != '<' && c != '>' && c != ',' && c != ';' && c != '"' &&
           c != '\\' && c != '(' && c != ')';
  });
}

std::string ToMime(const Mail& mail) {
  const std::string boundary =
      "=_broadbill_" + absl::BytesToHexString(mail.message_id.substr(0, 16));
  std::string out;
  absl::StrAppend(&out, "From: ", Address(mail.from_name, mail.from_address), kCrLf);
  absl::StrAppend(&out, "To: ", Address(mail.to_name, mail.to_address), kCrLf);
  if (!mail.reply_to.empty()) {
    absl::StrAppend(&out, "Reply-To: ", Address("", mail.reply_to), kCrLf);
  }
  absl::StrAppend(&out, "Subject: ", EncodeHeader(OneLine(mail.subject)), kCrLf);
  absl::StrAppend(&out, "Date: ",
                  absl::FormatTime("%a, %d %b %Y %H:%M:%S +0000", mail.date, absl::UTCTimeZone()),
                  kCrLf, "Message-ID: <", OneLine(mail.message_id), ">", kCrLf);
  absl::StrAppend(&out, "Auto-Submitted: auto-generated", kCrLf, "MIME-Version: 1.0", kCrLf);
  const std::string words = Words(mail, boundary + "_a");
  if (mail.attachments.empty()) return out + words;
  absl::StrAppend(&out, "Content-Type: multipart/mixed; boundary=\"", boundary, "\"", kCrLf, kCrLf,
                  "--", boundary, kCrLf, words);
  for (const Attachment& attachment : mail.attachments) {
    const std::string name = SafeFileName(attachment.file_name);
    absl::StrAppend(&out, "--", boundary, kCrLf, "Content-Type: ", OneLine(attachment.content_type),
                    "; name=\"", name, "\"", kCrLf, "Content-Disposition: attachment; filename=\"",
                    name, "\"", kCrLf, "Content-Transfer-Encoding: base64", kCrLf, kCrLf,
                    Base64Lines(attachment.bytes));
  }
  return absl::StrCat(out, "--", boundary, "--", kCrLf);
}

}  // namespace broadbill::notification
