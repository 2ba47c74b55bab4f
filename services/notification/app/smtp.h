#pragma once

// Hands messages to an SMTP server (RFC 5321) through libcurl, reusing its connection.

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace broadbill::notification {

struct SmtpOptions {
  std::string url;   // "smtp://mail.isp.example:587" or "smtps://…"
  std::string user;  // "" = no authentication
  std::string password;
  int timeout_seconds = 60;  // for one message
};

// INVALID_ARGUMENT when the URL is not one of an SMTP server.
absl::Status CheckSmtpUrl(const std::string& url);

// What became of one message.
struct SmtpAnswer {
  enum Outcome {
    kTaken,        // 250 after the data: the server has it
    kTryLater,     // 4xx, or the connection broke: the message is tried again
    kRefused,      // 5xx for this recipient or message: for good
    kUnreachable,  // the server takes no mail from us at all now: not this message's fault
  };
  Outcome outcome = kUnreachable;
  int code = 0;        // the server's last answer; 0: there was none
  std::string detail;  // its text, or why there was none; printable ASCII
};

// One connection; not for use by two threads at once. TLS: always with smtps://; with smtp:// a
// login goes over STARTTLS only, except to loopback addresses, and mail without login is sent as
// the URL says, in the clear.
class SmtpSender {
 public:
  explicit SmtpSender(SmtpOptions options);
  ~SmtpSender();
  SmtpSender(const SmtpSender&) = delete;
  SmtpSender& operator=(const SmtpSender&) = delete;

  SmtpAnswer Send(const std::string& from, const std::string& to, const std::string& mime);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace broadbill::notification
