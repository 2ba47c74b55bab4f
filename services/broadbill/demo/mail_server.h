#pragma once

// A real mail server for the demo: takes every message and keeps it as a file.

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace broadbill::program {

class MailServer {
 public:
  // Starts tests/smtp/mailbox.py on a free port of the loopback; messages become .eml files in
  // `folder`. NOT_FOUND when the script or Python's aiosmtpd is not there.
  static absl::StatusOr<std::unique_ptr<MailServer>> Start(const std::string& folder);
  ~MailServer();
  MailServer(const MailServer&) = delete;
  MailServer& operator=(const MailServer&) = delete;

  std::string url() const { return "smtp://" + address_; }
  // Messages that arrived.
  int64_t Count() const;

 private:
  MailServer(pid_t pid, std::string folder) : pid_(pid), folder_(std::move(folder)) {}

  const pid_t pid_;
  const std::string folder_;
  std::string address_;
};

}  // namespace broadbill::program
