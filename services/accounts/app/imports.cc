#include <google/protobuf/util/json_util.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/convert/convert.h"
#include "libs/convert/import.h"
#include "libs/status/macros.h"
#include "services/accounts/app/accounts_app.h"
#include "services/accounts/domain/history.h"

namespace broadbill::accounts {
namespace {

// One CSV file being read: rows, header, errors.
class File {
 public:
  explicit File(std::string_view content) : reader_(content) {}

  absl::Status Open(const std::vector<std::string>& required,
                    const std::vector<std::string>& optional) {
    reader_.Next(row_);
    ASSIGN_OR_RETURN(header_, csv::Header::Make(row_, required, optional));
    return absl::OkStatus();
  }
  bool Next() {
    row_ok_ = true;
    if (!reader_.Next(row_)) return false;
    ++read;
    return true;
  }
  std::string Get(const std::string& column) const { return header_->Get(row_, column); }
  bool row_ok() const { return row_ok_; }
  int64_t line() const { return row_.line; }

  void Refuse(const std::string& column, const std::string& message,
              const std::string& reason = "INVALID_VALUE") {
    row_ok_ = false;
    errors.push_back({row_.line, column, Get(column), reason, message});
  }
  // Errors of a validator that names proto fields: the last part is the column.
  void Refuse(const Violations& violations) {
    for (const FieldViolation& found : ViolationsOf(violations.ToStatus())) {
      Refuse(found.field.substr(found.field.rfind('.') + 1), found.description);
    }
  }
  int32_t Int(const std::string& column, int32_t otherwise) {
    const std::string text = Get(column);
    if (text.empty()) return otherwise;
    if (text.size() > 6 || text.find_first_not_of("0123456789") != std::string::npos) {
      Refuse(column, "must be a whole number");
      return otherwise;
    }
    return std::stoi(text);
  }
  std::optional<Decimal> Number(const std::string& column) {
    const std::string text = Get(column);
    if (text.empty()) return std::nullopt;
    const auto value = Decimal::Parse(text);
    if (value.ok() && !value->IsNegative()) return *value;
    Refuse(column, "must be a number of 0 or more, like 49.99");
    return std::nullopt;
  }
  std::optional<CivilDay> Day(const std::string& column) {
    const std::string text = Get(column);
    if (text.empty()) return std::nullopt;
    const auto day = ParseDate(text);
    if (day.ok()) return *day;
    Refuse(column, "must be a date like 2026-03-01");
    return std::nullopt;
  }
  bool Yes(const std::string& column) {
    const std::string text = Get(column);
    if (text == "yes" || text == "true" || text == "1") return true;
    if (!text.empty() && text != "no" && text != "false" && text != "0") {
      Refuse(column, "must be yes or no");
    }
    return false;
  }
  // The value of an enum by its name in lower case.
  template <class Enum, class Parse>
  Enum Name(const std::string& column, Enum otherwise, const Parse& parse,
            const std::string& choices) {
    std::string text = Get(column);
    if (text.empty()) return otherwise;
    for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    Enum value = otherwise;
    if (!parse(text, &value)) Refuse(column, "must be one of " + choices);
    return value;
  }

  int64_t read = 0;
  std::vector<csv::RowError> errors;

 private:
  csv::Reader reader_;
  csv::Row row_;
  std::optional<csv::Header> header_;
  bool row_ok_ = true;
};

void Start(const File& file, absl::Time now, ImportResult& result) {
  result.set_import_id(Uuid::Make(now).ToText("imp"));
  result.set_rows_read(file.read);
  result.set_rows_refused(static_cast<int64_t>(file.errors.size()));
  convert::SetErrors(file.errors, result);
}

void ReadAddress(File& file, const std::string& prefix, broadbill::common::v1::Address* out) {
  const std::string street = file.Get(prefix + "street");
  if (!street.empty()) out->add_lines(street);
  out->set_city(file.Get(prefix + "city"));
  out->set_region(file.Get(prefix + "region"));
  out->set_postal_code(file.Get(prefix + "postal_code"));
  out->set_country_code(file.Get(prefix + "country").empty() ? "US" : file.Get(prefix + "country"));
}

pb::Account ReadAccountRow(File& file) {
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

}  // namespace

absl::StatusOr<ImportResult> AccountsApp::ImportAccounts(const rpc::Context& context,
                                                         const pb::ImportAccountsRequest& request) {
  return convert::Write<ImportResult>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<ImportResult> {
        const absl::Time now = clock_.Now();
        ASSIGN_OR_RETURN(const CompanyRow company, FindCompany(tx, ""));
        const pb::Company company_proto = ToProto(company);
        File file(request.content());
        RETURN_IF_ERROR(file.Open(
            {"account_number", "name"},
            {"external_id", "customer_class", "currency", "time_zone", "language", "cycle_day",
             "anchor_rule", "bill_ahead_days", "terms_days", "document_mode", "group", "tax_id",
             "email", "phone", "street", "city", "region", "postal_code", "country",
             "location_id", "location_name", "location_street", "location_city",
             "location_region", "location_postal_code", "location_country"}));
        ASSIGN_OR_RETURN(const db::Result known,
                         tx.Exec("SELECT account_number FROM account WHERE company_id = $1",
                                 company.company_id));
        std::set<std::string> numbers;
        for (int i = 0; i < known.size(); ++i) numbers.insert(known.Get<std::string>(i, 0));
        std::vector<AccountRow> accounts;
        std::vector<ContactRow> contacts;
        std::vector<LocationRow> locations;
        while (file.Next()) {
          const pb::Account in = ReadAccountRow(file);
          Violations violations;
          AccountRow row = ReadAccount(in, company_proto, now, violations);
          row.company_id = company.company_id;
          const auto own_contacts = ReadContacts(in, row.account_id, now, violations);
          file.Refuse(violations);
          if (!in.account_number().empty() && !numbers.insert(in.account_number()).second) {
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
          locations.push_back(std::move(location));
          contacts.insert(contacts.end(), own_contacts.begin(), own_contacts.end());
          accounts.push_back(std::move(row));
        }
        ImportResult result;
        Start(file, now, result);
        if (!file.errors.empty()) return result;  // nothing was written: all or nothing
        std::map<Uuid, std::vector<ContactRow>> by_account;
        for (const ContactRow& contact : contacts) by_account[contact.account_id].push_back(contact);
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

void ReadUsage(File& file, pb::Plan& plan) {
  using Terms = broadbill::common::v1::UsageTerms;
  const bool any = !file.Get("allowance").empty() || !file.Get("block_price").empty() ||
                   file.Yes("unlimited");
  if (!any) return;
  Terms* usage = plan.mutable_usage();
  usage->set_meter("data");
  usage->set_unit(file.Name("usage_unit", Terms::GB, Terms::Unit_Parse, "gb, gib, mb, mib, tb, tib"));
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

pb::Plan ReadPlanRow(File& file) {
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
  ReadUsage(file, plan);
  for (const absl::string_view deck : absl::StrSplit(file.Get("decks"), ' ', absl::SkipEmpty())) {
    plan.mutable_voice()->add_deck_codes(std::string(deck));
  }
  return plan;
}

}  // namespace

absl::StatusOr<ImportResult> AccountsApp::ImportPlans(const rpc::Context& context,
                                                      const pb::ImportPlansRequest& request) {
  return convert::Write<ImportResult>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<ImportResult> {
        ASSIGN_OR_RETURN(const CompanyRow company, FindCompany(tx, ""));
        File file(request.content());
        RETURN_IF_ERROR(file.Open(
            {"code", "name", "tax_class", "account_code", "price"},
            {"kind", "currency", "timing", "months", "days", "valid_from", "proration_start",
             "proration_change", "proration_quantity", "proration_suspend", "proration_cancel",
             "suspension", "hold_price", "term_discount_percent", "allowance", "usage_unit",
             "usage_direction", "unlimited", "prorate_allowance", "block_size", "block_price",
             "usage_tax_class", "usage_account_code", "decks"}));
        ASSIGN_OR_RETURN(const db::Result known, tx.Exec("SELECT code FROM plan"));
        std::set<std::string> codes;
        for (int i = 0; i < known.size(); ++i) codes.insert(known.Get<std::string>(i, 0));
        std::vector<PlanRow> rows;
        while (file.Next()) {
          pb::Plan plan = ReadPlanRow(file);
          plan.set_company_id(company.company_id.ToText("co"));
          Violations violations;
          NormalisePlan(plan, ToProto(company).currency_code(), violations);
          file.Refuse(violations);
          if (!codes.insert(plan.code()).second) {
            file.Refuse("code", "exists already, or stands twice in the file", "DUPLICATE_KEY");
          }
          std::string json;
          (void)google::protobuf::util::MessageToJsonString(plan, &json);
          rows.push_back({Uuid::Make(clock_.Now()), plan.code(), 1, {json}});
        }
        ImportResult result;
        Start(file, clock_.Now(), result);
        if (!file.errors.empty()) return result;  // nothing was written: all or nothing
        RETURN_IF_ERROR(db::Insert(tx, rows).status());
        result.set_rows_applied(static_cast<int64_t>(rows.size()));
        return result;
      });
}

namespace {

// What subscriptions refer to, by the names that files use.
struct Names {
  std::map<std::string, Uuid> accounts, plans;
  std::map<Uuid, std::vector<std::pair<std::string, Uuid>>> locations;  // external id, id
};

absl::StatusOr<Names> LoadNames(db::Tx& tx, const Uuid& company) {
  Names out;
  ASSIGN_OR_RETURN(const db::Result accounts,
                   tx.Exec("SELECT account_number, account_id FROM account WHERE company_id = $1",
                           company));
  for (int i = 0; i < accounts.size(); ++i) {
    out.accounts[accounts.Get<std::string>(i, 0)] = accounts.Get<Uuid>(i, 1);
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

// "2026-03-10 plan fibre_1000; 2026-03-12 quantity 2; 2026-03-15 price 40 loyalty;
//  2026-03-20 suspend; 2026-03-25 resume; 2026-03-28 cancel"
void ReadChanges(File& file, const Names& names, const SubscriptionRow& row, absl::Time now,
                 std::vector<ChangeRow>& out) {
  int64_t entered = 0;
  for (const absl::string_view part : absl::StrSplit(file.Get("changes"), ';', absl::SkipEmpty())) {
    const std::vector<std::string> words = absl::StrSplit(part, ' ', absl::SkipEmpty());
    if (words.empty()) continue;
    ChangeRow change;
    change.account_id = row.account_id;
    change.subscription_id = row.subscription_id;
    change.change_id = Uuid::Make(now);
    change.entered = entered++;
    change.created_by = "import";
    change.created_at = now;
    const auto day = ParseDate(words[0]);
    const std::string kind = words.size() > 1 ? words[1] : "";
    const std::string value = words.size() > 2 ? words[2] : "";
    const auto number = Decimal::Parse(value);
    static const std::map<std::string, ChangeKind> kKinds = {
        {"plan", ChangeKind::kPlan},       {"quantity", ChangeKind::kQuantity},
        {"price", ChangeKind::kPrice},     {"suspend", ChangeKind::kSuspend},
        {"resume", ChangeKind::kResume},   {"cancel", ChangeKind::kCancel}};
    const auto found = kKinds.find(kind);
    if (!day.ok() || found == kKinds.end()) {
      file.Refuse("changes", "'" + std::string(part) + "' is no change like '2026-03-10 plan CODE'");
      return;
    }
    change.effective = *day;
    change.kind = static_cast<int16_t>(found->second);
    if (found->second == ChangeKind::kPlan) {
      const auto plan = names.plans.find(value);
      if (plan == names.plans.end()) return file.Refuse("changes", "no plan '" + value + "'");
      change.plan_id = plan->second;
    } else if (found->second == ChangeKind::kQuantity || found->second == ChangeKind::kPrice) {
      if (!number.ok() || number->IsNegative()) {
        return file.Refuse("changes", "'" + value + "' is not a number");
      }
      change.value = *number;
      change.reason = words.size() > 3 ? words[3] : "";
    }
    out.push_back(change);
  }
}

void ReadIdentifiers(File& file, const SubscriptionRow& row, absl::Time now,
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

void ReadDiscounts(File& file, const SubscriptionRow& row, absl::Time now,
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

SubscriptionRow ReadSubscriptionRow(File& file, const Names& names, absl::Time now) {
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
      if (wanted.empty() ? i == 0 : at->second[i].first == wanted) row.location_id = at->second[i].second;
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
  return row;
}

}  // namespace

absl::StatusOr<ImportResult> AccountsApp::ImportSubscriptions(
    const rpc::Context& context, const pb::ImportSubscriptionsRequest& request) {
  return convert::Write<ImportResult>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<ImportResult> {
        const absl::Time now = clock_.Now();
        ASSIGN_OR_RETURN(const CompanyRow company, FindCompany(tx, ""));
        ASSIGN_OR_RETURN(const Names names, LoadNames(tx, company.company_id));
        File file(request.content());
        RETURN_IF_ERROR(file.Open(
            {"account_number", "plan", "start_date"},
            {"subscription_id", "location_id", "end_date", "paid_through", "quantity", "price",
             "price_reason", "description", "months", "radius_username", "did", "trunk",
             "meter_subject", "discount_percent", "discount_amount", "discount_label",
             "discount_from", "discount_to", "discount_periods", "changes"}));
        std::set<std::pair<int32_t, std::string>> taken;
        std::set<std::string> externals;
        ASSIGN_OR_RETURN(const db::Result used, tx.Exec("SELECT kind, value FROM identifier"));
        for (int i = 0; i < used.size(); ++i) {
          taken.emplace(used.Get<int32_t>(i, 0), used.Get<std::string>(i, 1));
        }
        ASSIGN_OR_RETURN(const db::Result known,
                         tx.Exec("SELECT external_id FROM subscription WHERE external_id <> ''"));
        for (int i = 0; i < known.size(); ++i) externals.insert(known.Get<std::string>(i, 0));
        std::vector<Bundle> bundles;
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
          bundles.push_back(std::move(bundle));
        }
        ImportResult result;
        Start(file, now, result);
        if (!file.errors.empty()) return result;  // nothing was written: all or nothing
        std::vector<SubscriptionRow> rows;
        std::vector<ChangeRow> changes;
        std::vector<DiscountRow> discounts;
        std::vector<IdentifierRow> identifiers;
        std::set<Uuid> touched;
        for (const Bundle& bundle : bundles) {
          rows.push_back(bundle.row);
          touched.insert(bundle.row.account_id);
          changes.insert(changes.end(), bundle.changes.begin(), bundle.changes.end());
          discounts.insert(discounts.end(), bundle.discounts.begin(), bundle.discounts.end());
          identifiers.insert(identifiers.end(), bundle.identifiers.begin(),
                             bundle.identifiers.end());
        }
        RETURN_IF_ERROR(db::Copy(tx, rows));
        RETURN_IF_ERROR(db::Copy(tx, changes));
        RETURN_IF_ERROR(db::Copy(tx, discounts));
        RETURN_IF_ERROR(db::Copy(tx, identifiers));
        const std::vector<Uuid> ids(touched.begin(), touched.end());
        RETURN_IF_ERROR(tx.Exec("UPDATE account SET version = version + 1, updated_at = $2 "
                                "WHERE account_id = ANY($1)",
                                ids, now)
                            .status());
        ASSIGN_OR_RETURN(const auto accounts,
                         db::Select<AccountRow>(tx, "WHERE account_id = ANY($1)", ids));
        std::map<Uuid, AccountRow> by_id;
        for (const AccountRow& row : accounts) by_id[row.account_id] = row;
        ASSIGN_OR_RETURN(const Plans plans, LoadPlans(tx));
        for (const Bundle& bundle : bundles) {
          AddSubscriptionEvent(bundle, plans, by_id[bundle.row.account_id], true, now, events);
        }
        result.set_rows_applied(static_cast<int64_t>(rows.size()));
        return result;
      });
}

}  // namespace broadbill::accounts
