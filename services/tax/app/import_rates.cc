#include <map>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/convert/write.h"
#include "libs/status/macros.h"
#include "services/tax/app/import_file.h"
#include "services/tax/app/tax_app.h"
#include "services/tax/domain/sst.h"

namespace broadbill::tax {
namespace {

constexpr char kSales[] = "sales";

struct RateFile {
  std::map<std::string, JurisdictionRow> jurisdictions;
  std::vector<RuleRow> rules;
  std::set<std::string> complete_sets;  // file sets whose other rules are withdrawn
  bool rates_only = false;              // no names, classes or settings: those of before stay
  std::vector<csv::RowError> errors;
  std::vector<std::string> remarks;
  int64_t read = 0;
};

// The state of a jurisdiction's code: "US-27-01-43000" → "US-27".
std::string StateOf(const std::string& code) { return code.substr(0, 5); }

absl::StatusOr<RateFile> FromSst(const std::string& content, const std::string& version,
                                 absl::Time now) {
  RateFile out;
  ASSIGN_OR_RETURN(SstRates parsed, ParseSstRates(content));
  out.read = parsed.read;
  out.errors = std::move(parsed.errors);
  out.remarks = std::move(parsed.remarks);
  out.complete_sets = std::move(parsed.states);
  out.rates_only = true;
  static const char* const kNames[] = {"", "", "State", "County", "City", "Special district"};
  for (const SstRate& rate : parsed.rates) {
    out.jurisdictions[rate.code] = {rate.code, Uuid::Make(now),
                                    absl::StrCat(kNames[rate.level], " ", rate.code), rate.level};
    RuleRow rule;
    rule.rule_id = Uuid::Make(now);
    rule.jurisdiction_code = rate.code;
    rule.tax_code = kSales;
    rule.name = absl::StrCat(kNames[rate.level], " sales tax");
    rule.rate = rate.rate;
    rule.valid_from = rate.valid.start;
    rule.valid_to = rate.valid.end;
    rule.data_version = version;
    rule.file_set = StateOf(rate.code);
    out.rules.push_back(std::move(rule));
  }
  return out;
}

// A decimal column of 0 or more; `otherwise` when it is empty, nothing when it is wrong.
std::optional<Decimal> Number(const std::string& text, Decimal otherwise) {
  if (text.empty()) return otherwise;
  const auto value = Decimal::Parse(text);
  if (!value.ok() || value->IsNegative()) return std::nullopt;
  return *value;
}

// One row of a CSV file into `out`; false after `refuse(column, message)`.
template <class Refuse>
bool ReadRule(const csv::Header& header, const csv::Row& row, const Refuse& refuse, RuleRow& out) {
  const auto rate = Number(header.Get(row, "rate"), Decimal());
  const auto amount = Number(header.Get(row, "amount"), Decimal());
  const auto factor = Number(header.Get(row, "base_factor"), Decimal::FromInt(1));
  const auto from = FirstDay(header.Get(row, "valid_from"));
  const auto to = EndDay(header.Get(row, "valid_to"));
  const std::string rounding = header.Get(row, "rounding");
  static const std::map<std::string, int32_t> kRoundings = {{"", pb::TaxRule::HALF_UP},
                                                            {"half_even", pb::TaxRule::HALF_EVEN},
                                                            {"down", pb::TaxRule::DOWN},
                                                            {"up", pb::TaxRule::UP}};
  if (!rate.has_value() || (header.Get(row, "rate").empty() && header.Get(row, "amount").empty())) {
    refuse("rate", "must be a percentage of 0 or more");
  } else if (!amount.has_value()) {
    refuse("amount", "must be an amount of 0 or more");
  } else if (!factor.has_value()) {
    refuse("base_factor", "must be the taxed share of the base, like 0.649");
  } else if (!from.ok()) {
    refuse("valid_from", "must be a date like 2026-03-01");
  } else if (!to.ok() || *to <= *from) {
    refuse("valid_to", "must be a date after valid_from");
  } else if (kRoundings.count(rounding) == 0) {
    refuse("rounding", "must be half_even, down or up; empty: half away from zero");
  } else {
    out.jurisdiction_code = header.Get(row, "jurisdiction_code");
    out.tax_code = header.Get(row, "tax_code");
    out.name = header.Get(row, "tax_name");
    out.category = header.Get(row, "category");
    out.rate = *rate;
    out.amount = *amount;
    out.base_factor = *factor;
    out.kind = amount->IsZero() ? pb::TaxRule::PERCENT_OF_NET : pb::TaxRule::FIXED;
    out.rounding = kRoundings.at(rounding);
    out.valid_from = *from;
    out.valid_to = *to;
    for (const absl::string_view name :
         absl::StrSplit(header.Get(row, "tax_classes"), ' ', absl::SkipEmpty())) {
      out.tax_classes.emplace_back(name);
    }
    return true;
  }
  return false;
}

absl::StatusOr<RateFile> FromCsv(const std::string& content, const std::string& version,
                                 absl::Time now) {
  RateFile out;
  csv::Reader reader(content);
  ASSIGN_OR_RETURN(const csv::Header header,
                   csv::Header::Read(reader,
                                     {"jurisdiction_code", "jurisdiction_name", "level", "tax_code",
                                      "tax_name", "rate"},
                                     {"parent_code", "valid_from", "valid_to", "tax_classes",
                                      "amount", "base_factor", "rounding", "category"}));
  static const std::map<std::string, int32_t> kLevels = {
      {"country", 1}, {"state", 2}, {"county", 3}, {"city", 4}, {"district", 5}};
  std::map<std::tuple<std::string, std::string, CivilDay>, int64_t> lines;
  for (csv::Row row; reader.Next(row);) {
    ++out.read;
    if (auto wrong = header.Check(row); wrong.has_value()) {
      out.errors.push_back(*std::move(wrong));
      continue;
    }
    const auto refuse = [&](const char* column, const std::string& message,
                            const char* reason = "INVALID_VALUE") {
      out.errors.push_back({row.line, column, header.Get(row, column), reason, message});
    };
    const std::string code = header.Get(row, "jurisdiction_code");
    const auto level = kLevels.find(header.Get(row, "level"));
    RuleRow rule;
    if (code.empty()) {
      refuse("jurisdiction_code", "must not be empty", "MISSING_VALUE");
    } else if (header.Get(row, "tax_code").empty()) {
      refuse("tax_code", "must not be empty", "MISSING_VALUE");
    } else if (level == kLevels.end()) {
      refuse("level", "must be country, state, county, city or district");
    } else if (ReadRule(header, row, refuse, rule)) {
      const auto [before, fresh] =
          lines.emplace(std::make_tuple(code, rule.tax_code, rule.valid_from), row.line);
      if (!fresh) {
        refuse("jurisdiction_code",
               absl::StrCat("line ", before->second, " has the same tax from the same day"),
               "DUPLICATE_ROW");
        continue;
      }
      rule.rule_id = Uuid::Make(now);
      rule.data_version = version;
      rule.file_set = version;
      out.jurisdictions[code] = {code, Uuid::Make(now), header.Get(row, "jurisdiction_name"),
                                 level->second};
      out.rules.push_back(std::move(rule));
    }
  }
  return out;
}

using RuleKey = std::tuple<std::string, std::string, CivilDay>;
RuleKey KeyOf(const RuleRow& row) { return {row.jurisdiction_code, row.tax_code, row.valid_from}; }

// Everything but ids and where the row came from.
bool SameRule(const RuleRow& a, const RuleRow& b) {
  const auto content = [](const RuleRow& row) {
    return std::tie(row.name, row.category, row.kind, row.rate, row.amount, row.base_factor,
                    row.rounding, row.round_level, row.valid_to, row.tax_classes,
                    row.customer_classes);
  };
  return content(a) == content(b);
}

// What a file without names and settings leaves as it was.
void KeepSettings(const RuleRow& from, RuleRow& to) {
  to.name = from.name;
  to.category = from.category;
  to.base_factor = from.base_factor;
  to.rounding = from.rounding;
  to.round_level = from.round_level;
  to.tax_classes = from.tax_classes;
  to.customer_classes = from.customer_classes;
}

// The difference between a file and the rules there are.
struct RateChange {
  std::vector<RuleRow> fresh, changed;
  std::vector<Uuid> withdrawn;
  std::vector<std::string> differences;
};

std::string Describe(const RuleRow& row) {
  return absl::StrCat(row.jurisdiction_code, " ", row.tax_code, " from ",
                      FormatDate(row.valid_from));
}

std::string Terms(const RuleRow& row) {
  std::string out =
      row.kind == pb::TaxRule::FIXED ? row.amount.ToString() + " each" : row.rate.ToString() + " %";
  if (row.valid_to != CivilDay::max()) absl::StrAppend(&out, " to ", FormatDate(row.valid_to));
  return out;
}

RateChange Compare(const std::vector<RuleRow>& before, RateFile& file) {
  RateChange out;
  std::map<RuleKey, const RuleRow*> known;
  std::map<std::pair<std::string, std::string>, const RuleRow*> latest;
  for (const RuleRow& row : before) {
    known[KeyOf(row)] = &row;
    const RuleRow*& last = latest[{row.jurisdiction_code, row.tax_code}];
    if (last == nullptr || last->valid_from < row.valid_from) last = &row;
  }
  std::set<RuleKey> kept;
  for (RuleRow& row : file.rules) {
    kept.insert(KeyOf(row));
    const auto had = known.find(KeyOf(row));
    const auto sibling = latest.find({row.jurisdiction_code, row.tax_code});
    const RuleRow* model = had != known.end()        ? had->second
                           : sibling != latest.end() ? sibling->second
                                                     : nullptr;
    if (file.rates_only && model != nullptr) KeepSettings(*model, row);
    if (had == known.end()) {
      out.fresh.push_back(row);
    } else if (!SameRule(*had->second, row)) {
      out.changed.push_back(row);
      const std::string was = Terms(*had->second);
      const std::string is = Terms(row);
      out.differences.push_back(absl::StrCat(Describe(row), ": ", was, " → ",
                                             was == is ? "other name, classes or rounding" : is));
    }
  }
  for (const RuleRow& row : before) {
    if (file.complete_sets.count(row.file_set) == 0 || kept.count(KeyOf(row)) > 0) continue;
    out.withdrawn.push_back(row.rule_id);
    out.differences.push_back(absl::StrCat(Describe(row), ": ", Terms(row), " → withdrawn"));
  }
  return out;
}

// Returns how many jurisdictions are new.
absl::StatusOr<int64_t> SaveJurisdictions(db::Tx& tx, const RateFile& file) {
  ASSIGN_OR_RETURN(const auto before, db::Select<JurisdictionRow>(tx, ""));
  std::map<std::string, const JurisdictionRow*> known;
  for (const JurisdictionRow& row : before) known[row.code] = &row;
  std::vector<JurisdictionRow> rows;
  int64_t fresh = 0;
  for (const auto& [code, row] : file.jurisdictions) {
    const auto had = known.find(code);
    if (had == known.end()) ++fresh;
    const bool same =
        had != known.end() &&
        (file.rates_only || (had->second->name == row.name && had->second->level == row.level));
    if (!same) rows.push_back(row);
  }
  RETURN_IF_ERROR(db::Insert(tx, rows,
                             "ON CONFLICT (code) DO UPDATE SET name = excluded.name, "
                             "level = excluded.level")
                      .status());
  return fresh;
}

absl::Status SaveRules(db::Tx& tx, const RateChange& change) {
  // A changed rule is a new version of it: documents keep the id of the one they were taxed by.
  std::vector<std::string> codes, taxes;
  std::vector<CivilDay> days;
  for (const RuleRow& row : change.changed) {
    codes.push_back(row.jurisdiction_code);
    taxes.push_back(row.tax_code);
    days.push_back(row.valid_from);
  }
  RETURN_IF_ERROR(tx.Exec("DELETE FROM rule WHERE rule_id = ANY($1) OR (jurisdiction_code, "
                          "tax_code, valid_from) IN (SELECT * FROM unnest($2, $3, $4))",
                          change.withdrawn, codes, taxes, days)
                      .status());
  RETURN_IF_ERROR(db::Copy(tx, change.changed));
  return db::Copy(tx, change.fresh);
}

}  // namespace

absl::StatusOr<ImportResult> TaxApp::ImportRates(const rpc::Context& context,
                                                 const pb::ImportRatesRequest& request) {
  const absl::Time now = clock_.Now();
  const std::string version = VersionOf(request.data_version(), request.source_name());
  RateFile file;
  if (request.format() == pb::ImportRatesRequest::SST) {
    ASSIGN_OR_RETURN(file, FromSst(request.content(), version, now));
  } else if (request.format() == pb::ImportRatesRequest::CSV) {
    ASSIGN_OR_RETURN(file, FromCsv(request.content(), version, now));
  } else {
    return InvalidField("format", "is required: SST or CSV");
  }
  const ImportResult result = StartResult(file.read, file.errors, request.validate_only(), now);
  if (!file.errors.empty()) return result;  // all or nothing
  return convert::Write<ImportResult>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<ImportResult> {
        ImportResult out = result;
        ASSIGN_OR_RETURN(const int64_t jurisdictions, SaveJurisdictions(tx, file));
        ASSIGN_OR_RETURN(const auto before, db::Select<RuleRow>(tx, ""));
        RateChange change = Compare(before, file);
        RETURN_IF_ERROR(SaveRules(tx, change));
        const auto fresh = static_cast<int64_t>(change.fresh.size());
        const auto changed = static_cast<int64_t>(change.changed.size());
        const auto withdrawn = static_cast<int64_t>(change.withdrawn.size());
        if (jurisdictions + fresh + changed + withdrawn > 0) {
          RETURN_IF_ERROR(
              tx.Exec("UPDATE data_state SET version = version + 1, name = $1", version).status());
        }
        out.set_rows_applied(fresh + changed);
        out.set_rows_skipped(file.read - fresh - changed);
        convert::AddCount("jurisdictions", jurisdictions, out);
        convert::AddCount("new", fresh, out);
        convert::AddCount("changed", changed, out);
        convert::AddCount("withdrawn", withdrawn, out);
        for (const auto* list : {&file.remarks, &change.differences}) {
          for (const std::string& text : *list) {
            if (out.differences_size() < kDifferencesListed) out.add_differences(text);
          }
        }
        return out;
      });
}

}  // namespace broadbill::tax
