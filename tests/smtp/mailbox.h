#pragma once

// tests/smtp/mailbox.py as a child of this process.

#include <sys/types.h>

#include <string>
#include <vector>

namespace broadbill::testing {

class Mailbox {
 public:
  // Listens on the loopback, on a free port when `port` is 0; `options` are the script's own. Ends
  // the process with a message when the server cannot be had.
  explicit Mailbox(const std::vector<std::string>& options = {}, int port = 0);
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  std::string url() const;
  int port() const { return port_; }
  // The messages that arrived, in order, as files hold them.
  std::vector<std::string> Messages() const;

 private:
  pid_t pid_ = 0;
  int lifeline_ = -1;  // the child's standard input: it ends when this closes, at our death too
  int port_ = 0;
  std::string folder_;
};

// A part of a message with its transfer encoding undone.
struct MailPart {
  std::string headers;
  std::string content;
};

// The message's own headers, then its parts (one when it is not multipart).
struct ReadMail {
  std::string headers;  // folded lines joined
  std::vector<MailPart> parts;

  // The value of a header ("" = not there), of the first of that name.
  std::string Header(const std::string& name) const;
};
ReadMail ParseMail(const std::string& message);

}  // namespace broadbill::testing
