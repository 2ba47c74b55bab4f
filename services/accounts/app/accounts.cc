#include <algorithm>

#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/accounts/app/accounts_app.h"
#include "services/accounts/app/edit.h"

namespace broadbill::accounts {
namespace {

constexpr size_t kMaxLogo = 128 * 1024;

void CheckCompany(pb::Company& company, Violations& violations) {
  violations.Require(!company.name().empty(), "company.name", "is required");
  violations.Check(CurrencyExponent(company.currency_code()).status(), "company.currency_code");
  violations.Check(LoadZone(company.time_zone()).status(), "company.time_zone");
  if (company.has_payable_rounding()) {
    const Decimal step =
        convert::ReadDecimal(company.payable_rounding(), "company.payable_rounding", violations);
    violations.Require(!step.IsNegative() && step <= Decimal::FromInt(100),
                       "company.payable_rounding", "must be a step of 0 to 100, like 0.05");
  }
  const std::string& logo = company.logo_png();
  violations.Require(logo.empty() || (logo.size() <= kMaxLogo && logo.rfind("\x89PNG\r\n", 0) == 0),
                     "company.logo_png", "must be a PNG of at most 128 KiB");
  if (company.language().empty()) company.set_language("en");
  if (company.correction_mode() == pb::Company::CORRECTION_MODE_UNSPECIFIED) {
    company.set_correction_mode(pb::Company::NEXT_INVOICE);
  }
  if (company.due_basis() == pb::Company::DUE_BASIS_UNSPECIFIED) {
    company.set_due_basis(pb::Company::INVOICE_DATE);
  }
}

absl::StatusOr<std::vector<ContactRow>> ContactsOf(db::Tx& tx, const Uuid& account_id) {
  return db::Select<ContactRow>(tx, "WHERE account_id = $1 ORDER BY contact_id", account_id);
}

// Document numbers are unique in the installation and never change, so what a company once put
// before them is its own for ever.
absl::Status TakePrefix(db::Tx& tx, const Uuid& company_id, const std::string& prefix) {
  RETURN_IF_ERROR(tx.Exec("INSERT INTO company_prefix VALUES ($1, $2) ON CONFLICT DO NOTHING",
                          prefix, company_id)
                      .status());
  ASSIGN_OR_RETURN(const db::Result owner,
                   tx.Exec("SELECT c.code FROM company_prefix p JOIN company c USING (company_id) "
                           "WHERE p.prefix = $1 AND p.company_id <> $2",
                           prefix, company_id));
  if (owner.empty()) return absl::OkStatus();
  Violations violations;
  violations.Add("company.number_prefix",
                 "is or was that of the company " + owner.Get<std::string>(0, 0) + " already");
  return violations.ToStatus();
}

}  // namespace

absl::Status AccountsApp::EnsureDefaultCompany() {
  pb::Company company;
  company.set_name("Broadbill Internet");
  company.set_currency_code("USD");
  company.set_time_zone("America/Chicago");
  company.set_language("en");
  company.set_correction_mode(pb::Company::NEXT_INVOICE);
  company.set_due_basis(pb::Company::INVOICE_DATE);
  company.set_logo_color("#0b5c7a");
  return db::RunTx(*pool_, [&](db::Tx& tx) -> absl::Status {
    const CompanyRow row{Uuid::Make(clock_.Now()), "default", 1, {Json(company)}};
    ASSIGN_OR_RETURN(const int64_t fresh, db::InsertOne(tx, row, "ON CONFLICT DO NOTHING"));
    return fresh == 0 ? absl::OkStatus() : TakePrefix(tx, row.company_id, "");
  });
}

CivilDay AccountsApp::Today(const std::string& time_zone) const {
  const auto zone = LoadZone(time_zone);
  return DateIn(clock_.Now(), zone.ok() ? *zone : absl::UTCTimeZone());
}

absl::StatusOr<CompanyRow> AccountsApp::FindCompany(db::Tx& tx, const std::string& id_or_code) {
  const auto id = Uuid::Parse("co", id_or_code);
  ASSIGN_OR_RETURN(
      std::vector<CompanyRow> rows,
      db::Select<CompanyRow>(tx, "WHERE company_id = $1 OR code = $2", id.ok() ? *id : Uuid(),
                             id_or_code.empty() ? std::string("default") : id_or_code));
  if (rows.empty()) return NotFoundError("COMPANY_NOT_FOUND", "there is no company " + id_or_code);
  return rows.front();
}

absl::StatusOr<AccountRow> AccountsApp::FindAccount(db::Tx& tx, const Uuid& account_id, bool lock) {
  ASSIGN_OR_RETURN(
      std::vector<AccountRow> rows,
      db::Select<AccountRow>(tx, std::string("WHERE account_id = $1") + (lock ? " FOR UPDATE" : ""),
                             account_id));
  if (rows.empty()) {
    return NotFoundError("ACCOUNT_NOT_FOUND", "there is no account " + account_id.ToText("acc"));
  }
  return rows.front();
}

absl::Status AccountsApp::Touch(db::Tx& tx, AccountRow& row) {
  ++row.version;
  row.updated_at = clock_.Now();
  return tx
      .Exec("UPDATE account SET version = $2, updated_at = $3 WHERE account_id = $1",
            row.account_id, row.version, row.updated_at)
      .status();
}

absl::Status AccountsApp::CheckParent(db::Tx& tx, const AccountRow& child) {
  if (!child.parent_account_id.has_value()) return absl::OkStatus();
  const std::string field = "account.parent_account_id";
  if (*child.parent_account_id == child.account_id) {
    return InvalidField(field, "an account cannot pay for itself through another");
  }
  const auto parent = FindAccount(tx, *child.parent_account_id, true);
  if (absl::IsNotFound(parent.status())) return InvalidField(field, "there is no such account");
  RETURN_IF_ERROR(parent.status());
  Violations violations;
  violations.Require(parent->company_id == child.company_id, field, "belongs to another company");
  violations.Require(parent->currency == child.currency, field,
                     "is billed in " + parent->currency + ", the child in " + child.currency);
  violations.Require(!parent->parent_account_id.has_value(), field,
                     "is a child itself; a payer pays for itself");
  ASSIGN_OR_RETURN(
      const db::Result children,
      tx.Exec("SELECT 1 FROM account WHERE parent_account_id = $1 LIMIT 1", child.account_id));
  violations.Require(children.empty(), field,
                     "the account pays for others; a child has no children");
  return violations.ToStatus();
}

absl::StatusOr<pb::Company> AccountsApp::CreateCompany(const rpc::Context& context,
                                                       const pb::CreateCompanyRequest& request) {
  pb::Company company = request.company();
  Violations violations;
  violations.Require(!company.code().empty(), "company.code", "is required");
  CheckCompany(company, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Company>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Company> {
        const CompanyRow row{Uuid::Make(clock_.Now()), company.code(), 1, {Json(company)}};
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        RETURN_IF_ERROR(TakePrefix(tx, row.company_id, company.number_prefix()));
        AddCompanyEvent(row, clock_.Now(), events);
        return ToProto(row);
      });
}

absl::StatusOr<pb::Company> AccountsApp::GetCompany(const rpc::Context&,
                                                    const pb::GetCompanyRequest& request) {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const CompanyRow row, FindCompany(tx, request.company_id()));
  return ToProto(row);
}

absl::StatusOr<pb::ListCompaniesResponse> AccountsApp::ListCompanies(
    const rpc::Context&, const pb::ListCompaniesRequest&) {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto rows, db::Select<CompanyRow>(tx, "ORDER BY company_id LIMIT 1000"));
  pb::ListCompaniesResponse response;
  for (const CompanyRow& row : rows) *response.add_companies() = ToProto(row);
  return response;
}

absl::StatusOr<pb::Company> AccountsApp::UpdateCompany(const rpc::Context& context,
                                                       const pb::UpdateCompanyRequest& request) {
  return convert::Write<pb::Company>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Company> {
        ASSIGN_OR_RETURN(CompanyRow row, FindCompany(tx, request.company_id()));
        RETURN_IF_ERROR(CheckEtag(request.etag(), row.version));
        pb::Company company = ToProto(row);
        RETURN_IF_ERROR(Edit(request.company(), request.update_mask(), company));
        Violations violations;
        CheckCompany(company, violations);
        RETURN_IF_ERROR(violations.ToStatus());
        RETURN_IF_ERROR(TakePrefix(tx, row.company_id, company.number_prefix()));
        row.body.text = Json(company);
        ++row.version;
        RETURN_IF_ERROR(tx.Exec("UPDATE company SET body = $2, version = $3 WHERE company_id = $1",
                                row.company_id, row.body, row.version)
                            .status());
        AddCompanyEvent(row, clock_.Now(), events);
        return ToProto(row);
      });
}

absl::StatusOr<pb::Account> AccountsApp::CreateAccount(const rpc::Context& context,
                                                       const pb::CreateAccountRequest& request) {
  return convert::Write<pb::Account>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Account> {
        ASSIGN_OR_RETURN(const CompanyRow company, FindCompany(tx, request.account().company_id()));
        const absl::Time now = clock_.Now();
        Violations violations;
        AccountRow row = ReadAccount(request.account(), ToProto(company), now, violations);
        row.company_id = company.company_id;
        const auto contacts = ReadContacts(request.account(), row.account_id, now, violations);
        std::vector<LocationRow> locations;
        for (const pb::Location& location : request.locations()) {
          locations.push_back(ReadLocation(location, row.account_id, now, "locations", violations));
        }
        RETURN_IF_ERROR(violations.ToStatus());
        RETURN_IF_ERROR(CheckParent(tx, row));
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        RETURN_IF_ERROR(db::Insert(tx, contacts).status());
        RETURN_IF_ERROR(db::Insert(tx, locations).status());
        AddAccountEvent(row, contacts, true, now, events);
        return ToProto(row, contacts);
      });
}

absl::StatusOr<pb::Account> AccountsApp::GetAccount(const rpc::Context&,
                                                    const pb::GetAccountRequest& request) {
  Violations violations;
  const Uuid id = convert::ReadId("acc", request.account_id(), "account_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const AccountRow row, FindAccount(tx, id, false));
  ASSIGN_OR_RETURN(const auto contacts, ContactsOf(tx, id));
  return ToProto(row, contacts);
}

absl::StatusOr<pb::ListAccountsResponse> AccountsApp::ListAccounts(
    const rpc::Context&, const pb::ListAccountsRequest& request) {
  Violations violations;
  const int32_t size = convert::ReadPageSize(request.page_size(), 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string token, convert::ReadPageToken(request.page_token()));
  Uuid after;
  if (!token.empty()) {
    ASSIGN_OR_RETURN(after, Uuid::FromHex(token));
  }
  std::vector<int32_t> states(request.states().begin(), request.states().end());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(auto rows,
                   db::Select<AccountRow>(
                       tx,
                       "WHERE account_id > $1 AND ($2 = '' OR account_number = $2) AND "
                       "($3 = '' OR external_id = $3) AND ($4 = '' OR account_group = $4) AND "
                       "(cardinality($5) = 0 OR state = ANY($5)) AND "
                       "($6 = '' OR strpos(lower(name), lower($6)) > 0) "
                       "ORDER BY account_id LIMIT $7",
                       after, request.account_number(), request.external_id(), request.group(),
                       states, request.query(), int64_t{size} + 1));
  pb::ListAccountsResponse response;
  if (rows.size() > static_cast<size_t>(size)) {
    rows.resize(static_cast<size_t>(size));
    response.set_next_page_token(convert::MakePageToken(rows.back().account_id.ToHex()));
  }
  for (const AccountRow& row : rows) *response.add_accounts() = ToProto(row, {});
  return response;
}

absl::StatusOr<pb::Account> AccountsApp::UpdateAccount(const rpc::Context& context,
                                                       const pb::UpdateAccountRequest& request) {
  Violations violations;
  const Uuid id = convert::ReadId("acc", request.account_id(), "account_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Account>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Account> {
        ASSIGN_OR_RETURN(const AccountRow before, FindAccount(tx, id, true));
        RETURN_IF_ERROR(CheckEtag(request.etag(), before.version));
        pb::Account account = ToProto(before, {});
        RETURN_IF_ERROR(Edit(request.account(), request.update_mask(), account));
        ASSIGN_OR_RETURN(const CompanyRow company, FindCompany(tx, account.company_id()));
        Violations found;
        AccountRow row = ReadAccount(account, ToProto(company), clock_.Now(), found);
        RETURN_IF_ERROR(found.ToStatus());
        row.account_id = before.account_id;
        row.bucket = before.bucket;
        row.company_id = before.company_id;
        row.cycle_days = before.cycle_days;
        row.cycle_day_values = before.cycle_day_values;
        row.created_at = before.created_at;
        row.version = before.version + 1;
        if (row.parent_account_id != before.parent_account_id) {
          RETURN_IF_ERROR(CheckParent(tx, row));
        }
        RETURN_IF_ERROR(tx.Exec("UPDATE account SET name = $2, customer_class = $3, language = $4, "
                                "bill_ahead_days = $5, terms_days = $6, document_mode = $7, "
                                "state = $8, billing_address = $9, tax_id = $10, "
                                "account_group = $11, external_id = $12, version = $13, "
                                "updated_at = $14, parent_account_id = $15 WHERE account_id = $1",
                                row.account_id, row.name, row.customer_class, row.language,
                                row.bill_ahead_days, row.terms_days, row.document_mode, row.state,
                                row.billing_address, row.tax_id, row.account_group, row.external_id,
                                row.version, row.updated_at, row.parent_account_id)
                            .status());
        ASSIGN_OR_RETURN(const auto contacts, ContactsOf(tx, id));
        AddAccountEvent(row, contacts, false, clock_.Now(), events);
        return ToProto(row, contacts);
      });
}

absl::StatusOr<pb::Account> AccountsApp::ChangeCycleDay(const rpc::Context& context,
                                                        const pb::ChangeCycleDayRequest& request) {
  Violations violations;
  const Uuid id = convert::ReadId("acc", request.account_id(), "account_id", violations);
  violations.Require(request.cycle_day() >= 1 && request.cycle_day() <= 31, "cycle_day",
                     "must be 1 to 31");
  const CivilDay from = convert::ReadDate(request.effective_date(), "effective_date", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Account>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Account> {
        ASSIGN_OR_RETURN(AccountRow row, FindAccount(tx, id, true));
        RETURN_IF_ERROR(CheckEtag(request.etag(), row.version));
        if (from <= row.cycle_days.back()) {
          return InvalidField("effective_date", "must be after the last change of cycle day");
        }
        row.cycle_days.push_back(from);
        row.cycle_day_values.push_back(request.cycle_day());
        ++row.version;
        RETURN_IF_ERROR(tx.Exec("UPDATE account SET cycle_days = $2, cycle_day_values = $3, "
                                "version = $4, updated_at = $5 WHERE account_id = $1",
                                id, row.cycle_days, row.cycle_day_values, row.version, clock_.Now())
                            .status());
        ASSIGN_OR_RETURN(const auto contacts, ContactsOf(tx, id));
        AddAccountEvent(row, contacts, false, clock_.Now(), events);
        // Their months of usage lie otherwise from now on.
        ASSIGN_OR_RETURN(const std::vector<Bundle> bundles, LoadBundles(tx, {id}, {}));
        RETURN_IF_ERROR(Announce(tx, bundles, false, events));
        return ToProto(row, contacts);
      });
}

absl::StatusOr<pb::BatchGetContactsResponse> AccountsApp::BatchGetContacts(
    const rpc::Context&, const pb::BatchGetContactsRequest& request) {
  Violations violations;
  std::vector<Uuid> ids;
  for (const std::string& id : request.account_ids()) {
    ids.push_back(convert::ReadId("acc", id, "account_ids", violations));
  }
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto rows, db::Select<AccountRow>(tx, "WHERE account_id = ANY($1)", ids));
  ASSIGN_OR_RETURN(
      const auto contacts,
      db::Select<ContactRow>(tx, "WHERE account_id = ANY($1) ORDER BY contact_id", ids));
  std::map<Uuid, std::vector<ContactRow>> by_account;
  for (const ContactRow& contact : contacts) by_account[contact.account_id].push_back(contact);
  pb::BatchGetContactsResponse response;
  for (const AccountRow& row : rows) {
    const pb::Account account = ToProto(row, by_account[row.account_id]);
    pb::AccountContacts* out = response.add_accounts();
    out->set_account_id(account.account_id());
    out->set_account_number(account.account_number());
    out->set_company_id(account.company_id());
    out->set_name(account.name());
    out->set_language(account.language());
    out->set_time_zone(account.time_zone());
    *out->mutable_contacts() = account.contacts();
  }
  return response;
}

absl::StatusOr<pb::Contact> AccountsApp::CreateContact(const rpc::Context& context,
                                                       const pb::CreateContactRequest& request) {
  Violations violations;
  const Uuid id = convert::ReadId("acc", request.account_id(), "account_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Contact>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Contact> {
        ASSIGN_OR_RETURN(AccountRow account, FindAccount(tx, id, true));
        pb::Account holder;
        *holder.add_contacts() = request.contact();
        Violations found;
        const auto rows = ReadContacts(holder, id, clock_.Now(), found);
        RETURN_IF_ERROR(found.ToStatus());
        RETURN_IF_ERROR(db::Insert(tx, rows).status());
        RETURN_IF_ERROR(Touch(tx, account));
        ASSIGN_OR_RETURN(const auto contacts, ContactsOf(tx, id));
        AddAccountEvent(account, contacts, false, clock_.Now(), events);
        return ToProto(account, rows).contacts(0);
      });
}

absl::StatusOr<pb::Contact> AccountsApp::UpdateContact(const rpc::Context& context,
                                                       const pb::UpdateContactRequest& request) {
  Violations violations;
  const Uuid id = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const Uuid contact_id = convert::ReadId("con", request.contact_id(), "contact_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Contact>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Contact> {
        ASSIGN_OR_RETURN(AccountRow account, FindAccount(tx, id, true));
        ASSIGN_OR_RETURN(auto contacts, ContactsOf(tx, id));
        const auto row = std::find_if(contacts.begin(), contacts.end(), [&](const ContactRow& one) {
          return one.contact_id == contact_id;
        });
        if (row == contacts.end()) {
          return NotFoundError("CONTACT_NOT_FOUND", "the account has no such contact");
        }
        RETURN_IF_ERROR(CheckEtag(request.etag(), account.version));
        pb::Account holder;
        *holder.add_contacts() = ToProto(account, {*row}).contacts(0);
        RETURN_IF_ERROR(
            Edit(request.contact(), request.update_mask(), *holder.mutable_contacts(0)));
        Violations found;
        *row = ReadContacts(holder, id, clock_.Now(), found).front();
        row->contact_id = contact_id;
        RETURN_IF_ERROR(found.ToStatus());
        RETURN_IF_ERROR(tx.Exec("UPDATE contact SET name = $3, email = $4, phone = $5, "
                                "receives_invoices = $6, receives_notices = $7 "
                                "WHERE account_id = $1 AND contact_id = $2",
                                id, contact_id, row->name, row->email, row->phone,
                                row->receives_invoices, row->receives_notices)
                            .status());
        RETURN_IF_ERROR(Touch(tx, account));
        AddAccountEvent(account, contacts, false, clock_.Now(), events);
        return ToProto(account, {*row}).contacts(0);
      });
}

absl::StatusOr<pb::ListContactsResponse> AccountsApp::ListContacts(
    const rpc::Context& context, const pb::ListContactsRequest& request) {
  pb::GetAccountRequest get;
  get.set_account_id(request.account_id());
  ASSIGN_OR_RETURN(const pb::Account account, GetAccount(context, get));
  pb::ListContactsResponse response;
  *response.mutable_contacts() = account.contacts();
  return response;
}

absl::StatusOr<pb::Location> AccountsApp::CreateLocation(const rpc::Context& context,
                                                         const pb::CreateLocationRequest& request) {
  Violations violations;
  const Uuid id = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const LocationRow row =
      ReadLocation(request.location(), id, clock_.Now(), "location", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Location>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::Location> {
        RETURN_IF_ERROR(FindAccount(tx, id, true).status());
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        RETURN_IF_ERROR(
            tx.Exec("UPDATE account SET version = version + 1 WHERE account_id = $1", id).status());
        return ToProto(row);
      });
}

absl::StatusOr<pb::Location> AccountsApp::UpdateLocation(const rpc::Context& context,
                                                         const pb::UpdateLocationRequest& request) {
  Violations violations;
  const Uuid account_id = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const Uuid id = convert::ReadId("loc", request.location_id(), "location_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Location>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::Location> {
        ASSIGN_OR_RETURN(AccountRow account, FindAccount(tx, account_id, true));
        ASSIGN_OR_RETURN(const auto rows,
                         db::Select<LocationRow>(tx, "WHERE account_id = $1 AND location_id = $2",
                                                 account_id, id));
        if (rows.empty()) return NotFoundError("LOCATION_NOT_FOUND", "there is no such location");
        RETURN_IF_ERROR(CheckEtag(request.etag(), account.version));
        pb::Location location = ToProto(rows.front());
        RETURN_IF_ERROR(Edit(request.location(), request.update_mask(), location));
        Violations found;
        LocationRow row = ReadLocation(location, account_id, clock_.Now(), "location", found);
        row.location_id = id;
        RETURN_IF_ERROR(found.ToStatus());
        RETURN_IF_ERROR(tx.Exec("UPDATE location SET external_id = $3, name = $4, address = $5 "
                                "WHERE account_id = $1 AND location_id = $2",
                                account_id, id, row.external_id, row.name, row.address)
                            .status());
        RETURN_IF_ERROR(Touch(tx, account));
        return ToProto(row);
      });
}

absl::StatusOr<pb::Location> AccountsApp::GetLocation(const rpc::Context&,
                                                      const pb::GetLocationRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const Uuid id = convert::ReadId("loc", request.location_id(), "location_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(
      const auto rows,
      db::Select<LocationRow>(tx, "WHERE account_id = $1 AND location_id = $2", account, id));
  if (rows.empty()) return NotFoundError("LOCATION_NOT_FOUND", "there is no such location");
  return ToProto(rows.front());
}

absl::StatusOr<pb::ListLocationsResponse> AccountsApp::ListLocations(
    const rpc::Context&, const pb::ListLocationsRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto rows,
                   db::Select<LocationRow>(
                       tx, "WHERE account_id = $1 ORDER BY location_id LIMIT 1000", account));
  pb::ListLocationsResponse response;
  for (const LocationRow& row : rows) *response.add_locations() = ToProto(row);
  return response;
}

}  // namespace broadbill::accounts
