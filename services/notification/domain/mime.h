#pragma once

// Internet messages (RFC 5322) with MIME parts (RFC 2045 to 2047): UTF-8 text, optionally the same
// as HTML, with attachments in base64. A pure function: equal input gives equal bytes.

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace broadbill::notification {

struct Attachment {
  std::string file_name;     // ASCII; other characters are replaced
  std::string content_type;  // "application/pdf"
  std::string bytes;
};

struct Mail {
  std::string from_name;
  std::string from_address;
  std::string to_name;
  std::string to_address;
  std::string reply_to;  // may be empty
  std::string subject;
  std::string text;        // UTF-8, lines end in \n
  std::string html;        // the same for readers of HTML; may be empty
  std::string message_id;  // without <>: stable per message, so that a repeat is recognisable
  absl::Time date;
  std::vector<Attachment> attachments;
};

// A sender or recipient.
struct Mailbox {
  std::string name;  // may be empty
  std::string address;
};

// Reads "billing@isp.example" or "North Star <billing@isp.example>"; nothing when the address is
// not usable.
std::optional<Mailbox> ParseMailbox(const std::string& text);

// The text on one line: control characters become blanks, blanks around it go.
std::string OneLine(const std::string& text);

// The message with CRLF line ends, ready for SMTP DATA (dot stuffing is the transport's work).
std::string ToMime(const Mail& mail);

// "=?UTF-8?B?…?=" words where the text is not plain ASCII; folded, and free of line breaks, so that
// no header can be smuggled in.
std::string EncodeHeader(const std::string& text);

// True for an address that may stand in an SMTP envelope: one '@', a dot in the domain or an
// address literal, no blanks or control characters, at most 254 bytes.
bool IsMailAddress(const std::string& address);

}  // namespace broadbill::notification
