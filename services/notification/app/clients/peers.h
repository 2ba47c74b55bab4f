#pragma once

// What notification asks other services while it composes a message; never inside a transaction.

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/ids/uuid.h"
#include "libs/rpc/channel.h"

namespace broadbill::notification {

// The selling company, as it signs messages.
struct Seller {
  std::string name;
  std::string email;
  std::string phone;
  std::string website;
  std::string payment_instructions;
};

// A document as a file.
struct File {
  std::string name;
  std::string content_type;
  std::string bytes;
};

class Peers {
 public:
  Peers(std::shared_ptr<rpc::Channel> accounts, std::shared_ptr<rpc::Channel> invoicing)
      : accounts_(std::move(accounts)), invoicing_(std::move(invoicing)) {}

  // Remembered for a few seconds: a run's mails name few companies many times.
  absl::StatusOr<Seller> GetSeller(const Uuid& company_id);
  // NOT_FOUND (ACCOUNT_NOT_FOUND) when there is no such account.
  absl::Status CheckAccount(const Uuid& account_id);
  // The PDF that invoicing keeps for this posted document.
  absl::StatusOr<File> GetPdf(const Uuid& document_id);

 private:
  const std::shared_ptr<rpc::Channel> accounts_;
  const std::shared_ptr<rpc::Channel> invoicing_;
  absl::Mutex mutex_;
  std::map<Uuid, std::pair<absl::Time, Seller>> sellers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace broadbill::notification
