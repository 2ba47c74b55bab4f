#include <set>

#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/accounts/app/accounts_app.h"

namespace broadbill::accounts {
namespace {

void SetHead(const AccountRow& row, const std::string& email, pb::BillingSnapshot* out) {
  out->set_account_id(row.account_id.ToText("acc"));
  out->set_version(row.version);
  out->set_bucket(row.bucket);
  out->set_account_number(row.account_number);
  out->set_external_id(row.external_id);
  out->set_company_id(row.company_id.ToText("co"));
  if (row.parent_account_id) out->set_parent_account_id(row.parent_account_id->ToText("acc"));
  out->set_name(row.name);
  out->set_customer_class(row.customer_class);
  out->set_tax_id(row.tax_id);
  out->set_currency_code(row.currency);
  out->set_time_zone(row.time_zone);
  out->set_language(row.language);
  out->mutable_billing_address()->ParseFromString(row.billing_address.data);
  out->set_email(email);
  out->set_bill_ahead_days(row.bill_ahead_days);
  out->set_terms_days(row.terms_days);
  out->set_document_mode(static_cast<pb::Account::DocumentMode>(row.document_mode));
  out->set_anchor_rule(static_cast<pb::Account::AnchorRule>(row.anchor_rule));
  for (size_t i = 0; i < row.cycle_days.size(); ++i) {
    auto* cycle = out->add_cycle_days();
    if (i > 0) *cycle->mutable_from_date() = convert::ToProto(row.cycle_days[i]);
    cycle->set_cycle_day(row.cycle_day_values[i]);
  }
  out->set_state(static_cast<pb::Account::State>(row.state));
  out->set_group(row.account_group);
}

}  // namespace

absl::StatusOr<pb::ListBillableAccountsResponse> AccountsApp::ListBillableAccounts(
    const rpc::Context&, const pb::ListBillableAccountsRequest& request) {
  Violations violations;
  const auto company =
      convert::ReadOptionalId("co", request.company_id(), "company_id", violations);
  std::vector<int16_t> buckets;
  for (const int32_t bucket : request.buckets()) {
    violations.Require(bucket >= 0 && bucket < kBuckets, "buckets", "must be 0 to 63");
    buckets.push_back(static_cast<int16_t>(bucket));
  }
  std::vector<Uuid> ids;
  for (const std::string& id : request.account_ids()) {
    ids.push_back(convert::ReadId("acc", id, "account_ids", violations));
  }
  RETURN_IF_ERROR(violations.ToStatus());
  const std::vector<int32_t> cycles(request.cycle_days().begin(), request.cycle_days().end());
  const int64_t size =
      request.page_size() <= 0 || request.page_size() > 50000 ? 50000 : request.page_size();
  ASSIGN_OR_RETURN(const std::string token, convert::ReadPageToken(request.page_token()));
  int16_t after_bucket = -1;
  Uuid after;
  if (!token.empty()) {
    after_bucket = static_cast<int16_t>(std::atoi(token.c_str()));
    ASSIGN_OR_RETURN(after, Uuid::FromHex(token.substr(token.find('|') + 1)));
  }
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec("SELECT account_id, bucket, company_id FROM account a WHERE "
              "(bucket, account_id) > ($1, $2) AND (cardinality($3) = 0 OR bucket = ANY($3)) AND "
              "($4::uuid IS NULL OR company_id = $4) AND ($5 = '' OR account_group = $5) AND "
              "(cardinality($6) = 0 OR account_id = ANY($6)) AND "
              "(cardinality($7) = 0 OR cycle_day_values[cardinality(cycle_day_values)] = ANY($7)) "
              "ORDER BY bucket, account_id LIMIT $8",
              after_bucket, after, buckets, company, request.group(), ids, cycles, size + 1));
  pb::ListBillableAccountsResponse response;
  for (int i = 0; i < rows.size() && i < size; ++i) {
    pb::BillableAccount* out = response.add_accounts();
    out->set_account_id(rows.Get<Uuid>(i, 0).ToText("acc"));
    out->set_bucket(rows.Get<int16_t>(i, 1));
    out->set_company_id(rows.Get<Uuid>(i, 2).ToText("co"));
    if (i + 1 == size && rows.size() > size) {
      response.set_next_page_token(convert::MakePageToken(std::to_string(rows.Get<int16_t>(i, 1)) +
                                                          "|" + rows.Get<Uuid>(i, 0).ToHex()));
    }
  }
  return response;
}

absl::StatusOr<pb::BatchGetBillingSnapshotsResponse> AccountsApp::BatchGetBillingSnapshots(
    const rpc::Context&, const pb::BatchGetBillingSnapshotsRequest& request) {
  Violations violations;
  violations.Require(request.account_ids_size() <= 1000, "account_ids", "must be at most 1,000");
  std::vector<Uuid> ids;
  for (const std::string& id : request.account_ids()) {
    ids.push_back(convert::ReadId("acc", id, "account_ids", violations));
  }
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin(db::Isolation::kRepeatableRead));
  ASSIGN_OR_RETURN(const auto rows, db::Select<AccountRow>(tx, "WHERE account_id = ANY($1)", ids));
  ASSIGN_OR_RETURN(
      const auto contacts,
      db::Select<ContactRow>(tx, "WHERE account_id = ANY($1) ORDER BY contact_id", ids));
  ASSIGN_OR_RETURN(
      const auto locations,
      db::Select<LocationRow>(tx, "WHERE account_id = ANY($1) ORDER BY location_id", ids));
  ASSIGN_OR_RETURN(const auto discounts,
                   db::Select<DiscountRow>(tx,
                                           "WHERE account_id = ANY($1) AND subscription_id IS NULL "
                                           "ORDER BY position, discount_id",
                                           ids));
  ASSIGN_OR_RETURN(const std::vector<Bundle> bundles, LoadBundles(tx, ids, {}));
  ASSIGN_OR_RETURN(const Plans plans, LoadPlans(tx));
  std::map<Uuid, const AccountRow*> accounts;
  for (const AccountRow& row : rows) accounts[row.account_id] = &row;
  std::map<Uuid, std::string> emails;
  for (const ContactRow& contact : contacts) {
    if (contact.receives_invoices && !contact.email.empty()) {
      emails.emplace(contact.account_id, contact.email);
    }
  }
  pb::BatchGetBillingSnapshotsResponse response;
  std::map<Uuid, pb::BillingSnapshot*> snapshots;
  std::set<Uuid> companies;
  for (const Uuid& id : ids) {
    const auto found = accounts.find(id);
    if (found == accounts.end() || snapshots.count(id) > 0) continue;
    pb::BillingSnapshot* out = response.add_snapshots();
    snapshots[id] = out;
    SetHead(*found->second, emails[id], out);
    companies.insert(found->second->company_id);
  }
  for (const LocationRow& row : locations) {
    pb::SnapshotLocation* out = snapshots[row.account_id]->add_locations();
    out->set_location_id(row.location_id.ToText("loc"));
    out->set_name(row.name);
    out->mutable_address()->ParseFromString(row.address.data);
  }
  for (const DiscountRow& row : discounts) {
    *snapshots[row.account_id]->add_discounts() = ToSnapshot(
        row, {row.from_date.value_or(CivilDay(1970, 1, 1)), row.to_date.value_or(CivilDay::max())});
  }
  for (const Bundle& bundle : bundles) {
    const auto found = snapshots.find(bundle.row.account_id);
    if (found == snapshots.end()) continue;
    *found->second->add_items() = ToSnapshot(bundle, plans, *accounts.at(bundle.row.account_id));
  }
  const std::vector<Uuid> company_ids(companies.begin(), companies.end());
  ASSIGN_OR_RETURN(const auto company_rows,
                   db::Select<CompanyRow>(tx, "WHERE company_id = ANY($1)", company_ids));
  for (const CompanyRow& row : company_rows) *response.add_companies() = ToProto(row);
  return response;
}

}  // namespace broadbill::accounts
