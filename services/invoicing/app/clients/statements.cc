#include <algorithm>
#include <map>

#include "broadbill/payments/v1/ledger.pb.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/rendering.h"
#include "services/invoicing/app/work.h"

namespace broadbill::invoicing {
namespace {

namespace payments = broadbill::payments::v1;

// The date of each account's last posted invoice.
absl::StatusOr<std::map<Uuid, CivilDay>> LastInvoices(db::Pool& pool,
                                                      const std::vector<Uuid>& accounts) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   pool.Exec("SELECT d.account_id, max(p.invoice_date) FROM document d "
                             "JOIN posting p ON p.document_id = d.document_id "
                             "WHERE d.account_id = ANY($1) AND d.kind = 1 GROUP BY 1",
                             accounts));
  std::map<Uuid, CivilDay> out;
  for (int i = 0; i < rows.size(); ++i) out[rows.Get<Uuid>(i, 0)] = rows.Get<CivilDay>(i, 1);
  return out;
}

void SetStatement(const payments::StatementBalance& balance, DocumentRow& document) {
  pb::Document parties;
  parties.ParseFromString(document.parties.data);
  pb::StatementBalances* to = parties.mutable_statement();
  const auto money = [&](int64_t minor) { return convert::ToMoney(minor, document.currency); };
  *to->mutable_previous_balance() = money(balance.previous_minor() + balance.invoices_minor());
  *to->mutable_payments() = money(balance.payments_minor());
  *to->mutable_adjustments() = money(balance.adjustments_minor());
  *to->mutable_new_balance() = money(balance.balance_minor() + document.total);
  document.parties.data = parties.SerializeAsString();
}

}  // namespace

absl::Status Assembler::AddStatements(std::vector<AccountWork>& work, CivilDay as_of) const {
  std::vector<AccountWork*> statements;
  std::vector<Uuid> accounts_of;
  for (AccountWork& one : work) {
    const bool wanted = one.draft.document.has_value() && one.draft.document->kind == 1 &&
                        one.snapshot->document_mode() == accounts::Account::STATEMENT;
    if (!wanted) continue;
    statements.push_back(&one);
    accounts_of.push_back(one.draft.account_id);
  }
  if (statements.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto last, LastInvoices(*pool_, accounts_of));
  payments::BatchGetStatementBalancesRequest request;
  for (const Uuid& account : accounts_of) {
    payments::StatementBalanceQuery* query = request.add_queries();
    query->set_account_id(account.ToText("acc"));
    const auto from = last.find(account);
    if (from != last.end()) {
      *query->mutable_from_date() = convert::ToProto(std::min(from->second, as_of));
    }
    *query->mutable_to_date() = convert::ToProto(as_of);
  }
  ASSIGN_OR_RETURN(const auto response,
                   peers_.payments->Call<payments::BatchGetStatementBalancesResponse>(
                       "broadbill.payments.v1.Payments/BatchGetStatementBalances", request,
                       rpc::BackgroundContext("invoicing")));
  for (size_t i = 0; i < statements.size(); ++i) {
    SetStatement(response.balances(static_cast<int>(i)), *statements[i]->draft.document);
  }
  return absl::OkStatus();
}

// The image stands once in the database; documents name it.
void AddLogos(std::vector<AccountWork>& work) {
  std::map<const accounts::Company*, std::shared_ptr<const Logo>> logos;
  for (AccountWork& one : work) {
    if (!one.draft.document.has_value() || one.company->logo_png().empty()) continue;
    auto& logo = logos[one.company];
    if (logo == nullptr) {
      logo = std::make_shared<const Logo>(
          Logo{Sha256(one.company->logo_png()), one.company->logo_png()});
    }
    one.draft.logo = logo;
    pb::Document parties;
    parties.ParseFromString(one.draft.document->parties.data);
    parties.mutable_seller()->set_logo_sha256(logo->sha256);
    one.draft.document->parties.data = parties.SerializeAsString();
  }
}

}  // namespace broadbill::invoicing
