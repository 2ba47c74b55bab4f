#include "services/notification/app/clients/peers.h"

#include "absl/time/clock.h"
#include "broadbill/accounts/v1/account.pb.h"
#include "broadbill/accounts/v1/company.pb.h"
#include "broadbill/invoicing/v1/document.pb.h"
#include "libs/status/macros.h"

namespace broadbill::notification {
namespace {

namespace accounts = broadbill::accounts::v1;
namespace invoicing = broadbill::invoicing::v1;

constexpr absl::Duration kRemember = absl::Seconds(5);
constexpr absl::Duration kDeadline = absl::Seconds(30);

rpc::Context Bounded() {
  rpc::Context context = rpc::BackgroundContext("notification");
  context.deadline = absl::Now() + kDeadline;
  return context;
}

}  // namespace

absl::StatusOr<Seller> Peers::GetSeller(const Uuid& company_id) {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = sellers_.find(company_id);
    if (found != sellers_.end() && absl::Now() - found->second.first < kRemember) {
      return found->second.second;
    }
  }
  accounts::GetCompanyRequest request;
  request.set_company_id(company_id.ToText("co"));
  ASSIGN_OR_RETURN(const auto company,
                   accounts_->Call<accounts::Company>("broadbill.accounts.v1.Accounts/GetCompany",
                                                      request, Bounded()));
  const Seller seller{company.name(), company.email(), company.phone(), company.website(),
                      company.payment_instructions()};
  absl::MutexLock lock(&mutex_);
  sellers_[company_id] = {absl::Now(), seller};
  return seller;
}

absl::Status Peers::CheckAccount(const Uuid& account_id) {
  accounts::GetAccountRequest request;
  request.set_account_id(account_id.ToText("acc"));
  return accounts_
      ->Call<accounts::Account>("broadbill.accounts.v1.Accounts/GetAccount", request, Bounded())
      .status();
}

absl::StatusOr<File> Peers::GetPdf(const Uuid& document_id) {
  invoicing::RenderDocumentRequest request;
  request.set_document_id(document_id.ToText("doc"));
  request.set_format(invoicing::RenderDocumentRequest::PDF);
  ASSIGN_OR_RETURN(auto response,
                   invoicing_->Call<invoicing::RenderDocumentResponse>(
                       "broadbill.invoicing.v1.Invoicing/RenderDocument", request, Bounded()));
  return File{response.file_name(), response.content_type(),
              std::move(*response.mutable_content())};
}

}  // namespace broadbill::notification
