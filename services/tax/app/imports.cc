#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/convert/convert.h"
#include "libs/convert/import.h"
#include "libs/convert/write.h"
#include "libs/status/macros.h"
#include "services/tax/app/tax_app.h"
#include "services/tax/domain/sst.h"

namespace broadbill::tax {
namespace {

std::string VersionOf(const std::string& given, const std::string& source) {
  if (!given.empty()) return given;
  std::string out =
      source.substr(source.rfind('/') == std::string::npos ? 0 : source.rfind('/') + 1);
  return out.substr(0, out.rfind('.'));
}

absl::Status Bump(db::Tx& tx, const std::string& version) {
  return tx.Exec("UPDATE data_state SET version = version + 1, name = $1", version).status();
}

absl::StatusOr<std::string> Summary(int64_t read, const std::vector<csv::RowError>& errors,
                                    absl::Time now, ImportResult& out) {
  out.set_import_id(Uuid::Make(now).ToText("imp"));
  out.set_rows_read(read);
  out.set_rows_refused(static_cast<int64_t>(errors.size()));
  convert::SetErrors(errors, out);
  return std::string();
}

struct RateFile {
  std::map<std::string, JurisdictionRow> jurisdictions;
  std::vector<RuleRow> rules;
  std::vector<csv::RowError> errors;
  int64_t read = 0;
};

RateFile FromSst(const std::string& content, const std::string& version, absl::Time now) {
  RateFile out;
  const SstRates parsed = ParseSstRates(content);
  out.read = parsed.read;
  out.errors = parsed.errors;
  static const char* const kNames[] = {"", "", "State", "County", "City", "Special district"};
  for (const SstRate& rate : parsed.rates) {
    out.jurisdictions[rate.code] = {rate.code, Uuid::Make(now),
                                    absl::StrCat(kNames[rate.level], " ", rate.code), rate.level};
    RuleRow rule;
    rule.rule_id = Uuid::Make(now);
    rule.jurisdiction_code = rate.code;
    rule.tax_code = "sales";
    rule.name = absl::StrCat(kNames[rate.level], " sales tax");
    rule.rate = rate.rate;
    rule.valid_from = rate.valid.start;
    rule.valid_to = rate.valid.end;
    rule.data_version = version;
    out.rules.push_back(std::move(rule));
  }
  return out;
}

absl::StatusOr<RateFile> FromCsv(const std::string& content, const std::string& version,
                                 absl::Time now) {
  RateFile out;
  csv::Reader reader(content);
  csv::Row row;
  reader.Next(row);
  ASSIGN_OR_RETURN(
      const csv::Header header,
      csv::Header::Make(
          row, {"jurisdiction_code", "jurisdiction_name", "level", "tax_code", "tax_name", "rate"},
          {"parent_code", "valid_from", "valid_to", "tax_classes", "amount", "base_factor",
           "rounding"}));
  static const std::map<std::string, int32_t> kLevels = {
      {"country", 1}, {"state", 2}, {"county", 3}, {"city", 4}, {"district", 5}};
  while (reader.Next(row)) {
    ++out.read;
    const auto refuse = [&](const char* column, const char* message) {
      out.errors.push_back({row.line, column, header.Get(row, column), "INVALID_VALUE", message});
    };
    const auto level = kLevels.find(header.Get(row, "level"));
    const auto rate =
        Decimal::Parse(header.Get(row, "rate").empty() ? "0" : header.Get(row, "rate"));
    const auto amount =
        Decimal::Parse(header.Get(row, "amount").empty() ? "0" : header.Get(row, "amount"));
    const auto from = header.Get(row, "valid_from").empty()
                          ? absl::StatusOr<CivilDay>(CivilDay(1970, 1, 1))
                          : ParseDate(header.Get(row, "valid_from"));
    const auto to = header.Get(row, "valid_to").empty() ? absl::StatusOr<CivilDay>(CivilDay::max())
                                                        : ParseDate(header.Get(row, "valid_to"));
    const std::string code = header.Get(row, "jurisdiction_code");
    if (code.empty()) {
      refuse("jurisdiction_code", "must not be empty");
    } else if (level == kLevels.end()) {
      refuse("level", "must be country, state, county, city or district");
    } else if (!rate.ok() || rate->IsNegative()) {
      refuse("rate", "must be a percentage of 0 or more");
    } else if (!amount.ok() || amount->IsNegative()) {
      refuse("amount", "must be an amount of 0 or more");
    } else if (!from.ok()) {
      refuse("valid_from", "must be a date like 2026-03-01");
    } else if (!to.ok() || *to <= *from) {
      refuse("valid_to", "must be a date after valid_from");
    } else {
      out.jurisdictions[code] = {code, Uuid::Make(now), header.Get(row, "jurisdiction_name"),
                                 level->second};
      RuleRow rule;
      rule.rule_id = Uuid::Make(now);
      rule.jurisdiction_code = code;
      rule.tax_code = header.Get(row, "tax_code");
      rule.name = header.Get(row, "tax_name");
      rule.rate = *rate;
      rule.amount = *amount;
      rule.kind = amount->IsZero() ? 1 : 3;
      rule.valid_from = *from;
      rule.valid_to = *to;
      for (const absl::string_view name :
           absl::StrSplit(header.Get(row, "tax_classes"), ' ', absl::SkipEmpty())) {
        rule.tax_classes.emplace_back(name);
      }
      const auto factor = Decimal::Parse(header.Get(row, "base_factor"));
      if (factor.ok()) rule.base_factor = *factor;
      if (header.Get(row, "rounding") == "down") rule.rounding = pb::TaxRule::DOWN;
      rule.data_version = version;
      out.rules.push_back(std::move(rule));
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<ImportResult> TaxApp::ImportRates(const rpc::Context& context,
                                                 const pb::ImportRatesRequest& request) {
  const absl::Time now = clock_.Now();
  const std::string version = VersionOf(request.data_version(), request.source_name());
  RateFile file;
  if (request.format() == pb::ImportRatesRequest::SST) {
    file = FromSst(request.content(), version, now);
  } else if (request.format() == pb::ImportRatesRequest::CSV) {
    ASSIGN_OR_RETURN(file, FromCsv(request.content(), version, now));
  } else {
    return InvalidField("format", "is required: SST or CSV");
  }
  ImportResult result;
  RETURN_IF_ERROR(Summary(file.read, file.errors, now, result).status());
  if (!file.errors.empty()) return result;  // all or nothing
  return convert::Write<ImportResult>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<ImportResult> {
        ImportResult out = result;
        std::vector<JurisdictionRow> jurisdictions;
        for (const auto& [code, row] : file.jurisdictions) jurisdictions.push_back(row);
        RETURN_IF_ERROR(db::Insert(tx, jurisdictions,
                                   "ON CONFLICT (code) DO UPDATE SET name = excluded.name, "
                                   "level = excluded.level")
                            .status());
        ASSIGN_OR_RETURN(const auto before, db::Select<RuleRow>(tx, ""));
        std::map<std::tuple<std::string, std::string, CivilDay>, RuleRow> known;
        for (const RuleRow& row : before) {
          known[{row.jurisdiction_code, row.tax_code, row.valid_from}] = row;
        }
        std::map<std::tuple<std::string, std::string, CivilDay>, RuleRow> fresh;
        int64_t changed = 0;
        for (const RuleRow& row : file.rules) {
          const auto key = std::make_tuple(row.jurisdiction_code, row.tax_code, row.valid_from);
          const auto had = known.find(key);
          if (had != known.end() && had->second.rate == row.rate &&
              had->second.valid_to == row.valid_to && had->second.amount == row.amount) {
            continue;
          }
          if (had != known.end()) {
            ++changed;
            if (out.differences_size() < 200) {
              out.add_differences(absl::StrCat(
                  row.jurisdiction_code, " ", row.tax_code, " from ", FormatDate(row.valid_from),
                  ": ", had->second.rate.ToString(), " → ", row.rate.ToString()));
            }
          }
          fresh[key] = row;
        }
        std::vector<RuleRow> rows;
        for (const auto& [key, row] : fresh) rows.push_back(row);
        RETURN_IF_ERROR(
            db::Insert(tx, rows,
                       "ON CONFLICT (jurisdiction_code, tax_code, valid_from) DO UPDATE SET "
                       "rule_id = excluded.rule_id, rate = excluded.rate, "
                       "amount = excluded.amount, valid_to = excluded.valid_to, "
                       "data_version = excluded.data_version")
                .status());
        RETURN_IF_ERROR(Bump(tx, version));
        out.set_rows_applied(file.read);
        convert::AddCount("jurisdictions", static_cast<int64_t>(jurisdictions.size()), out);
        convert::AddCount("new", static_cast<int64_t>(rows.size()) - changed, out);
        convert::AddCount("changed", changed, out);
        return out;
      });
}

namespace {

struct AreaFile {
  std::vector<BoundaryRow> rows;
  std::vector<csv::RowError> errors;
  int64_t read = 0, skipped = 0;
};

AreaFile AreasFromSst(const std::string& content, const std::string& version) {
  AreaFile out;
  SstBoundaries parsed = ParseSstBoundaries(content);
  out.read = parsed.read;
  out.skipped = parsed.skipped;
  out.errors = std::move(parsed.errors);
  for (const Boundary& b : parsed.boundaries) {
    out.rows.push_back({b.country, b.region, b.zip_low, b.zip_high, b.plus4_low, b.plus4_high,
                        b.city, b.codes, b.valid.start, b.valid.end, version});
  }
  return out;
}

absl::StatusOr<AreaFile> AreasFromCsv(const std::string& content, const std::string& version) {
  AreaFile out;
  csv::Reader reader(content);
  csv::Row row;
  reader.Next(row);
  ASSIGN_OR_RETURN(const csv::Header header,
                   csv::Header::Make(row, {"country", "jurisdictions"},
                                     {"region", "postal_code", "plus4_from", "plus4_to", "city",
                                      "valid_from", "valid_to"}));
  while (reader.Next(row)) {
    ++out.read;
    const auto refuse = [&](const char* column, const char* message) {
      out.errors.push_back({row.line, column, header.Get(row, column), "INVALID_VALUE", message});
    };
    BoundaryRow area;
    area.country = header.Get(row, "country");
    area.region = header.Get(row, "region");
    area.zip_low = area.zip_high = header.Get(row, "postal_code");
    area.plus4_low = header.Get(row, "plus4_from");
    area.plus4_high =
        header.Get(row, "plus4_to").empty() ? area.plus4_low : header.Get(row, "plus4_to");
    area.city = header.Get(row, "city");
    std::transform(area.city.begin(), area.city.end(), area.city.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (!area.zip_low.empty()) area.city.clear();
    for (const absl::string_view code :
         absl::StrSplit(header.Get(row, "jurisdictions"), ' ', absl::SkipEmpty())) {
      area.codes.emplace_back(code);
    }
    area.valid_from = CivilDay(1970, 1, 1);
    area.valid_to = CivilDay::max();
    area.data_version = version;
    const auto from = ParseDate(header.Get(row, "valid_from"));
    const auto to = ParseDate(header.Get(row, "valid_to"));
    if (from.ok()) area.valid_from = *from;
    if (to.ok()) area.valid_to = *to;
    if (area.country.size() != 2) {
      refuse("country", "must be an ISO 3166-1 code");
    } else if (area.codes.empty()) {
      refuse("jurisdictions", "must name at least one jurisdiction");
    } else if (!from.ok() && !header.Get(row, "valid_from").empty()) {
      refuse("valid_from", "must be a date like 2026-03-01");
    } else if (area.valid_to <= area.valid_from ||
               (!to.ok() && !header.Get(row, "valid_to").empty())) {
      refuse("valid_to", "must be a date after valid_from");
    } else {
      out.rows.push_back(std::move(area));
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<ImportResult> TaxApp::ImportBoundaries(const rpc::Context& context,
                                                      const pb::ImportBoundariesRequest& request) {
  const std::string version = VersionOf(request.data_version(), request.source_name());
  AreaFile file;
  if (request.format() == pb::ImportBoundariesRequest::SST) {
    file = AreasFromSst(request.content(), version);
  } else if (request.format() == pb::ImportBoundariesRequest::CSV) {
    ASSIGN_OR_RETURN(file, AreasFromCsv(request.content(), version));
  } else {
    return InvalidField("format", "is required: SST or CSV");
  }
  ImportResult result;
  RETURN_IF_ERROR(Summary(file.read, file.errors, clock_.Now(), result).status());
  result.set_rows_skipped(file.skipped);
  if (!file.errors.empty()) return result;  // all or nothing
  return convert::Write<ImportResult>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<ImportResult> {
        // The same version again replaces itself.
        ASSIGN_OR_RETURN(const db::Result gone,
                         tx.Exec("DELETE FROM boundary WHERE data_version = $1", version));
        RETURN_IF_ERROR(db::Copy(tx, file.rows));
        RETURN_IF_ERROR(Bump(tx, version));
        ImportResult out = result;
        out.set_rows_applied(static_cast<int64_t>(file.rows.size()));
        convert::AddCount("replaced", gone.affected(), out);
        return out;
      });
}

absl::StatusOr<pb::TaxRule> TaxApp::CreateTaxRule(const rpc::Context& context,
                                                  const pb::CreateTaxRuleRequest& request) {
  const pb::TaxRule& in = request.rule();
  Violations violations;
  RuleRow row;
  row.rule_id = Uuid::Make(clock_.Now());
  row.jurisdiction_code = in.jurisdiction_code();
  row.tax_code = in.tax_code();
  row.name = in.name();
  row.category = in.category();
  row.kind = in.kind() == pb::TaxRule::KIND_UNSPECIFIED ? pb::TaxRule::PERCENT_OF_NET : in.kind();
  violations.Require(!in.jurisdiction_code().empty(), "rule.jurisdiction_code", "is required");
  violations.Require(!in.tax_code().empty(), "rule.tax_code", "is required");
  if (in.kind() == pb::TaxRule::FIXED) {
    row.amount = convert::ReadDecimal(in.amount(), "rule.amount", violations);
  } else {
    row.rate = convert::ReadDecimal(in.rate(), "rule.rate", violations);
  }
  if (in.has_base_factor()) {
    row.base_factor = convert::ReadDecimal(in.base_factor(), "rule.base_factor", violations);
  }
  row.rounding = in.rounding() == pb::TaxRule::ROUNDING_UNSPECIFIED ? 1 : in.rounding();
  row.round_level =
      in.rounding_level() == pb::TaxRule::ROUNDING_LEVEL_UNSPECIFIED ? 1 : in.rounding_level();
  row.valid_from = convert::ReadOptionalDate(in.valid_from(), "rule.valid_from", violations)
                       .value_or(CivilDay(1970, 1, 1));
  row.valid_to = convert::ReadOptionalDate(in.valid_to(), "rule.valid_to", violations)
                     .value_or(CivilDay::max());
  row.tax_classes.assign(in.tax_classes().begin(), in.tax_classes().end());
  row.customer_classes.assign(in.customer_classes().begin(), in.customer_classes().end());
  row.data_version = "manual";
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::TaxRule>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::TaxRule> {
        const JurisdictionRow jurisdiction{row.jurisdiction_code, Uuid::Make(clock_.Now()),
                                           row.jurisdiction_code, 2};
        RETURN_IF_ERROR(db::InsertOne(tx, jurisdiction, "ON CONFLICT DO NOTHING").status());
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        RETURN_IF_ERROR(Bump(tx, "manual"));
        pb::TaxRule out = in;
        out.set_rule_id(row.rule_id.ToText("rul"));
        return out;
      });
}

absl::StatusOr<pb::Taxability> TaxApp::SetTaxability(const rpc::Context& context,
                                                     const pb::SetTaxabilityRequest& request) {
  const pb::Taxability& in = request.entry();
  Violations violations;
  violations.Require(in.treatment() != pb::Taxability::TREATMENT_UNSPECIFIED, "entry.treatment",
                     "is required");
  TaxabilityRow row{in.jurisdiction_code(),
                    in.tax_code(),
                    in.tax_class(),
                    in.customer_class(),
                    in.treatment() == pb::Taxability::TAXABLE,
                    in.treatment(),
                    in.reason(),
                    convert::ReadOptionalDate(in.valid_from(), "entry.valid_from", violations)
                        .value_or(CivilDay(1970, 1, 1)),
                    convert::ReadOptionalDate(in.valid_to(), "entry.valid_to", violations)
                        .value_or(CivilDay::max())};
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Taxability>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::Taxability> {
        RETURN_IF_ERROR(db::InsertOne(tx, row,
                                      "ON CONFLICT (jurisdiction_prefix, tax_code, tax_class, "
                                      "customer_class, valid_from) DO UPDATE SET taxable = "
                                      "excluded.taxable, treatment = excluded.treatment, "
                                      "reason = excluded.reason, valid_to = excluded.valid_to")
                            .status());
        RETURN_IF_ERROR(Bump(tx, "manual"));
        return in;
      });
}

absl::StatusOr<pb::Exemption> TaxApp::CreateExemption(const rpc::Context& context,
                                                      const pb::CreateExemptionRequest& request) {
  const pb::Exemption& in = request.exemption();
  Violations violations;
  ExemptionRow row;
  row.account_id = convert::ReadId("acc", request.account_id(), "account_id", violations);
  row.exemption_id = Uuid::Make(clock_.Now());
  row.certificate = in.certificate();
  row.reason = in.reason();
  violations.Require(!in.reason().empty(), "exemption.reason", "is required");
  row.jurisdiction_codes.assign(in.jurisdiction_codes().begin(), in.jurisdiction_codes().end());
  row.tax_codes.assign(in.tax_codes().begin(), in.tax_codes().end());
  row.tax_classes.assign(in.tax_classes().begin(), in.tax_classes().end());
  row.location_id = in.location_id();
  row.percent = in.has_percent()
                    ? convert::ReadDecimal(in.percent(), "exemption.percent", violations)
                    : Decimal::FromInt(100);
  row.valid_from = convert::ReadOptionalDate(in.valid_from(), "exemption.valid_from", violations)
                       .value_or(CivilDay(1970, 1, 1));
  row.valid_to = convert::ReadOptionalDate(in.valid_to(), "exemption.valid_to", violations)
                     .value_or(CivilDay::max());
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Exemption>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::Exemption> {
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        pb::Exemption out = in;
        out.set_exemption_id(row.exemption_id.ToText("exm"));
        out.set_account_id(request.account_id());
        return out;
      });
}

}  // namespace broadbill::tax
