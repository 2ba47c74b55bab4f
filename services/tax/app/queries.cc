#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/tax/app/tax_app.h"

namespace broadbill::tax {
namespace {

Rounding RoundingOf(int32_t rounding) {
  switch (rounding) {
    case pb::TaxRule::HALF_EVEN:
      return Rounding::kHalfEven;
    case pb::TaxRule::DOWN:
      return Rounding::kDown;
    case pb::TaxRule::UP:
      return Rounding::kUp;
    default:
      return Rounding::kHalfAwayFromZero;
  }
}

// On e-invoices (UNCL5305), of what a treatment keeps out of a tax.
std::string CategoryOf(int32_t treatment) {
  switch (treatment) {
    case pb::Taxability::ZERO_RATED:
      return "Z";
    case pb::Taxability::REVERSE_CHARGE:
      return "AE";
    case pb::Taxability::OUT_OF_SCOPE:
      return "O";
    default:
      return "E";
  }
}

DateInterval ValidOf(CivilDay from, CivilDay to) { return {from, to}; }

pb::ResolutionMethod MethodOf(Precision precision) {
  switch (precision) {
    case Precision::kZip4:
      return pb::ZIP4;
    case Precision::kZip5:
      return pb::ZIP5;
    case Precision::kCity:
      return pb::CITY_STATE;
    case Precision::kCountry:
      return pb::COUNTRY_ONLY;
    case Precision::kNone:
      return pb::RESOLUTION_METHOD_UNSPECIFIED;
  }
  return pb::RESOLUTION_METHOD_UNSPECIFIED;
}

// In parts through a cursor: there may be millions.
absl::StatusOr<std::shared_ptr<const AreaIndex>> LoadAreas(db::Tx& tx) {
  auto out = std::make_shared<AreaIndex>();
  RETURN_IF_ERROR(tx.ExecScript("DECLARE areas BINARY NO SCROLL CURSOR FOR SELECT " +
                                db::ColumnList<BoundaryRow>() + " FROM boundary"));
  while (true) {
    ASSIGN_OR_RETURN(const db::Result part, tx.Exec("FETCH 50000 FROM areas"));
    if (part.empty()) break;
    for (BoundaryRow& row : db::ReadRows<BoundaryRow>(part)) {
      out->Add({std::move(row.country), std::move(row.region), std::move(row.zip_low),
                std::move(row.zip_high), std::move(row.plus4_low), std::move(row.plus4_high),
                std::move(row.city), std::move(row.codes), ValidOf(row.valid_from, row.valid_to),
                std::move(row.data_version)});
    }
  }
  RETURN_IF_ERROR(tx.ExecScript("CLOSE areas"));
  out->Finish();
  return std::shared_ptr<const AreaIndex>(std::move(out));
}

void SetJurisdiction(const JurisdictionRow& row, pb::Jurisdiction* out) {
  out->set_jurisdiction_id(row.jurisdiction_id.ToText("jur"));
  out->set_code(row.code);
  out->set_name(row.name);
  out->set_level(static_cast<pb::Jurisdiction::Level>(row.level));
  out->set_country_code(row.code.substr(0, 2));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TaxData>> TaxData::Load(db::Tx& tx, const TaxData* before) {
  auto out = std::make_shared<TaxData>();
  ASSIGN_OR_RETURN(const db::Result state,
                   tx.Exec("SELECT version, area_version, name FROM data_state"));
  out->version = state.Get<int64_t>(0, 0);
  out->area_version = state.Get<int64_t>(0, 1);
  out->name = state.Get<std::string>(0, 2);
  ASSIGN_OR_RETURN(const auto jurisdictions, db::Select<JurisdictionRow>(tx, ""));
  for (const JurisdictionRow& row : jurisdictions) out->jurisdictions[row.code] = row;
  ASSIGN_OR_RETURN(const auto rules,
                   db::Select<RuleRow>(tx, "ORDER BY jurisdiction_code, tax_code"));
  for (const RuleRow& row : rules) {
    const JurisdictionRow& jurisdiction = out->jurisdictions[row.jurisdiction_code];
    auto rule = std::make_unique<Rule>();
    rule->rule_id = row.rule_id.ToText("rul");
    rule->jurisdiction_id = jurisdiction.jurisdiction_id.ToText("jur");
    rule->jurisdiction_code = row.jurisdiction_code;
    rule->jurisdiction_name = jurisdiction.name;
    rule->level = jurisdiction.level;
    rule->tax_code = row.tax_code;
    rule->name = row.name;
    rule->category = row.category;
    rule->kind = static_cast<RuleKind>(row.kind);
    rule->rate = row.rate;
    rule->amount = row.amount;
    rule->base_factor = row.base_factor;
    rule->rounding = RoundingOf(row.rounding);
    rule->round_level =
        row.round_level == pb::TaxRule::EACH_LINE ? RoundLevel::kEachLine : RoundLevel::kDocument;
    rule->valid = ValidOf(row.valid_from, row.valid_to);
    rule->tax_classes = row.tax_classes;
    rule->customer_classes = row.customer_classes;
    out->by_code_.emplace(row.jurisdiction_code, rule.get());
    out->rules_.push_back(std::move(rule));
  }
  ASSIGN_OR_RETURN(const auto taxability, db::Select<TaxabilityRow>(tx, ""));
  for (const TaxabilityRow& row : taxability) {
    out->taxability.push_back({row.jurisdiction_prefix, row.tax_code, row.tax_class,
                               row.customer_class, row.taxable, row.reason,
                               ValidOf(row.valid_from, row.valid_to), CategoryOf(row.treatment)});
  }
  if (before != nullptr && before->area_version == out->area_version) {
    out->areas_ = before->areas_;
  } else {
    ASSIGN_OR_RETURN(out->areas_, LoadAreas(tx));
  }
  return std::shared_ptr<const TaxData>(std::move(out));
}

Area TaxData::Resolve(const broadbill::common::v1::Address& address, CivilDay day) const {
  const std::string country = address.country_code().empty() ? "US" : address.country_code();
  const AreaMatch match =
      areas_->Find(country, address.region(), address.city(), address.postal_code(), day);
  Area out;
  if (match.codes == nullptr) return out;
  out.codes = *match.codes;
  out.method = MethodOf(match.precision);
  out.matched = match.matched;
  out.data_version = *match.data_version;
  out.valid = match.valid;
  return out;
}

const std::vector<const Rule*>& TaxData::RulesOf(const std::vector<std::string>& codes) const {
  const std::string key = absl::StrJoin(codes, " ");
  absl::MutexLock lock(&mutex_);
  auto& compiled = compiled_[key];
  if (compiled == nullptr) {
    compiled = std::make_unique<std::vector<const Rule*>>();
    for (const std::string& code : codes) {
      const auto [begin, end] = by_code_.equal_range(code);
      for (auto it = begin; it != end; ++it) compiled->push_back(it->second);
    }
  }
  return *compiled;
}

absl::StatusOr<std::shared_ptr<const TaxData>> TaxApp::Data() {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin(db::Isolation::kRepeatableRead));
  ASSIGN_OR_RETURN(const db::Result state, tx.Exec("SELECT version FROM data_state"));
  absl::MutexLock lock(&mutex_);
  if (data_ == nullptr || data_->version != state.Get<int64_t>(0, 0)) {
    ASSIGN_OR_RETURN(data_, TaxData::Load(tx, data_.get()));
  }
  return data_;
}

absl::StatusOr<pb::ListJurisdictionsResponse> TaxApp::ListJurisdictions(
    const rpc::Context&, const pb::ListJurisdictionsRequest& request) {
  Violations violations;
  const int32_t size = convert::ReadPageSize(request.page_size(), 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string after, convert::ReadPageToken(request.page_token()));
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(auto rows,
                   db::Select<JurisdictionRow>(tx,
                                               "WHERE code > $1 AND starts_with(code, $2) "
                                               "ORDER BY code LIMIT $3",
                                               after, request.code(), int64_t{size} + 1));
  pb::ListJurisdictionsResponse response;
  if (rows.size() > static_cast<size_t>(size)) {
    rows.resize(static_cast<size_t>(size));
    response.set_next_page_token(convert::MakePageToken(rows.back().code));
  }
  for (const JurisdictionRow& row : rows) SetJurisdiction(row, response.add_jurisdictions());
  return response;
}

absl::StatusOr<pb::ListTaxRulesResponse> TaxApp::ListTaxRules(
    const rpc::Context&, const pb::ListTaxRulesRequest& request) {
  Violations violations;
  const int32_t size = convert::ReadPageSize(request.page_size(), 1000, violations);
  const auto as_of = convert::ReadOptionalDate(request.as_of(), "as_of", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string token, convert::ReadPageToken(request.page_token()));
  Uuid after;
  if (!token.empty()) {
    ASSIGN_OR_RETURN(after, Uuid::FromHex(token));
  }
  ASSIGN_OR_RETURN(const auto data, Data());
  std::string code;
  for (const auto& [key, row] : data->jurisdictions) {
    if (row.jurisdiction_id.ToText("jur") == request.jurisdiction_id()) code = key;
  }
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(auto rows, db::Select<RuleRow>(
                                  tx,
                                  "WHERE rule_id > $1 AND ($2 = '' OR jurisdiction_code = $2) AND "
                                  "($3 = '' OR tax_code = $3) AND ($4::date IS NULL OR "
                                  "(valid_from <= $4 AND valid_to > $4)) "
                                  "ORDER BY rule_id LIMIT $5",
                                  after, code, request.tax_code(), as_of, int64_t{size} + 1));
  pb::ListTaxRulesResponse response;
  if (rows.size() > static_cast<size_t>(size)) {
    rows.resize(static_cast<size_t>(size));
    response.set_next_page_token(convert::MakePageToken(rows.back().rule_id.ToHex()));
  }
  for (const RuleRow& row : rows) {
    pb::TaxRule* out = response.add_rules();
    out->set_rule_id(row.rule_id.ToText("rul"));
    out->set_jurisdiction_code(row.jurisdiction_code);
    out->set_tax_code(row.tax_code);
    out->set_name(row.name);
    out->set_kind(static_cast<pb::TaxRule::Kind>(row.kind));
    *out->mutable_rate() = convert::ToProto(row.rate);
    *out->mutable_valid_from() = convert::ToProto(row.valid_from);
    if (row.valid_to != CivilDay::max()) *out->mutable_valid_to() = convert::ToProto(row.valid_to);
    out->set_data_version(row.data_version);
  }
  return response;
}

absl::StatusOr<pb::ListExemptionsResponse> TaxApp::ListExemptions(
    const rpc::Context&, const pb::ListExemptionsRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(
      const auto rows,
      db::Select<ExemptionRow>(tx, "WHERE account_id = $1 ORDER BY exemption_id", account));
  pb::ListExemptionsResponse response;
  for (const ExemptionRow& row : rows) {
    pb::Exemption* out = response.add_exemptions();
    out->set_exemption_id(row.exemption_id.ToText("exm"));
    out->set_account_id(request.account_id());
    out->set_certificate(row.certificate);
    out->set_reason(row.reason);
    *out->mutable_percent() = convert::ToProto(row.percent);
    *out->mutable_valid_from() = convert::ToProto(row.valid_from);
  }
  return response;
}

absl::StatusOr<pb::ResolveAddressResponse> TaxApp::ResolveAddress(
    const rpc::Context&, const pb::ResolveAddressRequest& request) {
  Violations violations;
  violations.Require(request.has_address(), "address", "is required");
  const CivilDay day = convert::ReadOptionalDate(request.as_of(), "as_of", violations)
                           .value_or(DateIn(clock_.Now(), absl::UTCTimeZone()));
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const auto data, Data());
  const Area area = data->Resolve(request.address(), day);
  if (area.codes.empty()) {
    return NotFoundError(
        "NO_TAX_AREA",
        "no boundary data covers " + request.address().postal_code() + " on " + FormatDate(day));
  }
  pb::ResolveAddressResponse response;
  response.set_area_id(absl::StrJoin(area.codes, "+"));
  for (const std::string& code : area.codes) {
    const auto found = data->jurisdictions.find(code);
    if (found != data->jurisdictions.end()) {
      SetJurisdiction(found->second, response.add_jurisdictions());
    } else {
      response.add_jurisdictions()->set_code(code);
    }
  }
  response.set_method(area.method);
  response.set_matched(area.matched);
  response.set_data_version(area.data_version);
  *response.mutable_valid_from() = convert::ToProto(area.valid.start);
  if (area.valid.end != CivilDay::max()) {
    *response.mutable_valid_to() = convert::ToProto(area.valid.end);
  }
  return response;
}

namespace {

void SetAmount(const TaxAmount& amount, const pb::TaxDocument& document, int exponent,
               pb::TaxAmount* out) {
  const Rule& rule = *amount.rule;
  out->set_rule_id(rule.rule_id);
  out->set_jurisdiction_id(rule.jurisdiction_id);
  out->set_jurisdiction_code(rule.jurisdiction_code);
  out->set_jurisdiction_name(rule.jurisdiction_name);
  out->set_level(static_cast<pb::Jurisdiction::Level>(rule.level));
  out->set_tax_code(rule.tax_code);
  out->set_tax_name(rule.name);
  out->set_category(amount.category);
  const bool rated = amount.category == rule.category;
  *out->mutable_rate() = convert::ToProto(rated ? rule.rate : Decimal());
  out->set_fixed(rule.kind == RuleKind::kFixed);
  out->set_base_minor(amount.base);
  out->set_exempt_minor(amount.exempt);
  out->set_exempt_reason(amount.exempt_reason);
  int64_t scale = 1;
  for (int i = 0; i < exponent; ++i) scale *= 10;
  const auto unrounded = (amount.unrounded * Fraction::Ratio(1, scale)).ToDecimal();
  if (unrounded.ok()) *out->mutable_unrounded() = convert::ToProto(*unrounded);
  out->set_amount_minor(amount.amount);
  for (const LineShare& share : amount.shares) {
    pb::TaxLineShare* to = out->add_shares();
    to->set_line_id(document.lines(static_cast<int>(share.line)).line_id());
    to->set_base_minor(share.base);
    to->set_exempt_minor(share.exempt);
    to->set_amount_minor(share.amount);
  }
}

}  // namespace

absl::StatusOr<pb::BatchCalculateResponse> TaxApp::BatchCalculate(
    const rpc::Context&, const pb::BatchCalculateRequest& request) {
  ASSIGN_OR_RETURN(const auto data, Data());
  std::map<std::string, const broadbill::common::v1::Address*> addresses;
  for (const auto& location : request.locations()) {
    addresses[location.location_id()] = &location.address();
  }
  std::vector<Uuid> accounts;
  for (const auto& document : request.documents()) {
    const auto id = Uuid::Parse("acc", document.account_id());
    if (id.ok()) accounts.push_back(*id);
  }
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto exempt,
                   db::Select<ExemptionRow>(tx, "WHERE account_id = ANY($1)", accounts));
  tx.Rollback();
  std::map<std::string, std::vector<Exemption>> exemptions;
  for (const ExemptionRow& row : exempt) {
    exemptions[row.account_id.ToText("acc")].push_back(
        {row.jurisdiction_codes, row.tax_codes, row.tax_classes, row.location_id, row.percent,
         row.reason, ValidOf(row.valid_from, row.valid_to)});
  }
  pb::BatchCalculateResponse response;
  response.set_data_version(data->name);
  std::map<std::pair<std::string, CivilDay>, const std::vector<const Rule*>*> areas;
  for (const pb::TaxDocument& document : request.documents()) {
    Violations violations;
    const CivilDay date = convert::ReadDate(document.tax_date(), "tax_date", violations);
    RETURN_IF_ERROR(violations.ToStatus());
    ASSIGN_OR_RETURN(const int exponent, CurrencyExponent(document.currency_code()));
    pb::TaxedDocument* out = response.add_documents();
    out->set_document_key(document.document_key());
    std::vector<TaxableLine> lines;
    for (const pb::TaxLine& line : document.lines()) {
      const auto key = std::make_pair(line.location_id(), date);
      auto area = areas.find(key);
      if (area == areas.end()) {
        const auto address = addresses.find(line.location_id());
        const std::vector<const Rule*>* rules = nullptr;
        if (address != addresses.end()) {
          const Area found = data->Resolve(*address->second, date);
          if (!found.codes.empty()) rules = &data->RulesOf(found.codes);
        }
        area = areas.emplace(key, rules).first;
      }
      if (area->second == nullptr && out->problems_size() == 0) {
        pb::TaxProblem* problem = out->add_problems();
        problem->set_line_id(line.line_id());
        problem->set_reason("NO_TAX_AREA");
        const auto address = addresses.find(line.location_id());
        problem->set_message(address == addresses.end()
                                 ? "the line has no service location"
                                 : "no tax area covers " + address->second->postal_code() + " " +
                                       address->second->city());
      }
      lines.push_back({line.tax_class(), line.location_id(), line.net_minor(), area->second});
    }
    const auto own = exemptions.find(document.account_id());
    const Profile profile{document.customer_class(), date, exponent,
                          own == exemptions.end() ? nullptr : &own->second};
    ASSIGN_OR_RETURN(const auto amounts, Calculate(lines, data->taxability, profile));
    int64_t total = 0;
    for (const TaxAmount& amount : amounts) {
      total += amount.amount;
      SetAmount(amount, document, exponent, out->add_taxes());
    }
    out->set_tax_minor(total);
  }
  return response;
}

}  // namespace broadbill::tax
