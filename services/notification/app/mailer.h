#pragma once

// Sends what is queued. Every worker has its own SMTP connection, claims a bounded batch by lease
// and records each message's try before it turns to the next: a process that dies between the
// server's "250" and that record sends this one message again, under the same Message-ID.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/calendar/clock.h"
#include "libs/rpc/host.h"
#include "services/notification/app/clients/peers.h"
#include "services/notification/app/composer.h"
#include "services/notification/app/smtp.h"
#include "services/notification/domain/mime.h"
#include "services/notification/store/queue.h"

namespace broadbill::notification {

struct MailerOptions {
  SmtpOptions smtp;
  std::optional<Mailbox> from;  // nothing: the company's own address
  int workers = 2;
  absl::Duration first_retry = absl::Minutes(1);  // doubles with every refusal
  int batch = 50;                                 // messages a claim
  absl::Duration lease = absl::Minutes(5);
};

// How long after its n-th refusal (from 1) a message is tried again; nothing: no more.
std::optional<absl::Duration> RetryAfter(int refusals, absl::Duration first_retry);

class Mailer {
 public:
  Mailer(std::shared_ptr<db::Pool> pool, const Clock& clock, Peers& peers, rpc::Metrics& metrics,
         MailerOptions options);

  // One worker, until the host stops.
  void Run(rpc::Background& background);

 private:
  // What a worker knows while it works.
  struct Worker {
    rpc::Background& background;
    SmtpSender sender;
    absl::Duration pause;  // how long to leave server or services alone; zero: they answer
  };

  // Claims and sends a batch; false when nothing was due.
  absl::StatusOr<bool> SendBatch(Worker& worker);
  // One message: false when it and those after it must wait, for the reason in `why`.
  absl::StatusOr<bool> SendOne(Worker& worker, const Composer& composer, const MessageRow& row,
                               std::string& why);
  absl::StatusOr<std::string> Compose(const Composer& composer, MessageRow& row, Rendered& words,
                                      std::string& from);
  absl::Status Record(Worker& worker, const MessageRow& claimed, MessageRow after,
                      const SmtpAnswer& answer, DeliveryRow delivery);

  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
  Peers& peers_;
  rpc::Metrics& metrics_;
  const MailerOptions options_;
};

}  // namespace broadbill::notification
