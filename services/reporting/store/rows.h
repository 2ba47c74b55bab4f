#pragma once

#include <optional>
#include <string>

#include "libs/db/rows.h"

namespace broadbill::reporting {

struct AccountRow {
  Uuid account_id;
  std::string account_number;
  std::string name;
  Uuid company_id;
  std::string currency;
  int64_t version = 0;
  static constexpr char kTable[] = "account";
  static constexpr auto Columns() {
    using R = AccountRow;
    return std::make_tuple(db::Col("account_id", &R::account_id),
                           db::Col("account_number", &R::account_number), db::Col("name", &R::name),
                           db::Col("company_id", &R::company_id), db::Col("currency", &R::currency),
                           db::Col("version", &R::version));
  }
};

struct DocumentRow {
  Uuid account_id;
  Uuid document_id;
  int16_t kind = 0;
  std::string number;
  Uuid company_id;
  std::optional<Uuid> run_id;
  std::string currency;
  CivilDay invoice_date;
  std::optional<CivilDay> due_date;
  int64_t net = 0;
  int64_t tax = 0;
  int64_t total = 0;
  std::string account_number;
  std::string customer_name;
  static constexpr char kTable[] = "document";
  static constexpr auto Columns() {
    using R = DocumentRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("document_id", &R::document_id),
        db::Col("kind", &R::kind), db::Col("number", &R::number),
        db::Col("company_id", &R::company_id), db::Col("run_id", &R::run_id),
        db::Col("currency", &R::currency), db::Col("invoice_date", &R::invoice_date),
        db::Col("due_date", &R::due_date), db::Col("net", &R::net), db::Col("tax", &R::tax),
        db::Col("total", &R::total), db::Col("account_number", &R::account_number),
        db::Col("customer_name", &R::customer_name));
  }
};

struct DraftRow {
  Uuid account_id;
  Uuid document_id;
  int16_t kind = 0;
  Uuid company_id;
  std::optional<Uuid> run_id;
  std::string currency;
  CivilDay as_of;
  int64_t net = 0;
  int64_t tax = 0;
  int64_t total = 0;
  std::string customer_name;
  static constexpr char kTable[] = "draft";
  static constexpr auto Columns() {
    using R = DraftRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("document_id", &R::document_id),
        db::Col("kind", &R::kind), db::Col("company_id", &R::company_id),
        db::Col("run_id", &R::run_id), db::Col("currency", &R::currency),
        db::Col("as_of", &R::as_of), db::Col("net", &R::net), db::Col("tax", &R::tax),
        db::Col("total", &R::total), db::Col("customer_name", &R::customer_name));
  }
};

struct EntryRow {
  Uuid account_id;
  Uuid transfer_id;
  int16_t kind = 0;
  std::string debit;
  std::string credit;
  std::string currency;
  int64_t amount = 0;
  CivilDay value_date;
  CivilDay posting_date;
  std::optional<Uuid> document_id;
  std::optional<Uuid> payment_id;
  static constexpr char kTable[] = "entry";
  static constexpr auto Columns() {
    using R = EntryRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("transfer_id", &R::transfer_id),
        db::Col("kind", &R::kind), db::Col("debit", &R::debit), db::Col("credit", &R::credit),
        db::Col("currency", &R::currency), db::Col("amount", &R::amount),
        db::Col("value_date", &R::value_date), db::Col("posting_date", &R::posting_date),
        db::Col("document_id", &R::document_id), db::Col("payment_id", &R::payment_id));
  }
};

struct ItemRow {
  Uuid account_id;
  Uuid document_id;
  std::string currency;
  CivilDay due_date;
  bool credit_note = false;
  int64_t open = 0;
  static constexpr char kTable[] = "item";
  static constexpr auto Columns() {
    using R = ItemRow;
    return std::make_tuple(db::Col("account_id", &R::account_id),
                           db::Col("document_id", &R::document_id),
                           db::Col("currency", &R::currency), db::Col("due_date", &R::due_date),
                           db::Col("credit_note", &R::credit_note), db::Col("open", &R::open));
  }
};

struct BalanceRow {
  Uuid account_id;
  std::string currency;
  int64_t receivable = 0;
  int64_t credit = 0;
  static constexpr char kTable[] = "balance";
  static constexpr auto Columns() {
    using R = BalanceRow;
    return std::make_tuple(db::Col("account_id", &R::account_id), db::Col("currency", &R::currency),
                           db::Col("receivable", &R::receivable), db::Col("credit", &R::credit));
  }
};

struct PaymentRow {
  Uuid account_id;
  Uuid payment_id;
  int16_t kind = 0;
  std::string currency;
  int64_t amount = 0;
  CivilDay value_date;
  static constexpr char kTable[] = "payment";
  static constexpr auto Columns() {
    using R = PaymentRow;
    return std::make_tuple(db::Col("account_id", &R::account_id),
                           db::Col("payment_id", &R::payment_id), db::Col("kind", &R::kind),
                           db::Col("currency", &R::currency), db::Col("amount", &R::amount),
                           db::Col("value_date", &R::value_date));
  }
};

struct DeclineRow {
  Uuid account_id;
  Uuid attempt_id;
  int16_t kind = 0;
  std::string currency;
  int64_t amount = 0;
  CivilDay day;
  static constexpr char kTable[] = "decline";
  static constexpr auto Columns() {
    using R = DeclineRow;
    return std::make_tuple(db::Col("account_id", &R::account_id),
                           db::Col("attempt_id", &R::attempt_id), db::Col("kind", &R::kind),
                           db::Col("currency", &R::currency), db::Col("amount", &R::amount),
                           db::Col("day", &R::day));
  }
};

struct LedgerDayRow {
  int16_t partition = 0;
  CivilDay posting_date;
  Uuid company_id;
  std::string currency;
  std::string code;
  int64_t debits = 0;
  int64_t credits = 0;
  static constexpr char kTable[] = "ledger_day";
  static constexpr auto Columns() {
    using R = LedgerDayRow;
    return std::make_tuple(
        db::Col("partition", &R::partition), db::Col("posting_date", &R::posting_date),
        db::Col("company_id", &R::company_id), db::Col("currency", &R::currency),
        db::Col("code", &R::code), db::Col("debits", &R::debits), db::Col("credits", &R::credits));
  }
};

struct LedgerCodeRow {
  std::string code;
  std::string name;
  static constexpr char kTable[] = "ledger_code";
  static constexpr auto Columns() {
    using R = LedgerCodeRow;
    return std::make_tuple(db::Col("code", &R::code), db::Col("name", &R::name));
  }
};

struct TaxRow {
  Uuid tax_id;
  std::string jurisdiction_id;
  std::string jurisdiction_code;
  std::string jurisdiction_name;
  std::string tax_code;
  std::string tax_name;
  Decimal rate;
  static constexpr char kTable[] = "tax";
  static constexpr auto Columns() {
    using R = TaxRow;
    return std::make_tuple(
        db::Col("tax_id", &R::tax_id), db::Col("jurisdiction_id", &R::jurisdiction_id),
        db::Col("jurisdiction_code", &R::jurisdiction_code),
        db::Col("jurisdiction_name", &R::jurisdiction_name), db::Col("tax_code", &R::tax_code),
        db::Col("tax_name", &R::tax_name), db::Col("rate", &R::rate));
  }
};

struct TaxDayRow {
  int16_t partition = 0;
  CivilDay invoice_date;
  Uuid company_id;
  std::string currency;
  bool credit_notes = false;
  Uuid tax_id;
  int64_t taxable = 0;
  int64_t exempt = 0;
  int64_t amount = 0;
  int64_t documents = 0;
  static constexpr char kTable[] = "tax_day";
  static constexpr auto Columns() {
    using R = TaxDayRow;
    return std::make_tuple(db::Col("partition", &R::partition),
                           db::Col("invoice_date", &R::invoice_date),
                           db::Col("company_id", &R::company_id), db::Col("currency", &R::currency),
                           db::Col("credit_notes", &R::credit_notes), db::Col("tax_id", &R::tax_id),
                           db::Col("taxable", &R::taxable), db::Col("exempt", &R::exempt),
                           db::Col("amount", &R::amount), db::Col("documents", &R::documents));
  }
};

struct ExemptDayRow {
  int16_t partition = 0;
  CivilDay invoice_date;
  Uuid company_id;
  std::string currency;
  bool credit_notes = false;
  Uuid tax_id;
  std::string reason;
  int64_t amount = 0;
  static constexpr char kTable[] = "exempt_day";
  static constexpr auto Columns() {
    using R = ExemptDayRow;
    return std::make_tuple(db::Col("partition", &R::partition),
                           db::Col("invoice_date", &R::invoice_date),
                           db::Col("company_id", &R::company_id), db::Col("currency", &R::currency),
                           db::Col("credit_notes", &R::credit_notes), db::Col("tax_id", &R::tax_id),
                           db::Col("reason", &R::reason), db::Col("amount", &R::amount));
  }
};

}  // namespace broadbill::reporting
