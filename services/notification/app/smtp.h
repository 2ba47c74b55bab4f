#pragma once

// Hands messages to an SMTP server (RFC 5321) through libcurl, reusing its connection.

#include <memory>
#include <string>

#include "absl/status/status.h"

namespace broadbill::notification {

struct SmtpOptions {
  std::string url;   // "smtp://127.0.0.1:25" or "smtps://…"
  std::string user;  // "" = no authentication
  std::string password;
  int timeout_seconds = 30;
};

// One connection; not for use by two threads at once.
class SmtpSender {
 public:
  explicit SmtpSender(SmtpOptions options);
  ~SmtpSender();
  SmtpSender(const SmtpSender&) = delete;
  SmtpSender& operator=(const SmtpSender&) = delete;

  // OK when the server took the message. UNAVAILABLE (reason SMTP_TRANSIENT): try again later.
  // FAILED_PRECONDITION (reason SMTP_REFUSED): the server refused for good (5xx). The message holds
  // the server's reply.
  absl::Status Send(const std::string& from, const std::string& to, const std::string& mime);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace broadbill::notification
