#include <google/protobuf/util/json_util.h>

#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/convert/convert.h"
#include "libs/convert/import.h"
#include "libs/status/macros.h"
#include "services/accounts/app/accounts_app.h"
#include "services/accounts/app/import_file.h"
#include "services/accounts/app/import_links.h"
#include "services/accounts/app/resolve.h"

namespace broadbill::accounts {
namespace {

void ReadAddress(ImportFile& file, const std::string& prefix, broadbill::common::v1::Address* out) {
  const std::string street = file.Get(prefix + "street");
  if (!street.empty()) out->add_lines(street);
  out->set_city(file.Get(prefix + "city"));
  out->set_region(file.Get(prefix + "region"));
  out->set_postal_code(file.Get(prefix + "postal_code"));
  out->set_country_code(file.Get(prefix + "country").empty() ? "US" : file.Get(prefix + "country"));
}

pb::Account ReadAccountRow(ImportFile& file) {
  pb::Account out;
  out.set_account_number(file.Get("account_number"));
  if (out.account_number().empty()) file.Refuse("account_number", "must not be empty");
  out.set_external_id(file.Get("external_id"));
  out.set_name(file.Get("name"));
  out.set_customer_class(file.Get("customer_class"));
  out.set_currency_code(file.Get("currency"));
  out.set_time_zone(file.Get("time_zone"));
  out.set_language(file.Get("language"));
  out.set_cycle_day(file.Int("cycle_day", 1));
  out.set_bill_ahead_days(file.Int("bill_ahead_days", 0));
  out.set_terms_days(file.Int("terms_days", 15));
  out.set_anchor_rule(file.Name("anchor_rule", pb::Account::FIRST_CYCLE_DAY,
                                pb::Account::AnchorRule_Parse,
                                "first_cycle_day, start_month, anniversary"));
  out.set_document_mode(file.Name("document_mode", pb::Account::INVOICE,
                                  pb::Account::DocumentMode_Parse, "invoice, statement"));
  out.set_group(file.Get("group"));
  out.set_tax_id(file.Get("tax_id"));
  ReadAddress(file, "", out.mutable_billing_address());
  if (!file.Get("email").empty() || !file.Get("phone").empty()) {
    pb::Contact* contact = out.add_contacts();
    contact->set_name(file.Get("name"));
    contact->set_email(file.Get("email"));
    contact->set_phone(file.Get("phone"));
    contact->set_receives_invoices(true);
    contact->set_receives_notices(true);
  }
  return out;
}

// Columns that may be left out.
const std::vector<std::string>& OptionalAccountColumns() {
  static const auto* const columns = new std::vector<std::string>{"external_id",
                                                                  "customer_class",
                                                                  "currency",
                                                                  "time_zone",
                                                                  "language",
                                                                  "cycle_day",
                                                                  "anchor_rule",
                                                                  "bill_ahead_days",
                                                                  "terms_days",
                                                                  "document_mode",
                                                                  "group",
                                                                  "tax_id",
                                                                  "email",
                                                                  "phone",
                                                                  "street",
                                                                  "city",
                                                                  "region",
                                                                  "postal_code",
                                                                  "country",
                                                                  "location_id",
                                                                  "location_name",
                                                                  "location_street",
                                                                  "location_city",
                                                                  "location_region",
                                                                  "location_postal_code",
                                                                  "location_country",
                                                                  "parent"};
  return *columns;
}

}  // namespace

absl::StatusOr<ImportResult> AccountsApp::ImportAccounts(const rpc::Context& context,
                                                         const pb::ImportAccountsRequest& request) {
  return convert::Write<ImportResult>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<ImportResult> {
        const absl::Time now = clock_.Now();
        ASSIGN_OR_RETURN(const CompanyRow company, FindCompany(tx, ""));
        const pb::Company company_proto = ToProto(company);
        ImportFile file(request.content());
        RETURN_IF_ERROR(file.Open({"account_number", "name"}, OptionalAccountColumns()));
        ASSIGN_OR_RETURN(Payers payers, LoadPayers(tx, company.company_id));
        std::vector<AccountRow> accounts;
        std::vector<ParentLink> links;
        std::vector<ContactRow> contacts;
        std::vector<LocationRow> locations;
        while (file.Next()) {
          const pb::Account in = ReadAccountRow(file);
          Violations violations;
          AccountRow row = ReadAccount(in, company_proto, now, violations);
          row.company_id = company.company_id;
          const auto own_contacts = ReadContacts(in, row.account_id, now, violations);
          file.Refuse(violations);
          const bool fresh =
              payers.by_number.emplace(row.account_number, Payer{row.account_id, row.currency, {}})
                  .second;
          if (!in.account_number().empty() && !fresh) {
            file.Refuse("account_number", "exists already, or stands twice in the file",
                        "DUPLICATE_KEY");
          }
          if (!file.row_ok()) continue;
          LocationRow location{row.account_id, Uuid::Make(now), file.Get("location_id"),
                               file.Get("location_name"), row.billing_address};
          if (!file.Get("location_postal_code").empty()) {
            broadbill::common::v1::Address address;
            ReadAddress(file, "location_", &address);
            location.address.data = address.SerializeAsString();
          }
          if (const std::string parent = file.Get("parent"); !parent.empty()) {
            links.push_back({accounts.size(), file.line(), row.account_number, parent});
          }
          locations.push_back(std::move(location));
          contacts.insert(contacts.end(), own_contacts.begin(), own_contacts.end());
          accounts.push_back(std::move(row));
        }
        LinkParents(links, payers, file.errors, accounts);
        ImportResult result;
        Start(file, request.validate_only(), now, result);
        if (!file.errors.empty()) return result;  // nothing was written: all or nothing
        std::map<Uuid, std::vector<ContactRow>> by_account;
        for (const ContactRow& contact : contacts)
          by_account[contact.account_id].push_back(contact);
        for (const AccountRow& row : accounts) {
          AddAccountEvent(row, by_account[row.account_id], true, now, events);
        }
        RETURN_IF_ERROR(db::Copy(tx, accounts));
        RETURN_IF_ERROR(db::Copy(tx, contacts));
        RETURN_IF_ERROR(db::Copy(tx, locations));
        result.set_rows_applied(static_cast<int64_t>(accounts.size()));
        return result;
      });
}

namespace {

void ReadUsage(ImportFile& file, pb::Plan& plan) {
  using Terms = broadbill::common::v1::UsageTerms;
  const bool any =
      !file.Get("allowance").empty() || !file.Get("block_price").empty() || file.Yes("unlimited");
  if (!any) return;
  Terms* usage = plan.mutable_usage();
  usage->set_meter("data");
  usage->set_unit(
      file.Name("usage_unit", Terms::GB, Terms::Unit_Parse, "gb, gib, mb, mib, tb, tib"));
  usage->set_direction(
      file.Name("usage_direction", Terms::BOTH, Terms::Direction_Parse, "in, out, both"));
  usage->set_unlimited(file.Yes("unlimited"));
  usage->set_prorate_allowance(file.Yes("prorate_allowance"));
  const auto set = [&](const char* column, broadbill::common::v1::Decimal* to) {
    if (const auto value = file.Number(column)) to->set_value(value->ToString());
  };
  if (!file.Get("allowance").empty()) set("allowance", usage->mutable_allowance());
  if (!file.Get("block_size").empty()) set("block_size", usage->mutable_block_size());
  if (!file.Get("block_price").empty()) set("block_price", usage->mutable_block_price());
  usage->set_tax_class(file.Get("usage_tax_class"));
  usage->set_account_code(file.Get("usage_account_code"));
}

// Contract, setup fee, free periods, loyalty and holds.
void ReadPlanTerms(ImportFile& file, pb::Plan& plan) {
  plan.set_first_invoice(file.Name("first_invoice", pb::PRORATE, pb::FirstInvoice_Parse,
                                   "prorate, prorate_and_next, full_then_stub"));
  plan.set_free_periods(file.Int("free_periods", 0));
  if (const auto fee = file.Number("setup_fee")) {
    plan.mutable_setup_fee()->mutable_amount()->set_value(fee->ToString());
    plan.mutable_setup_fee()->set_description(file.Get("setup_fee_text"));
  }
  if (!file.Get("contract_months").empty()) {
    pb::Contract* contract = plan.mutable_contract();
    contract->set_months(file.Int("contract_months", 0));
    contract->set_renewal_months(file.Int("renewal_months", 0));
    contract->set_notice_days(file.Int("notice_days", 0));
    contract->set_early_termination(file.Name("early_termination", pb::Contract::NO_FEE,
                                              pb::Contract::EarlyTermination_Parse,
                                              "no_fee, fixed, remaining_months, claw_back"));
    if (const auto fee = file.Number("termination_fee")) {
      contract->mutable_fee_amount()->set_value(fee->ToString());
    }
  }
  // "12:5 24:10": 5 % after 12 months, 10 % after 24.
  for (const absl::string_view step : absl::StrSplit(file.Get("loyalty"), ' ', absl::SkipEmpty())) {
    const std::vector<std::string> parts = absl::StrSplit(step, ':');
    int months = 0;
    const auto percent = Decimal::Parse(parts.back());
    if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &months) || !percent.ok()) {
      file.Refuse("loyalty", "must be steps like 12:5 24:10");
      break;
    }
    plan.add_loyalty()->set_after_months(months);
    plan.mutable_loyalty()->rbegin()->mutable_percent()->set_value(percent->ToString());
  }
  if (file.Yes("seasonal_hold")) {
    plan.mutable_seasonal_hold()->set_min_days(file.Int("hold_min_days", 0));
    plan.mutable_seasonal_hold()->set_max_days_per_year(file.Int("hold_days_per_year", 0));
    plan.mutable_seasonal_hold()->set_max_per_year(file.Int("holds_per_year", 0));
  }
}

pb::Plan ReadPlanRow(ImportFile& file) {
  pb::Plan plan;
  plan.set_code(file.Get("code"));
  plan.set_name(file.Get("name"));
  plan.set_kind(file.Name("kind", pb::Plan::OTHER, pb::Plan::Kind_Parse,
                          "internet, voice, tv, equipment, other"));
  plan.set_tax_class(file.Get("tax_class"));
  plan.set_account_code(file.Get("account_code"));
  plan.set_currency_code(file.Get("currency"));
  plan.set_timing(file.Name("timing", pb::ADVANCE, pb::Timing_Parse, "advance, arrears"));
  plan.mutable_recurrence()->set_days(file.Int("days", 0));
  plan.mutable_recurrence()->set_months(file.Int("months", plan.recurrence().days() > 0 ? 0 : 1));
  const auto method = [&](const char* column) {
    return file.Name(column, pb::Proration::ACTUAL, pb::Proration::Method_Parse,
                     "actual, thirty_day, full, none");
  };
  plan.mutable_proration()->set_start(method("proration_start"));
  plan.mutable_proration()->set_change(method("proration_change"));
  plan.mutable_proration()->set_quantity(method("proration_quantity"));
  plan.mutable_proration()->set_suspend(method("proration_suspend"));
  plan.mutable_proration()->set_cancel(method("proration_cancel"));
  plan.mutable_suspension()->set_mode(file.Name("suspension", pb::SuspensionPolicy::KEEP,
                                                pb::SuspensionPolicy::Mode_Parse,
                                                "keep, stop, hold"));
  if (const auto hold = file.Number("hold_price")) {
    plan.mutable_suspension()->mutable_hold_price()->set_value(hold->ToString());
  }
  pb::PlanPrice* price = plan.add_prices();
  const auto amount = file.Number("price");
  if (!amount.has_value() && file.Get("price").empty()) file.Refuse("price", "must not be empty");
  price->mutable_amount()->set_value(amount.value_or(Decimal()).ToString());
  if (const auto from = file.Day("valid_from")) {
    *price->mutable_valid_from() = convert::ToProto(*from);
  }
  if (const auto discount = file.Number("term_discount_percent")) {
    plan.mutable_term_discount_percent()->set_value(discount->ToString());
  }
  ReadPlanTerms(file, plan);
  ReadUsage(file, plan);
  for (const absl::string_view deck : absl::StrSplit(file.Get("decks"), ' ', absl::SkipEmpty())) {
    plan.mutable_voice()->add_deck_codes(std::string(deck));
  }
  return plan;
}

// Columns that may be left out.
const std::vector<std::string>& OptionalPlanColumns() {
  static const auto* const columns = new std::vector<std::string>{"kind",
                                                                  "currency",
                                                                  "timing",
                                                                  "months",
                                                                  "days",
                                                                  "valid_from",
                                                                  "proration_start",
                                                                  "proration_change",
                                                                  "proration_quantity",
                                                                  "proration_suspend",
                                                                  "proration_cancel",
                                                                  "suspension",
                                                                  "hold_price",
                                                                  "term_discount_percent",
                                                                  "allowance",
                                                                  "usage_unit",
                                                                  "usage_direction",
                                                                  "unlimited",
                                                                  "prorate_allowance",
                                                                  "block_size",
                                                                  "block_price",
                                                                  "usage_tax_class",
                                                                  "usage_account_code",
                                                                  "decks",
                                                                  "first_invoice",
                                                                  "free_periods",
                                                                  "setup_fee",
                                                                  "setup_fee_text",
                                                                  "contract_months",
                                                                  "renewal_months",
                                                                  "notice_days",
                                                                  "early_termination",
                                                                  "termination_fee",
                                                                  "loyalty",
                                                                  "seasonal_hold",
                                                                  "hold_min_days",
                                                                  "hold_days_per_year",
                                                                  "holds_per_year"};
  return *columns;
}

// The columns of fields that have other names in files.
const std::map<std::string, std::string>& PlanColumns() {
  static const auto* const columns = new std::map<std::string, std::string>{
      {"plan.prices.amount", "price"},
      {"plan.contract.months", "contract_months"},
      {"plan.contract.fee_amount", "termination_fee"},
      {"plan.setup_fee.amount", "setup_fee"},
      {"plan.loyalty.after_months", "loyalty"},
      {"plan.loyalty.percent", "loyalty"},
      {"plan.seasonal_hold.min_days", "hold_min_days"},
      {"plan.seasonal_hold.max_days_per_year", "hold_days_per_year"},
      {"plan.seasonal_hold.max_per_year", "holds_per_year"}};
  return *columns;
}

}  // namespace

absl::StatusOr<ImportResult> AccountsApp::ImportPlans(const rpc::Context& context,
                                                      const pb::ImportPlansRequest& request) {
  return convert::Write<ImportResult>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<ImportResult> {
        ASSIGN_OR_RETURN(const CompanyRow company, FindCompany(tx, ""));
        ImportFile file(request.content());
        RETURN_IF_ERROR(file.Open({"code", "name", "tax_class", "account_code", "price"},
                                  OptionalPlanColumns()));
        ASSIGN_OR_RETURN(const db::Result known, tx.Exec("SELECT code FROM plan"));
        std::set<std::string> codes;
        for (int i = 0; i < known.size(); ++i) codes.insert(known.Get<std::string>(i, 0));
        std::vector<PlanRow> rows;
        while (file.Next()) {
          pb::Plan plan = ReadPlanRow(file);
          plan.set_company_id(company.company_id.ToText("co"));
          Violations violations;
          NormalisePlan(plan, ToProto(company).currency_code(), violations);
          file.Refuse(violations, PlanColumns());
          if (!codes.insert(plan.code()).second) {
            file.Refuse("code", "exists already, or stands twice in the file", "DUPLICATE_KEY");
          }
          std::string json;
          (void)google::protobuf::util::MessageToJsonString(plan, &json);
          rows.push_back({Uuid::Make(clock_.Now()), plan.code(), 1, {json}});
        }
        ImportResult result;
        Start(file, request.validate_only(), clock_.Now(), result);
        if (!file.errors.empty()) return result;  // nothing was written: all or nothing
        RETURN_IF_ERROR(db::Insert(tx, rows).status());
        for (const PlanRow& row : rows) AddPlanEvent(row, clock_.Now(), events);
        result.set_rows_applied(static_cast<int64_t>(rows.size()));
        return result;
      });
}

namespace {

// What subscriptions refer to, by the names that files use.
struct Names {
  std::map<std::string, Uuid> accounts, plans;
  std::string currency;                        // the company's
  std::map<Uuid, std::string> other_currency;  // of accounts that differ from the company's
  std::map<Uuid, std::vector<std::pair<std::string, Uuid>>> locations;  // external id, id
};

absl::StatusOr<Names> LoadNames(db::Tx& tx, const CompanyRow& company) {
  Names out;
  out.currency = ToProto(company).currency_code();
  ASSIGN_OR_RETURN(
      const db::Result accounts,
      tx.Exec("SELECT account_number, account_id, currency FROM account WHERE company_id = $1",
              company.company_id));
  for (int i = 0; i < accounts.size(); ++i) {
    out.accounts[accounts.Get<std::string>(i, 0)] = accounts.Get<Uuid>(i, 1);
    const std::string currency = accounts.Get<std::string>(i, 2);
    if (currency != out.currency) out.other_currency[accounts.Get<Uuid>(i, 1)] = currency;
  }
  ASSIGN_OR_RETURN(const db::Result plans, tx.Exec("SELECT code, plan_id FROM plan"));
  for (int i = 0; i < plans.size(); ++i) {
    out.plans[plans.Get<std::string>(i, 0)] = plans.Get<Uuid>(i, 1);
  }
  ASSIGN_OR_RETURN(const db::Result locations,
                   tx.Exec("SELECT account_id, external_id, location_id FROM location "
                           "ORDER BY location_id"));
  for (int i = 0; i < locations.size(); ++i) {
    out.locations[locations.Get<Uuid>(i, 0)].emplace_back(locations.Get<std::string>(i, 1),
                                                          locations.Get<Uuid>(i, 2));
  }
  return out;
}

std::optional<Uuid> LocationOf(const Names& names, const Uuid& account,
                               const std::string& external_id) {
  const auto at = names.locations.find(account);
  if (at == names.locations.end()) return std::nullopt;
  for (const auto& [known, id] : at->second) {
    if (known == external_id) return id;
  }
  return std::nullopt;
}

// A change of an account by its words; what is wrong is refused in `column`.
std::optional<ChangeRow> ReadChange(ImportFile& file, const std::string& column, const Names& names,
                                    const Uuid& account, const std::vector<std::string>& words,
                                    absl::Time now) {
  static const std::map<std::string, ChangeKind> kKinds = {
      {"plan", ChangeKind::kPlan},     {"quantity", ChangeKind::kQuantity},
      {"price", ChangeKind::kPrice},   {"suspend", ChangeKind::kSuspend},
      {"resume", ChangeKind::kResume}, {"cancel", ChangeKind::kCancel},
      {"move", ChangeKind::kMove},     {"clear_price", ChangeKind::kClearPrice}};
  const auto word = [&](size_t i) { return i < words.size() ? words[i] : std::string(); };
  const auto day = ParseDate(word(0));
  const auto kind = kKinds.find(word(1));
  if (!day.ok() || kind == kKinds.end()) {
    file.Refuse(column,
                "'" + absl::StrJoin(words, " ") + "' is no change like '2026-03-10 plan CODE'");
    return std::nullopt;
  }
  ChangeRow change;
  change.change_id = Uuid::Make(now);
  change.created_by = "import";
  change.created_at = now;
  change.effective = *day;
  change.kind = static_cast<int16_t>(kind->second);
  const std::string value = word(2);
  if (kind->second == ChangeKind::kPlan) {
    const auto plan = names.plans.find(value);
    if (plan == names.plans.end()) {
      file.Refuse(column, "no plan '" + value + "'", "UNKNOWN_REFERENCE");
      return std::nullopt;
    }
    change.plan_id = plan->second;
  } else if (kind->second == ChangeKind::kQuantity || kind->second == ChangeKind::kPrice) {
    const auto number = Decimal::Parse(value);
    const bool zero_bad = kind->second == ChangeKind::kQuantity;
    if (!number.ok() || number->IsNegative() || (zero_bad && number->IsZero())) {
      file.Refuse(column, "'" + value + "' is not a number" + (zero_bad ? " above 0" : ""));
      return std::nullopt;
    }
    change.value = *number;
    change.reason = word(3);
  } else if (kind->second == ChangeKind::kMove) {
    change.location_id = LocationOf(names, account, value);
    if (!change.location_id.has_value()) {
      file.Refuse(column, "the account has no location '" + value + "'", "UNKNOWN_REFERENCE");
      return std::nullopt;
    }
  } else {
    change.reason = value.empty() ? word(3) : value;
  }
  return change;
}

// "2026-03-10 plan fibre_1000; 2026-03-12 quantity 2; 2026-03-15 price 40 loyalty;
//  2026-03-20 suspend; 2026-03-25 resume; 2026-03-28 cancel"
void ReadChanges(ImportFile& file, const Names& names, const SubscriptionRow& row, absl::Time now,
                 std::vector<ChangeRow>& out) {
  int64_t entered = 0;
  for (const absl::string_view part : absl::StrSplit(file.Get("changes"), ';', absl::SkipEmpty())) {
    const std::vector<std::string> words = absl::StrSplit(part, ' ', absl::SkipEmpty());
    if (words.empty()) continue;
    auto change = ReadChange(file, "changes", names, row.account_id, words, now);
    if (!change.has_value()) return;
    change->account_id = row.account_id;
    change->subscription_id = row.subscription_id;
    change->entered = entered++;
    out.push_back(*std::move(change));
  }
}

void ReadIdentifiers(ImportFile& file, const SubscriptionRow& row, absl::Time now,
                     std::set<std::pair<int32_t, std::string>>& taken,
                     std::vector<IdentifierRow>& out) {
  static const std::pair<const char*, pb::Identifier::Kind> kColumns[] = {
      {"radius_username", pb::Identifier::RADIUS_USERNAME},
      {"did", pb::Identifier::DID},
      {"trunk", pb::Identifier::TRUNK},
      {"meter_subject", pb::Identifier::METER_SUBJECT}};
  for (const auto& [column, kind] : kColumns) {
    for (const absl::string_view value : absl::StrSplit(file.Get(column), ' ', absl::SkipEmpty())) {
      const std::string text(value);
      if (!taken.emplace(kind, text).second) {
        file.Refuse(column, "'" + text + "' belongs to another subscription", "DUPLICATE_KEY");
      }
      out.push_back({row.account_id, Uuid::Make(now), row.subscription_id, kind, text,
                     row.start_date, row.end_date.value_or(CivilDay::max())});
    }
  }
}

void ReadDiscounts(ImportFile& file, const SubscriptionRow& row, absl::Time now,
                   std::vector<DiscountRow>& out) {
  const auto percent = file.Number("discount_percent");
  const auto amount = file.Number("discount_amount");
  if (!percent.has_value() && !amount.has_value()) return;
  DiscountRow discount;
  discount.account_id = row.account_id;
  discount.subscription_id = row.subscription_id;
  discount.from_date = file.Day("discount_from");
  discount.to_date = file.Day("discount_to");
  discount.periods = file.Int("discount_periods", 0);
  discount.label = file.Get("discount_label").empty() ? "Discount" : file.Get("discount_label");
  // Percent first, then amount, as BILLING orders them.
  if (percent.has_value()) {
    discount.discount_id = Uuid::Make(now);
    discount.percent = percent;
    out.push_back(discount);
  }
  if (amount.has_value()) {
    discount.discount_id = Uuid::Make(now);
    discount.percent.reset();
    discount.amount = amount;
    discount.position = 1;
    out.push_back(discount);
  }
}

SubscriptionRow ReadSubscriptionRow(ImportFile& file, const Names& names, absl::Time now) {
  SubscriptionRow row;
  row.subscription_id = Uuid::Make(now);
  row.external_id = file.Get("subscription_id");
  const auto account = names.accounts.find(file.Get("account_number"));
  const auto plan = names.plans.find(file.Get("plan"));
  if (account == names.accounts.end()) {
    file.Refuse("account_number", "there is no such account", "UNKNOWN_REFERENCE");
  } else {
    row.account_id = account->second;
    const auto at = names.locations.find(row.account_id);
    const std::string wanted = file.Get("location_id");
    for (size_t i = 0; at != names.locations.end() && i < at->second.size(); ++i) {
      if (wanted.empty() ? i == 0 : at->second[i].first == wanted)
        row.location_id = at->second[i].second;
    }
    if (!wanted.empty() && !row.location_id.has_value()) {
      file.Refuse("location_id", "the account has no such location", "UNKNOWN_REFERENCE");
    }
  }
  if (plan == names.plans.end()) {
    file.Refuse("plan", "there is no such plan", "UNKNOWN_REFERENCE");
  } else {
    row.plan_id = plan->second;
  }
  const auto start = file.Day("start_date");
  if (!start.has_value() && file.Get("start_date").empty()) {
    file.Refuse("start_date", "must not be empty");
  }
  row.start_date = start.value_or(CivilDay());
  row.end_date = file.Day("end_date");
  row.paid_through = file.Day("paid_through");
  row.quantity = file.Number("quantity").value_or(Decimal::FromInt(1));
  if (row.quantity.IsZero()) file.Refuse("quantity", "must be more than 0");
  row.price_override = file.Number("price");
  row.override_reason = file.Get("price_reason");
  row.description = file.Get("description");
  row.months = file.Int("months", 0);
  row.setup_fee_waived = file.Yes("setup_fee_waived");
  return row;
}

// What a row says as a whole: its plan's currency, the order of its changes.
void CheckRow(ImportFile& file, const Bundle& bundle, const Names& names, const Plans& plans) {
  const auto plan = plans.find(bundle.row.plan_id);
  if (plan == plans.end() || !file.row_ok()) return;
  const auto other = names.other_currency.find(bundle.row.account_id);
  const std::string& currency =
      other == names.other_currency.end() ? names.currency : other->second;
  if (plan->second.currency_code() != currency) {
    file.Refuse("plan",
                "the plan's prices are in " + plan->second.currency_code() + ", the account's in " +
                    currency,
                "CURRENCY_MISMATCH");
  }
  if (bundle.changes.empty()) return;
  const absl::Status status = CheckHistory(ToHistory(bundle), LimitsIn(plans));
  if (!status.ok())
    file.Refuse("changes", std::string(StdView(status.message())), ReasonOf(status));
}

// Columns that may be left out.
const std::vector<std::string>& OptionalSubscriptionColumns() {
  static const auto* const columns = new std::vector<std::string>{"subscription_id",
                                                                  "location_id",
                                                                  "end_date",
                                                                  "paid_through",
                                                                  "quantity",
                                                                  "price",
                                                                  "price_reason",
                                                                  "description",
                                                                  "months",
                                                                  "radius_username",
                                                                  "did",
                                                                  "trunk",
                                                                  "meter_subject",
                                                                  "discount_percent",
                                                                  "discount_amount",
                                                                  "discount_label",
                                                                  "discount_from",
                                                                  "discount_to",
                                                                  "discount_periods",
                                                                  "changes",
                                                                  "coterminous_with",
                                                                  "setup_fee_waived"};
  return *columns;
}

}  // namespace

absl::StatusOr<ImportResult> AccountsApp::ImportSubscriptions(
    const rpc::Context& context, const pb::ImportSubscriptionsRequest& request) {
  return convert::Write<ImportResult>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<ImportResult> {
        const absl::Time now = clock_.Now();
        ASSIGN_OR_RETURN(const CompanyRow company, FindCompany(tx, ""));
        ASSIGN_OR_RETURN(const Names names, LoadNames(tx, company));
        ImportFile file(request.content());
        RETURN_IF_ERROR(
            file.Open({"account_number", "plan", "start_date"}, OptionalSubscriptionColumns()));
        std::set<std::pair<int32_t, std::string>> taken;
        std::set<std::string> externals;
        ASSIGN_OR_RETURN(const db::Result used, tx.Exec("SELECT kind, value FROM identifier"));
        for (int i = 0; i < used.size(); ++i) {
          taken.emplace(used.Get<int32_t>(i, 0), used.Get<std::string>(i, 1));
        }
        ASSIGN_OR_RETURN(const db::Result known,
                         tx.Exec("SELECT external_id FROM subscription WHERE external_id <> ''"));
        for (int i = 0; i < known.size(); ++i) externals.insert(known.Get<std::string>(i, 0));
        ASSIGN_OR_RETURN(const Plans plans, LoadPlans(tx));
        std::vector<Bundle> bundles;
        std::vector<CoterminousLink> links;
        while (file.Next()) {
          Bundle bundle;
          bundle.row = ReadSubscriptionRow(file, names, now);
          ReadChanges(file, names, bundle.row, now, bundle.changes);
          ReadIdentifiers(file, bundle.row, now, taken, bundle.identifiers);
          ReadDiscounts(file, bundle.row, now, bundle.discounts);
          const std::string& external = bundle.row.external_id;
          if (!external.empty() && !externals.insert(external).second) {
            file.Refuse("subscription_id", "exists already, or stands twice in the file",
                        "DUPLICATE_KEY");
          }
          CheckRow(file, bundle, names, plans);
          if (const std::string with = file.Get("coterminous_with"); !with.empty()) {
            links.push_back({bundles.size(), file.line(), with});
          }
          bundles.push_back(std::move(bundle));
        }
        if (file.errors.empty()) {
          RETURN_IF_ERROR(LinkCoterminous(tx, links, plans, bundles, file.errors));
        }
        ImportResult result;
        Start(file, request.validate_only(), now, result);
        if (!file.errors.empty()) return result;  // nothing was written: all or nothing
        std::vector<SubscriptionRow> rows;
        std::vector<ChangeRow> changes;
        std::vector<DiscountRow> discounts;
        std::vector<IdentifierRow> identifiers;
        std::vector<Uuid> ids;
        for (const Bundle& bundle : bundles) {
          rows.push_back(bundle.row);
          ids.push_back(bundle.row.subscription_id);
          changes.insert(changes.end(), bundle.changes.begin(), bundle.changes.end());
          discounts.insert(discounts.end(), bundle.discounts.begin(), bundle.discounts.end());
          identifiers.insert(identifiers.end(), bundle.identifiers.begin(),
                             bundle.identifiers.end());
        }
        RETURN_IF_ERROR(db::Copy(tx, rows));
        RETURN_IF_ERROR(db::Copy(tx, changes));
        RETURN_IF_ERROR(db::Copy(tx, discounts));
        RETURN_IF_ERROR(db::Copy(tx, identifiers));
        RETURN_IF_ERROR(ChangedMany(tx, ids, true, events));
        result.set_rows_applied(static_cast<int64_t>(rows.size()));
        return result;
      });
}

namespace {

struct KnownSubscription {
  Uuid account_id, subscription_id;
  CivilDay start;
  int64_t next_entered = 0;
};

absl::StatusOr<std::map<std::string, KnownSubscription>> LoadKnown(db::Tx& tx) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec("SELECT s.external_id, s.account_id, s.subscription_id, s.start_date, "
              "coalesce((SELECT max(c.entered) + 1 FROM subscription_change c "
              "WHERE c.account_id = s.account_id AND c.subscription_id = s.subscription_id), 0) "
              "FROM subscription s WHERE s.external_id <> ''"));
  std::map<std::string, KnownSubscription> out;
  for (int i = 0; i < rows.size(); ++i) {
    out[rows.Get<std::string>(i, 0)] = {rows.Get<Uuid>(i, 1), rows.Get<Uuid>(i, 2),
                                        rows.Get<CivilDay>(i, 3), rows.Get<int64_t>(i, 4)};
  }
  return out;
}

std::vector<ChangeRow> ReadChangeRows(ImportFile& file, const Names& names,
                                      std::map<std::string, KnownSubscription>& known,
                                      absl::Time now, std::map<Uuid, int64_t>& lines) {
  std::vector<ChangeRow> out;
  while (file.Next()) {
    const auto at = known.find(file.Get("subscription_id"));
    if (at == known.end()) {
      file.Refuse("subscription_id", "there is no such subscription", "UNKNOWN_REFERENCE");
      continue;
    }
    auto change = ReadChange(
        file, "change", names, at->second.account_id,
        {file.Get("effective_date"), file.Get("change"), file.Get("value"), file.Get("reason")},
        now);
    if (!change.has_value()) continue;
    if (change->effective < at->second.start) {
      file.Refuse("effective_date", "must not be before the subscription's start");
      continue;
    }
    change->account_id = at->second.account_id;
    change->subscription_id = at->second.subscription_id;
    change->entered = at->second.next_entered++;
    lines[change->subscription_id] = file.line();
    out.push_back(*std::move(change));
  }
  return out;
}

}  // namespace

absl::StatusOr<ImportResult> AccountsApp::ImportSubscriptionChanges(
    const rpc::Context& context, const pb::ImportSubscriptionChangesRequest& request) {
  return convert::Write<ImportResult>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<ImportResult> {
        const absl::Time now = clock_.Now();
        ASSIGN_OR_RETURN(const CompanyRow company, FindCompany(tx, ""));
        ASSIGN_OR_RETURN(const Names names, LoadNames(tx, company));
        ASSIGN_OR_RETURN(auto known, LoadKnown(tx));
        ImportFile file(request.content());
        RETURN_IF_ERROR(
            file.Open({"subscription_id", "effective_date", "change"}, {"value", "reason"}));
        std::map<Uuid, int64_t> lines;
        const std::vector<ChangeRow> changes = ReadChangeRows(file, names, known, now, lines);
        if (file.errors.empty()) {
          RETURN_IF_ERROR(CheckHistories(tx, changes, lines, file.errors));
        }
        ImportResult result;
        Start(file, request.validate_only(), now, result);
        if (!file.errors.empty()) return result;  // nothing was written: all or nothing
        RETURN_IF_ERROR(db::Copy(tx, changes));
        std::set<Uuid> ids;
        for (const ChangeRow& change : changes) ids.insert(change.subscription_id);
        RETURN_IF_ERROR(ChangedMany(tx, {ids.begin(), ids.end()}, false, events));
        result.set_rows_applied(static_cast<int64_t>(changes.size()));
        return result;
      });
}

// Bumps the accounts' and subscriptions' versions and tells the feed about their present state.
absl::Status AccountsApp::ChangedMany(db::Tx& tx, const std::vector<Uuid>& subscription_ids,
                                      bool created, convert::Events& events) {
  const absl::Time now = clock_.Now();
  RETURN_IF_ERROR(tx.Exec("UPDATE account SET version = version + 1, updated_at = $2 WHERE "
                          "account_id IN (SELECT account_id FROM subscription "
                          "WHERE subscription_id = ANY($1))",
                          subscription_ids, now)
                      .status());
  if (!created) {
    RETURN_IF_ERROR(tx.Exec("UPDATE subscription SET version = version + 1 "
                            "WHERE subscription_id = ANY($1)",
                            subscription_ids)
                        .status());
  }
  ASSIGN_OR_RETURN(const std::vector<Bundle> bundles, LoadBundles(tx, {}, subscription_ids));
  return Announce(tx, bundles, created, events);
}

absl::Status AccountsApp::Announce(db::Tx& tx, const std::vector<Bundle>& bundles, bool created,
                                   convert::Events& events) {
  const absl::Time now = clock_.Now();
  std::vector<Uuid> account_ids;
  for (const Bundle& bundle : bundles) account_ids.push_back(bundle.row.account_id);
  ASSIGN_OR_RETURN(const auto accounts,
                   db::Select<AccountRow>(tx, "WHERE account_id = ANY($1)", account_ids));
  std::map<Uuid, AccountRow> by_id;
  for (const AccountRow& row : accounts) by_id[row.account_id] = row;
  ASSIGN_OR_RETURN(const Plans plans, LoadPlans(tx));
  ASSIGN_OR_RETURN(const std::vector<Bundle> all, LoadCoterminous(tx, bundles));
  for (const Bundle& bundle : bundles) {
    AddSubscriptionEvent(bundle, all, plans, by_id[bundle.row.account_id], created, now, events);
  }
  return absl::OkStatus();
}

}  // namespace broadbill::accounts
