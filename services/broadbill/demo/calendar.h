#pragma once

// What happens in the demo's month, day by day. README.md tells the order.

#include <array>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "broadbill/invoicing/v1/bill_run.pb.h"
#include "broadbill/invoicing/v1/events.pb.h"
#include "broadbill/payments/v1/collections.pb.h"
#include "services/broadbill/demo/world.h"
#include "services/broadbill/posted_feed.h"

namespace broadbill::program {

inline constexpr CivilDay kDemoFirstDay(2026, 3, 1);
inline constexpr CivilDay kDemoLastDay(2026, 4, 2);

// What the summary tells of.
struct DemoTotals {
  int64_t invoices = 0, credit_notes = 0, lines = 0;
  int64_t invoiced_minor = 0, credited_minor = 0, tax_minor = 0;
  std::map<std::string, int64_t> exceptions;  // by reason
  int64_t exceptions_resolved = 0;
  int64_t collected = 0, collected_minor = 0;  // autopay
  int64_t declined = 0, declined_minor = 0;
  int64_t transfers = 0, transfers_minor = 0;
  int64_t late_fees = 0, reminders = 0;
  std::string sample_document;  // of a customer with much on it
  std::string sample_number;
};

class Calendar {
 public:
  explicit Calendar(World& world) : world_(world), posted_(world.Channel("invoicing")) {}

  // What is there before the first day: company, policy, catalogue, taxes, customers.
  absl::Status Load();
  absl::Status Play();
  const DemoTotals& totals() const { return totals_; }

 private:
  struct Due {
    std::string account_id, reference;
    int64_t amount_minor = 0;
  };

  absl::Status NameCompany();
  absl::Status CreatePolicy();
  absl::Status ReadCalendar();
  absl::Status Day(CivilDay day);
  absl::Status Enter(CivilDay day);
  absl::Status LoadUsage(CivilDay day);
  absl::Status CompleteDeck();
  absl::Status Bill(CivilDay day);
  absl::Status Watch(const std::string& run_id, broadbill::invoicing::v1::BillRun& run);
  absl::Status ReadPosted();
  absl::Status Note(const broadbill::invoicing::v1::DocumentPosted& document);
  absl::Status ReceiveTransfers(CivilDay day);
  absl::Status Receive(const Due& due);
  absl::Status Collect(CivilDay day);

  World& world_;
  PostedFeed posted_;
  DemoTotals totals_;
  std::map<CivilDay, std::string> subscriptions_, changes_;            // CSV by day of entry
  std::map<CivilDay, std::vector<std::array<std::string, 2>>> usage_;  // name, format
  std::map<CivilDay, bool> runs_;
  std::map<std::string, int> pays_after_;  // account number of those who pay by transfer
  std::map<CivilDay, std::vector<Due>> transfers_;
  std::string first_run_;
  int sample_score_ = 0;
};

}  // namespace broadbill::program
