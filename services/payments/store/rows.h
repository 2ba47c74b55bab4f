#pragma once

#include <optional>
#include <string>

#include "libs/db/rows.h"

namespace broadbill::payments {

struct CustomerRow {
  Uuid account_id;
  std::string account_number;
  std::string external_id;
  std::string currency;
  std::string account_group;
  std::string time_zone;
  static constexpr char kTable[] = "customer";
  static constexpr auto Columns() {
    using R = CustomerRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("account_number", &R::account_number),
        db::Col("external_id", &R::external_id), db::Col("currency", &R::currency),
        db::Col("account_group", &R::account_group), db::Col("time_zone", &R::time_zone));
  }
};

struct TransferRow {
  Uuid account_id;
  Uuid transfer_id;
  Uuid transaction_id;
  int32_t kind = 0;
  std::string debit;
  std::string credit;
  std::string currency;
  int64_t amount = 0;
  CivilDay value_date;
  CivilDay posting_date;
  std::optional<Uuid> document_id;
  std::optional<Uuid> payment_id;
  static constexpr char kTable[] = "transfer";
  static constexpr auto Columns() {
    using R = TransferRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("transfer_id", &R::transfer_id),
        db::Col("transaction_id", &R::transaction_id), db::Col("kind", &R::kind),
        db::Col("debit", &R::debit), db::Col("credit", &R::credit),
        db::Col("currency", &R::currency), db::Col("amount", &R::amount),
        db::Col("value_date", &R::value_date), db::Col("posting_date", &R::posting_date),
        db::Col("document_id", &R::document_id), db::Col("payment_id", &R::payment_id));
  }
};

struct ItemRow {
  Uuid account_id;
  Uuid document_id;
  std::string number;
  std::string currency;
  CivilDay invoice_date;
  CivilDay due_date;
  int64_t total = 0;
  int64_t open = 0;
  int64_t fees = 0;  // late fees in the total, with their taxes
  bool paid_late = false;
  static constexpr char kTable[] = "item";
  static constexpr auto Columns() {
    using R = ItemRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("document_id", &R::document_id),
        db::Col("number", &R::number), db::Col("currency", &R::currency),
        db::Col("invoice_date", &R::invoice_date), db::Col("due_date", &R::due_date),
        db::Col("total", &R::total), db::Col("open", &R::open), db::Col("fees", &R::fees),
        db::Col("paid_late", &R::paid_late));
  }
};

struct CreditRow {
  Uuid account_id;
  Uuid credit_id;
  int32_t kind = 0;
  std::string currency;
  int64_t amount = 0;
  int64_t unapplied = 0;
  int64_t refunded = 0;
  CivilDay value_date;
  CivilDay posting_date;
  bool manual_hold = false;
  std::string reference;
  std::optional<Uuid> method_id;
  std::optional<Uuid> attempt_id;
  absl::Time created_at;
  bool returned = false;
  static constexpr char kTable[] = "credit";
  static constexpr auto Columns() {
    using R = CreditRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("credit_id", &R::credit_id),
        db::Col("kind", &R::kind), db::Col("currency", &R::currency), db::Col("amount", &R::amount),
        db::Col("unapplied", &R::unapplied), db::Col("refunded", &R::refunded),
        db::Col("value_date", &R::value_date), db::Col("posting_date", &R::posting_date),
        db::Col("manual_hold", &R::manual_hold), db::Col("reference", &R::reference),
        db::Col("method_id", &R::method_id), db::Col("attempt_id", &R::attempt_id),
        db::Col("created_at", &R::created_at), db::Col("returned", &R::returned));
  }
};

struct AllocationRow {
  Uuid account_id;
  Uuid allocation_id;
  Uuid credit_id;
  Uuid document_id;
  int64_t amount = 0;
  CivilDay value_date;
  CivilDay posting_date;
  static constexpr char kTable[] = "allocation";
  static constexpr auto Columns() {
    using R = AllocationRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("allocation_id", &R::allocation_id),
        db::Col("credit_id", &R::credit_id), db::Col("document_id", &R::document_id),
        db::Col("amount", &R::amount), db::Col("value_date", &R::value_date),
        db::Col("posting_date", &R::posting_date));
  }
};

struct MethodRow {
  Uuid account_id;
  Uuid method_id;
  int32_t kind = 0;
  std::string processor;
  std::string token;
  std::string label;
  int32_t state = 0;
  std::string last_decline;
  static constexpr char kTable[] = "payment_method";
  static constexpr auto Columns() {
    using R = MethodRow;
    return std::make_tuple(db::Col("account_id", &R::account_id),
                           db::Col("method_id", &R::method_id), db::Col("kind", &R::kind),
                           db::Col("processor", &R::processor), db::Col("token", &R::token),
                           db::Col("label", &R::label), db::Col("state", &R::state),
                           db::Col("last_decline", &R::last_decline));
  }
};

struct AutopayRow {
  Uuid account_id;
  bool enabled = false;
  Uuid method_id;
  int32_t day = 0;
  int32_t offset_days = 0;
  int32_t amount = 0;
  static constexpr char kTable[] = "autopay";
  static constexpr auto Columns() {
    using R = AutopayRow;
    return std::make_tuple(db::Col("account_id", &R::account_id), db::Col("enabled", &R::enabled),
                           db::Col("method_id", &R::method_id), db::Col("day", &R::day),
                           db::Col("offset_days", &R::offset_days), db::Col("amount", &R::amount));
  }
};

struct AttemptRow {
  Uuid account_id;
  Uuid attempt_id;
  Uuid method_id;
  std::string token;
  std::string currency;
  int64_t amount = 0;
  int32_t number = 0;
  CivilDay first_date;
  CivilDay scheduled;
  int32_t state = 0;
  std::string decline_code;
  bool hard = false;
  std::optional<CivilDay> next_retry;
  absl::Time created_at;
  static constexpr char kTable[] = "attempt";
  static constexpr auto Columns() {
    using R = AttemptRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("attempt_id", &R::attempt_id),
        db::Col("method_id", &R::method_id), db::Col("token", &R::token),
        db::Col("currency", &R::currency), db::Col("amount", &R::amount),
        db::Col("number", &R::number), db::Col("first_date", &R::first_date),
        db::Col("scheduled", &R::scheduled), db::Col("state", &R::state),
        db::Col("decline_code", &R::decline_code), db::Col("hard", &R::hard),
        db::Col("next_retry", &R::next_retry), db::Col("created_at", &R::created_at));
  }
};

struct DisputeRow {
  Uuid account_id;
  Uuid dispute_id;
  Uuid document_id;
  int64_t amount = 0;
  CivilDay from_date;
  std::optional<CivilDay> end_date;
  std::string reason;
  static constexpr char kTable[] = "dispute";
  static constexpr auto Columns() {
    using R = DisputeRow;
    return std::make_tuple(db::Col("account_id", &R::account_id),
                           db::Col("dispute_id", &R::dispute_id),
                           db::Col("document_id", &R::document_id), db::Col("amount", &R::amount),
                           db::Col("from_date", &R::from_date), db::Col("end_date", &R::end_date),
                           db::Col("reason", &R::reason));
  }
};

struct FiredRow {
  Uuid account_id;
  Uuid document_id;
  std::string step;
  int32_t occurrence = 0;
  CivilDay fired_on;
  int64_t amount = 0;
  static constexpr char kTable[] = "fired_step";
  static constexpr auto Columns() {
    using R = FiredRow;
    return std::make_tuple(db::Col("account_id", &R::account_id),
                           db::Col("document_id", &R::document_id), db::Col("step", &R::step),
                           db::Col("occurrence", &R::occurrence), db::Col("fired_on", &R::fired_on),
                           db::Col("amount", &R::amount));
  }
};

}  // namespace broadbill::payments
