#include "services/broadbill/export_documents.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "broadbill/accounts/v1/snapshot.pb.h"
#include "broadbill/invoicing/v1/bill_run.pb.h"
#include "broadbill/invoicing/v1/events.pb.h"
#include "libs/calendar/date.h"
#include "libs/money/money.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/posted_feed.h"

namespace broadbill::program {
namespace {

namespace invoicing = broadbill::invoicing::v1;
namespace accounts = broadbill::accounts::v1;

constexpr size_t kDocumentsPerBatch = 1000;

std::string Field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

std::string Day(const google::type::Date& date) {
  return date.year() == 0 ? "" : FormatDate(CivilDay(date.year(), date.month(), date.day()));
}

class Exporter {
 public:
  Exporter(rpc::Channel& invoicing, rpc::Channel& accounts, const rpc::Context& context,
           const std::string& folder)
      : invoicing_(invoicing),
        accounts_(accounts),
        context_(context),
        documents_(folder + "/documents.csv", std::ios::binary),
        lines_(folder + "/lines.csv", std::ios::binary),
        taxes_(folder + "/taxes.csv", std::ios::binary) {
    documents_
        << "run_as_of,account_number,kind,number,invoice_date,due_date,currency,net,tax,total\n";
    lines_ << "number,position,account_number,kind,subscription_id,description,start_date,end_date,"
              "amount,tax_class,account_code\n";
    taxes_ << "number,account_number,jurisdiction_code,tax_code,base,amount\n";
  }

  absl::Status Add(const invoicing::DocumentPosted& document) {
    batch_.push_back(document);
    return batch_.size() < kDocumentsPerBatch ? absl::OkStatus() : Flush();
  }

  absl::StatusOr<ExportedDocuments> Finish() {
    RETURN_IF_ERROR(Flush());
    for (std::ofstream* file : {&documents_, &lines_, &taxes_}) {
      file->flush();
      if (!*file) return UnavailableError("EXPORT", "cannot write into the folder");
    }
    return done_;
  }

 private:
  absl::Status Flush() {
    ASSIGN_OR_RETURN(const auto external_ids, ExternalIds());
    for (const auto& document : batch_) {
      ASSIGN_OR_RETURN(const std::string run_date, RunDate(document.bill_run_id()));
      Write(document, run_date, external_ids);
    }
    batch_.clear();
    return absl::OkStatus();
  }

  // The provider's own ids of subscriptions, by ours.
  absl::StatusOr<std::map<std::string, std::string>> ExternalIds() const {
    std::map<std::string, std::string> out;
    if (batch_.empty()) return out;
    std::set<std::string> ids;
    for (const auto& document : batch_) ids.insert(document.account_id());
    accounts::BatchGetBillingSnapshotsRequest request;
    for (const std::string& id : ids) request.add_account_ids(id);
    ASSIGN_OR_RETURN(
        const auto response,
        accounts_.Call<accounts::BatchGetBillingSnapshotsResponse>(
            "broadbill.accounts.v1.Accounts/BatchGetBillingSnapshots", request, context_));
    for (const auto& snapshot : response.snapshots()) {
      for (const auto& item : snapshot.items()) out[item.item_id()] = item.external_id();
    }
    return out;
  }

  // The as-of date of a run; "" for documents made by hand.
  absl::StatusOr<std::string> RunDate(const std::string& id) {
    const auto known = run_dates_.find(id);
    if (id.empty() || known != run_dates_.end()) return id.empty() ? "" : known->second;
    invoicing::GetBillRunRequest request;
    request.set_bill_run_id(id);
    ASSIGN_OR_RETURN(const auto run,
                     invoicing_.Call<invoicing::BillRun>(
                         "broadbill.invoicing.v1.Invoicing/GetBillRun", request, context_));
    return run_dates_[id] = Day(run.as_of());
  }

  void Write(const invoicing::DocumentPosted& document, const std::string& run_date,
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
      const bool known = found != external_ids.end() && !found->second.empty();
      lines_ << document.number() << ',' << ++position << ',' << Field(document.account_number())
             << ',' << invoicing::Line::Kind_Name(line.kind()) << ','
             << Field(known ? found->second : line.item_id()) << ',' << Field(line.description())
             << ',' << Day(line.interval().start_date()) << ',' << Day(line.interval().end_date())
             << ',' << amount(line.amount_minor()) << ',' << line.tax_class() << ','
             << line.account_code() << '\n';
    }
    for (const auto& tax : document.taxes()) {
      taxes_ << document.number() << ',' << Field(document.account_number()) << ','
             << tax.jurisdiction_code() << ',' << tax.tax_code() << ',' << amount(tax.base_minor())
             << ',' << amount(tax.amount_minor()) << '\n';
    }
    ++done_.documents;
    done_.lines += document.lines_size();
  }

  rpc::Channel& invoicing_;
  rpc::Channel& accounts_;
  const rpc::Context context_;
  std::ofstream documents_, lines_, taxes_;
  std::vector<invoicing::DocumentPosted> batch_;
  std::map<std::string, std::string> run_dates_;
  ExportedDocuments done_;
};

}  // namespace

absl::StatusOr<ExportedDocuments> ExportDocuments(std::shared_ptr<rpc::Channel> invoicing,
                                                  std::shared_ptr<rpc::Channel> accounts,
                                                  const rpc::Context& context,
                                                  const std::string& folder) {
  std::error_code ec;
  std::filesystem::create_directories(folder, ec);
  if (ec) return UnavailableError("EXPORT", "cannot make the folder " + folder);
  Exporter exporter(*invoicing, *accounts, context, folder);
  RETURN_IF_ERROR(PostedFeed(invoicing).ReadNew(
      [&](const invoicing::DocumentPosted& document) { return exporter.Add(document); }));
  return exporter.Finish();
}

}  // namespace broadbill::program
