#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/db/rows.h"

namespace broadbill::invoicing {

struct UsageBilledRow {
  Uuid account_id;
  Uuid item_id;
  std::string meter;
  CivilDay period_start;
  int64_t billed_minor = 0;
  static constexpr char kTable[] = "usage_billed";
  static constexpr auto Columns() {
    using R = UsageBilledRow;
    return std::make_tuple(db::Col("account_id", &R::account_id), db::Col("item_id", &R::item_id),
                           db::Col("meter", &R::meter), db::Col("period_start", &R::period_start),
                           db::Col("billed_minor", &R::billed_minor));
  }
};

// What a draft replaced of an item's coverage, until it is posted or voided.
struct ReplacedRow {
  Uuid account_id;
  Uuid document_id;
  Uuid item_id;
  int64_t version = 0;  // of the coverage row right after the draft
  db::Bytes pieces;
  static constexpr char kTable[] = "coverage_replaced";
  static constexpr auto Columns() {
    using R = ReplacedRow;
    return std::make_tuple(db::Col("account_id", &R::account_id),
                           db::Col("document_id", &R::document_id), db::Col("item_id", &R::item_id),
                           db::Col("version", &R::version), db::Col("pieces", &R::pieces));
  }
};

struct ChargeRow {
  Uuid account_id;
  Uuid charge_id;
  std::string source;
  std::string source_id;
  int16_t kind = 0;
  std::optional<Uuid> item_id;
  std::optional<Uuid> location_id;
  std::string description;
  Decimal quantity;
  Decimal unit_price;
  std::string tax_class;
  std::string account_code;
  CivilDay due_date;
  bool bill_alone = false;
  int16_t state = 0;
  std::optional<Uuid> document_id;
  absl::Time created_at;
  std::string series;  // the source id without its part; "" when it has none
  int32_t part = 0;
  int32_t parts = 0;
  std::optional<Uuid> corrects_line_id;  // of a deposit's return
  std::optional<Uuid> corrects_document_id;
  static constexpr char kTable[] = "pending_charge";
  static constexpr auto Columns() {
    using R = ChargeRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("charge_id", &R::charge_id),
        db::Col("source", &R::source), db::Col("source_id", &R::source_id),
        db::Col("kind", &R::kind), db::Col("item_id", &R::item_id),
        db::Col("location_id", &R::location_id), db::Col("description", &R::description),
        db::Col("quantity", &R::quantity), db::Col("unit_price", &R::unit_price),
        db::Col("tax_class", &R::tax_class), db::Col("account_code", &R::account_code),
        db::Col("due_date", &R::due_date), db::Col("bill_alone", &R::bill_alone),
        db::Col("state", &R::state), db::Col("document_id", &R::document_id),
        db::Col("created_at", &R::created_at), db::Col("series", &R::series),
        db::Col("part", &R::part), db::Col("parts", &R::parts),
        db::Col("corrects_line_id", &R::corrects_line_id),
        db::Col("corrects_document_id", &R::corrects_document_id));
  }
};

struct DocumentRow {
  Uuid account_id;
  Uuid document_id;
  int16_t kind = 0;
  int64_t account_version = 0;
  Uuid company_id;
  std::optional<Uuid> run_id;
  int32_t chunk = 0;
  std::optional<Uuid> corrects_document_id;
  std::string currency;
  CivilDay as_of;
  int32_t due_days = 0;
  std::optional<CivilDay> service_start;
  std::optional<CivilDay> service_end;
  int64_t net = 0;
  int64_t tax = 0;
  int64_t total = 0;
  db::Bytes parties;
  std::string language;
  bool held = false;
  absl::Time created_at;
  std::optional<CivilDay> due_from;
  static constexpr char kTable[] = "document";
  static constexpr auto Columns() {
    using R = DocumentRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("document_id", &R::document_id),
        db::Col("kind", &R::kind), db::Col("account_version", &R::account_version),
        db::Col("company_id", &R::company_id), db::Col("run_id", &R::run_id),
        db::Col("chunk", &R::chunk), db::Col("corrects_document_id", &R::corrects_document_id),
        db::Col("currency", &R::currency), db::Col("as_of", &R::as_of),
        db::Col("due_days", &R::due_days), db::Col("service_start", &R::service_start),
        db::Col("service_end", &R::service_end), db::Col("net", &R::net), db::Col("tax", &R::tax),
        db::Col("total", &R::total), db::Col("parties", &R::parties),
        db::Col("language", &R::language), db::Col("held", &R::held),
        db::Col("created_at", &R::created_at), db::Col("due_from", &R::due_from));
  }
};

enum class LinkKind : int16_t { kAccount = 1, kDocument = 2 };

// What belongs to a document beside its own account.
struct LinkRow {
  Uuid account_id;
  Uuid document_id;
  int16_t kind = 0;
  Uuid other_id;
  static constexpr char kTable[] = "document_link";
  static constexpr auto Columns() {
    using R = LinkRow;
    return std::make_tuple(db::Col("account_id", &R::account_id),
                           db::Col("document_id", &R::document_id), db::Col("kind", &R::kind),
                           db::Col("other_id", &R::other_id));
  }
};

struct LineRow {
  Uuid account_id;
  Uuid document_id;
  int32_t position = 0;
  Uuid line_id;
  int16_t kind = 0;
  std::optional<Uuid> item_id;
  std::optional<Uuid> location_id;
  std::string description;
  std::optional<CivilDay> start_date;
  std::optional<CivilDay> end_date;
  Decimal quantity;
  Decimal unit_price;
  int64_t amount = 0;
  std::string tax_class;
  std::string account_code;
  std::optional<Uuid> parent_line_id;
  std::optional<Uuid> corrects_line_id;
  std::optional<Uuid> corrects_document_id;
  std::string derivation;
  std::string source;
  std::string source_id;
  static constexpr char kTable[] = "line";
  static constexpr auto Columns() {
    using R = LineRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("document_id", &R::document_id),
        db::Col("position", &R::position), db::Col("line_id", &R::line_id),
        db::Col("kind", &R::kind), db::Col("item_id", &R::item_id),
        db::Col("location_id", &R::location_id), db::Col("description", &R::description),
        db::Col("start_date", &R::start_date), db::Col("end_date", &R::end_date),
        db::Col("quantity", &R::quantity), db::Col("unit_price", &R::unit_price),
        db::Col("amount", &R::amount), db::Col("tax_class", &R::tax_class),
        db::Col("account_code", &R::account_code), db::Col("parent_line_id", &R::parent_line_id),
        db::Col("corrects_line_id", &R::corrects_line_id),
        db::Col("corrects_document_id", &R::corrects_document_id),
        db::Col("derivation", &R::derivation), db::Col("source", &R::source),
        db::Col("source_id", &R::source_id));
  }
};

struct TaxRow {
  Uuid account_id;
  Uuid document_id;
  int32_t position = 0;
  std::string rule_id;
  std::string jurisdiction_id;
  std::string jurisdiction_code;
  std::string jurisdiction_name;
  std::string tax_code;
  std::string name;
  std::string category;
  Decimal rate;
  bool fixed = false;
  bool inclusive = false;
  int64_t base = 0;
  int64_t exempt = 0;
  std::string exempt_reason;
  Decimal unrounded;
  int64_t amount = 0;
  std::vector<Uuid> line_ids;
  std::vector<int64_t> line_bases;
  std::vector<int64_t> line_exempts;
  std::vector<int64_t> line_amounts;
  static constexpr char kTable[] = "document_tax";
  static constexpr auto Columns() {
    using R = TaxRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("document_id", &R::document_id),
        db::Col("position", &R::position), db::Col("rule_id", &R::rule_id),
        db::Col("jurisdiction_id", &R::jurisdiction_id),
        db::Col("jurisdiction_code", &R::jurisdiction_code),
        db::Col("jurisdiction_name", &R::jurisdiction_name), db::Col("tax_code", &R::tax_code),
        db::Col("name", &R::name), db::Col("category", &R::category), db::Col("rate", &R::rate),
        db::Col("fixed", &R::fixed), db::Col("inclusive", &R::inclusive), db::Col("base", &R::base),
        db::Col("exempt", &R::exempt), db::Col("exempt_reason", &R::exempt_reason),
        db::Col("unrounded", &R::unrounded), db::Col("amount", &R::amount),
        db::Col("line_ids", &R::line_ids), db::Col("line_bases", &R::line_bases),
        db::Col("line_exempts", &R::line_exempts), db::Col("line_amounts", &R::line_amounts));
  }
};

struct PostingRow {
  std::string series;
  int64_t number = 0;
  Uuid account_id;
  Uuid document_id;
  CivilDay invoice_date;
  CivilDay due_date;
  std::string full_number;
  absl::Time posted_at;
  static constexpr char kTable[] = "posting";
  static constexpr auto Columns() {
    using R = PostingRow;
    return std::make_tuple(
        db::Col("series", &R::series), db::Col("number", &R::number),
        db::Col("account_id", &R::account_id), db::Col("document_id", &R::document_id),
        db::Col("invoice_date", &R::invoice_date), db::Col("due_date", &R::due_date),
        db::Col("full_number", &R::full_number), db::Col("posted_at", &R::posted_at));
  }
};

struct RunRow {
  Uuid run_id;
  CivilDay as_of;
  int32_t mode = 0;
  db::Bytes scope;
  int32_t state = 0;
  int64_t accounts = 0;
  int32_t chunks = 0;
  int32_t next_post = 0;
  std::string created_by;
  absl::Time created_at;
  absl::Time started_at;
  std::optional<absl::Time> finished_at;
  std::optional<Decimal> tolerance;
  std::optional<absl::Time> paused_at;
  int64_t paused_ms = 0;
  static constexpr char kTable[] = "bill_run";
  static constexpr auto Columns() {
    using R = RunRow;
    return std::make_tuple(
        db::Col("run_id", &R::run_id), db::Col("as_of", &R::as_of), db::Col("mode", &R::mode),
        db::Col("scope", &R::scope), db::Col("state", &R::state), db::Col("accounts", &R::accounts),
        db::Col("chunks", &R::chunks), db::Col("next_post", &R::next_post),
        db::Col("created_by", &R::created_by), db::Col("created_at", &R::created_at),
        db::Col("started_at", &R::started_at), db::Col("finished_at", &R::finished_at),
        db::Col("tolerance", &R::tolerance), db::Col("paused_at", &R::paused_at),
        db::Col("paused_ms", &R::paused_ms));
  }
};

struct ChunkRow {
  Uuid run_id;
  int32_t chunk = 0;
  std::vector<Uuid> account_ids;
  int32_t accounts = 0;
  bool drafted = false;
  bool posted = false;
  int64_t documents = 0;
  int64_t lines = 0;
  int64_t exceptions = 0;
  std::optional<absl::Time> drafted_at;
  std::optional<absl::Time> posted_at;
  static constexpr char kTable[] = "bill_run_chunk";
  static constexpr auto Columns() {
    using R = ChunkRow;
    return std::make_tuple(db::Col("run_id", &R::run_id), db::Col("chunk", &R::chunk),
                           db::Col("account_ids", &R::account_ids),
                           db::Col("accounts", &R::accounts), db::Col("drafted", &R::drafted),
                           db::Col("posted", &R::posted), db::Col("documents", &R::documents),
                           db::Col("lines", &R::lines), db::Col("exceptions", &R::exceptions),
                           db::Col("drafted_at", &R::drafted_at),
                           db::Col("posted_at", &R::posted_at));
  }
};

// What the documents of a chunk come to in one currency.
struct TotalRow {
  Uuid run_id;
  int32_t chunk = 0;
  std::string currency;
  int64_t invoices = 0;
  int64_t credit_notes = 0;
  int64_t net = 0;
  int64_t tax = 0;
  int64_t total = 0;
  static constexpr char kTable[] = "bill_run_total";
  static constexpr auto Columns() {
    using R = TotalRow;
    return std::make_tuple(db::Col("run_id", &R::run_id), db::Col("chunk", &R::chunk),
                           db::Col("currency", &R::currency), db::Col("invoices", &R::invoices),
                           db::Col("credit_notes", &R::credit_notes), db::Col("net", &R::net),
                           db::Col("tax", &R::tax), db::Col("total", &R::total));
  }
};

struct ExceptionRow {
  Uuid exception_id;
  Uuid run_id;
  Uuid account_id;
  int32_t reason = 0;
  std::string message;
  std::optional<Uuid> document_id;
  int64_t amount = 0;
  std::string currency;
  int32_t state = 0;
  absl::Time created_at;
  std::optional<int64_t> forecast;
  static constexpr char kTable[] = "run_exception";
  static constexpr auto Columns() {
    using R = ExceptionRow;
    return std::make_tuple(db::Col("exception_id", &R::exception_id), db::Col("run_id", &R::run_id),
                           db::Col("account_id", &R::account_id), db::Col("reason", &R::reason),
                           db::Col("message", &R::message), db::Col("document_id", &R::document_id),
                           db::Col("amount", &R::amount), db::Col("currency", &R::currency),
                           db::Col("state", &R::state), db::Col("created_at", &R::created_at),
                           db::Col("forecast", &R::forecast));
  }
};

struct ScheduleRow {
  Uuid schedule_id;
  std::string code;
  bool enabled = false;
  int32_t local_hour = 0;
  db::Bytes body;
  CivilDay done_through;
  std::optional<Uuid> last_run_id;
  std::string last_error;
  static constexpr char kTable[] = "bill_schedule";
  static constexpr auto Columns() {
    using R = ScheduleRow;
    return std::make_tuple(db::Col("schedule_id", &R::schedule_id), db::Col("code", &R::code),
                           db::Col("enabled", &R::enabled), db::Col("local_hour", &R::local_hour),
                           db::Col("body", &R::body), db::Col("done_through", &R::done_through),
                           db::Col("last_run_id", &R::last_run_id),
                           db::Col("last_error", &R::last_error));
  }
};

}  // namespace broadbill::invoicing
