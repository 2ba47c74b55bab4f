#include "services/broadbill/export_documents.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "broadbill/accounts/v1/snapshot.pb.h"
#include "broadbill/common/v1/feed.pb.h"
#include "broadbill/invoicing/v1/bill_run.pb.h"
#include "broadbill/invoicing/v1/events.pb.h"
#include "libs/calendar/date.h"
#include "libs/db/feed_event.h"
#include "libs/money/money.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::program {
namespace {

namespace invoicing = broadbill::invoicing::v1;
namespace accounts = broadbill::accounts::v1;
namespace common = broadbill::common::v1;

constexpr int kPartitions = 64;
constexpr int kAccountsPerCall = 1000;

std::string Field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

std::string Day(const google::type::Date& date) {
  return date.year() == 0 ? "" : FormatDate(CivilDay(date.year(), date.month(), date.day()));
}

absl::StatusOr<std::vector<invoicing::DocumentPosted>> ReadPosted(rpc::Channel& channel,
                                                                  const rpc::Context& context) {
  std::vector<invoicing::DocumentPosted> out;
  std::map<int, int64_t> after;
  for (int partition = 0; partition < kPartitions; ++partition) after[partition] = 0;
  while (true) {
    common::ReadFeedRequest request;
    request.set_source("invoicing");
    for (const auto& [partition, pos] : after) {
      auto* cursor = request.add_cursors();
      cursor->set_partition(partition);
      cursor->set_pos(pos);
    }
    ASSIGN_OR_RETURN(const auto response,
                     channel.Call<common::ReadFeedResponse>("broadbill.common.v1.Feed/ReadFeed",
                                                            request, context));
    if (response.rows().empty()) break;
    for (const common::FeedRow& row : response.rows()) {
      after[row.partition()] = std::max(after[row.partition()], row.pos());
      for (const db::FeedEvent& entry : db::DecodeFeedPayload(row.payload())) {
        invoicing::Event event;
        if (!event.ParseFromString(entry.body)) return InternalError("FEED", "unreadable event");
        if (event.has_document_posted()) out.push_back(std::move(*event.mutable_document_posted()));
      }
    }
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a.number() < b.number(); });
  return out;
}

// The provider's own ids of subscriptions, by ours.
absl::StatusOr<std::map<std::string, std::string>> ExternalIds(
    rpc::Channel& channel, const rpc::Context& context,
    const std::vector<invoicing::DocumentPosted>& documents) {
  std::vector<std::string> ids;
  for (const auto& document : documents) ids.push_back(document.account_id());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::map<std::string, std::string> out;
  for (size_t begin = 0; begin < ids.size(); begin += kAccountsPerCall) {
    accounts::BatchGetBillingSnapshotsRequest request;
    for (size_t i = begin; i < std::min(begin + kAccountsPerCall, ids.size()); ++i) {
      request.add_account_ids(ids[i]);
    }
    ASSIGN_OR_RETURN(
        const auto response,
        channel.Call<accounts::BatchGetBillingSnapshotsResponse>(
            "broadbill.accounts.v1.Accounts/BatchGetBillingSnapshots", request, context));
    for (const auto& snapshot : response.snapshots()) {
      for (const auto& item : snapshot.items()) out[item.item_id()] = item.external_id();
    }
  }
  return out;
}

absl::StatusOr<std::map<std::string, std::string>> RunDates(
    rpc::Channel& channel, const rpc::Context& context,
    const std::vector<invoicing::DocumentPosted>& documents) {
  std::map<std::string, std::string> out;
  for (const auto& document : documents) {
    const std::string& id = document.bill_run_id();
    if (id.empty() || out.count(id) > 0) continue;
    invoicing::GetBillRunRequest request;
    request.set_bill_run_id(id);
    ASSIGN_OR_RETURN(const auto run,
                     channel.Call<invoicing::BillRun>("broadbill.invoicing.v1.Invoicing/GetBillRun",
                                                      request, context));
    out[id] = Day(run.as_of());
  }
  return out;
}

class Files {
 public:
  explicit Files(const std::string& folder)
      : documents_(folder + "/documents.csv", std::ios::binary),
        lines_(folder + "/lines.csv", std::ios::binary),
        taxes_(folder + "/taxes.csv", std::ios::binary) {
    documents_
        << "run_as_of,account_number,kind,number,invoice_date,due_date,currency,net,tax,total\n";
    lines_ << "number,position,account_number,kind,subscription_id,description,start_date,end_date,"
              "amount,tax_class,account_code\n";
    taxes_ << "number,account_number,jurisdiction_code,tax_code,base,amount\n";
  }

  void Add(const invoicing::DocumentPosted& document, const std::string& run_date,
           const std::map<std::string, std::string>& external_ids) {
    const auto amount = [&](int64_t minor) {
      return FormatMinor(minor, document.currency_exponent());
    };
    const bool credit = document.kind() == invoicing::Document::CREDIT_NOTE;
    documents_ << run_date << ',' << Field(document.account_number()) << ','
               << (credit ? "credit_note" : "invoice") << ',' << document.number() << ','
               << Day(document.invoice_date()) << ',' << Day(document.due_date()) << ','
               << document.currency_code() << ',' << amount(document.net_minor()) << ','
               << amount(document.tax_minor()) << ',' << amount(document.total_minor()) << '\n';
    int position = 0;
    for (const auto& line : document.lines()) {
      const auto found = external_ids.find(line.item_id());
      lines_ << document.number() << ',' << ++position << ',' << Field(document.account_number())
             << ',' << invoicing::Line::Kind_Name(line.kind()) << ','
             << Field(found == external_ids.end() ? line.item_id() : found->second) << ','
             << Field(line.description()) << ',' << Day(line.interval().start_date()) << ','
             << Day(line.interval().end_date()) << ',' << amount(line.amount_minor()) << ','
             << line.tax_class() << ',' << line.account_code() << '\n';
    }
    for (const auto& tax : document.taxes()) {
      taxes_ << document.number() << ',' << Field(document.account_number()) << ','
             << tax.jurisdiction_code() << ',' << tax.tax_code() << ',' << amount(tax.base_minor())
             << ',' << amount(tax.amount_minor()) << '\n';
    }
  }

  bool Close() {
    for (std::ofstream* file : {&documents_, &lines_, &taxes_}) {
      file->flush();
      if (!*file) return false;
    }
    return true;
  }

 private:
  std::ofstream documents_, lines_, taxes_;
};

}  // namespace

absl::StatusOr<ExportedDocuments> ExportDocuments(rpc::Channel& invoicing, rpc::Channel& accounts,
                                                  const rpc::Context& context,
                                                  const std::string& folder) {
  ASSIGN_OR_RETURN(const auto documents, ReadPosted(invoicing, context));
  ASSIGN_OR_RETURN(const auto external_ids, ExternalIds(accounts, context, documents));
  ASSIGN_OR_RETURN(const auto dates, RunDates(invoicing, context, documents));
  std::error_code ec;
  std::filesystem::create_directories(folder, ec);
  Files files(folder);
  ExportedDocuments out;
  for (const auto& document : documents) {
    const auto date = dates.find(document.bill_run_id());
    files.Add(document, date == dates.end() ? "" : date->second, external_ids);
    ++out.documents;
    out.lines += document.lines_size();
  }
  if (!files.Close()) return UnavailableError("EXPORT", "cannot write into " + folder);
  return out;
}

}  // namespace broadbill::program
