#include <algorithm>
#include <functional>
#include <set>

#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/accounts/app/read.h"
#include "services/accounts/app/resolve.h"

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

// All that snapshots are made of, by account.
struct Loaded {
  std::map<Uuid, Holdings> accounts;  // asked for, and the children of those
  std::map<Uuid, std::vector<Uuid>> children;
  std::map<Uuid, std::string> emails;
  std::map<Uuid, std::vector<DiscountRow>> discounts;  // of whole accounts
};

absl::StatusOr<Loaded> Load(db::Tx& tx, const std::vector<Uuid>& asked) {
  Loaded out;
  ASSIGN_OR_RETURN(auto rows,
                   db::Select<AccountRow>(
                       tx, "WHERE account_id = ANY($1) OR parent_account_id = ANY($1)", asked));
  std::vector<Uuid> ids;
  for (AccountRow& row : rows) {
    ids.push_back(row.account_id);
    if (row.parent_account_id) out.children[*row.parent_account_id].push_back(row.account_id);
    out.accounts[row.account_id].account = std::move(row);
  }
  for (auto& [parent, children] : out.children) std::sort(children.begin(), children.end());
  ASSIGN_OR_RETURN(
      const auto contacts,
      db::Select<ContactRow>(tx, "WHERE account_id = ANY($1) ORDER BY contact_id", ids));
  for (const ContactRow& contact : contacts) {
    if (contact.receives_invoices && !contact.email.empty()) {
      out.emails.emplace(contact.account_id, contact.email);
    }
  }
  ASSIGN_OR_RETURN(auto locations, db::Select<LocationRow>(
                                       tx, "WHERE account_id = ANY($1) ORDER BY location_id", ids));
  for (LocationRow& row : locations) {
    out.accounts[row.account_id].locations.push_back(std::move(row));
  }
  ASSIGN_OR_RETURN(auto discounts,
                   db::Select<DiscountRow>(tx,
                                           "WHERE account_id = ANY($1) AND subscription_id IS NULL "
                                           "ORDER BY position, discount_id",
                                           ids));
  for (DiscountRow& row : discounts) out.discounts[row.account_id].push_back(std::move(row));
  ASSIGN_OR_RETURN(std::vector<Bundle> bundles, LoadBundles(tx, ids, {}));
  for (Bundle& bundle : bundles) {
    out.accounts[bundle.row.account_id].bundles.push_back(std::move(bundle));
  }
  return out;
}

// One change as if it were recorded: the same checks, the same rows, nothing written.
absl::Status Suppose(const pb::HypotheticalChange& in, const Plans& plans,
                     const std::function<Entry(const AccountRow&)>& entry, Loaded& loaded) {
  Violations violations;
  const auto item =
      convert::ReadOptionalId("sub", in.subscription_id(), "changes.subscription_id", violations);
  const auto account =
      convert::ReadOptionalId("acc", in.account_id(), "changes.account_id", violations);
  violations.Require(item.has_value() != account.has_value(), "changes.subscription_id",
                     "a change names its subscription, a new subscription its account");
  RETURN_IF_ERROR(violations.ToStatus());
  for (auto& [id, holdings] : loaded.accounts) {
    if (account.has_value() && id == *account) {
      ASSIGN_OR_RETURN(Bundle made, ReadSubscription(in.subscription(), holdings, plans,
                                                     entry(holdings.account)));
      holdings.bundles.push_back(std::move(made));
      return absl::OkStatus();
    }
    for (Bundle& bundle : holdings.bundles) {
      if (!item.has_value() || bundle.row.subscription_id != *item) continue;
      ASSIGN_OR_RETURN(const ChangeRow row,
                       ReadChange(in.change(), bundle, holdings, plans, entry(holdings.account)));
      AddChange(row, bundle);
      return absl::OkStatus();
    }
  }
  return InvalidField("changes", "the account of a change must be asked for");
}

void MakeSnapshot(const Uuid& id, const Plans& plans, const Loaded& loaded,
                  pb::BillingSnapshot* out) {
  const Holdings& holdings = loaded.accounts.at(id);
  const auto email = loaded.emails.find(id);
  SetHead(holdings.account, email == loaded.emails.end() ? "" : email->second, out);
  for (const LocationRow& row : holdings.locations) {
    pb::SnapshotLocation* location = out->add_locations();
    location->set_location_id(row.location_id.ToText("loc"));
    location->set_name(row.name);
    location->mutable_address()->ParseFromString(row.address.data);
  }
  if (const auto own = loaded.discounts.find(id); own != loaded.discounts.end()) {
    for (const DiscountRow& row : own->second) {
      *out->add_discounts() = ToSnapshot(row, {row.from_date.value_or(CivilDay(1970, 1, 1)),
                                               row.to_date.value_or(CivilDay::max())});
    }
  }
  const FindOther other = Among(holdings.bundles);
  for (const Bundle& bundle : holdings.bundles) {
    *out->add_items() = ToSnapshot(bundle, plans, holdings.account, other);
  }
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
  const auto as_of = convert::ReadOptionalDate(request.as_of(), "as_of", violations);
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
              "parent_account_id IS NULL AND "
              "($4::uuid IS NULL OR company_id = $4) AND ($5 = '' OR account_group = $5) AND "
              "(cardinality($6) = 0 OR account_id = ANY($6) OR account_id IN "
              "(SELECT c.parent_account_id FROM account c WHERE c.account_id = ANY($6))) AND "
              "(cardinality($7) = 0 OR cycle_day_values[greatest(1, (SELECT count(*)::int4 FROM "
              "unnest(cycle_days) d WHERE $8::date IS NULL OR d <= $8))] = ANY($7)) "
              "ORDER BY bucket, account_id LIMIT $9",
              after_bucket, after, buckets, company, request.group(), ids, cycles, as_of,
              size + 1));
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
    const rpc::Context& context, const pb::BatchGetBillingSnapshotsRequest& request) {
  Violations violations;
  violations.Require(request.account_ids_size() <= 1000, "account_ids", "must be at most 1,000");
  std::vector<Uuid> ids;
  for (const std::string& id : request.account_ids()) {
    ids.push_back(convert::ReadId("acc", id, "account_ids", violations));
  }
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin(db::Isolation::kRepeatableRead));
  ASSIGN_OR_RETURN(Loaded loaded, Load(tx, ids));
  ASSIGN_OR_RETURN(const Plans plans, LoadPlans(tx));
  const auto entry = [&](const AccountRow& account) { return EntryOf(context, account); };
  for (const pb::HypotheticalChange& change : request.changes()) {
    RETURN_IF_ERROR(Suppose(change, plans, entry, loaded));
  }
  pb::BatchGetBillingSnapshotsResponse response;
  std::set<Uuid> companies;
  std::set<Uuid> done;
  for (const Uuid& id : ids) {
    const auto found = loaded.accounts.find(id);
    if (found == loaded.accounts.end() || !done.insert(id).second) continue;
    pb::BillingSnapshot* out = response.add_snapshots();
    MakeSnapshot(id, plans, loaded, out);
    companies.insert(found->second.account.company_id);
    const auto children = loaded.children.find(id);
    if (children == loaded.children.end()) continue;
    for (const Uuid& child : children->second) {
      MakeSnapshot(child, plans, loaded, out->add_children());
    }
  }
  const std::vector<Uuid> company_ids(companies.begin(), companies.end());
  ASSIGN_OR_RETURN(const auto company_rows,
                   db::Select<CompanyRow>(tx, "WHERE company_id = ANY($1)", company_ids));
  for (const CompanyRow& row : company_rows) *response.add_companies() = ToProto(row);
  return response;
}

}  // namespace broadbill::accounts
