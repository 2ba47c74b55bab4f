#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/db/rows.h"

namespace broadbill::notification {

// Message.State of the contract.
inline constexpr int16_t kQueued = 1;
inline constexpr int16_t kDelivered = 2;
inline constexpr int16_t kFailed = 3;
inline constexpr int16_t kSuppressed = 4;

struct CustomerRow {
  Uuid account_id;
  bool known = false;
  std::string account_number;
  Uuid company_id;
  std::string name;
  std::string language;
  static constexpr char kTable[] = "customer";
  static constexpr auto Columns() {
    using R = CustomerRow;
    return std::make_tuple(db::Col("account_id", &R::account_id), db::Col("known", &R::known),
                           db::Col("account_number", &R::account_number),
                           db::Col("company_id", &R::company_id), db::Col("name", &R::name),
                           db::Col("language", &R::language));
  }
};

struct ContactRow {
  Uuid account_id;
  Uuid contact_id;
  std::string name;
  std::string email;
  bool receives_invoices = false;
  bool receives_notices = false;
  static constexpr char kTable[] = "contact";
  static constexpr auto Columns() {
    using R = ContactRow;
    return std::make_tuple(db::Col("account_id", &R::account_id),
                           db::Col("contact_id", &R::contact_id), db::Col("name", &R::name),
                           db::Col("email", &R::email),
                           db::Col("receives_invoices", &R::receives_invoices),
                           db::Col("receives_notices", &R::receives_notices));
  }
};

struct PreferenceRow {
  Uuid account_id;
  std::vector<std::string> muted;
  int64_t version = 0;
  static constexpr char kTable[] = "preference";
  static constexpr auto Columns() {
    using R = PreferenceRow;
    return std::make_tuple(db::Col("account_id", &R::account_id), db::Col("muted", &R::muted),
                           db::Col("version", &R::version));
  }
};

struct TemplateRow {
  std::string code;
  std::string language;
  std::string company_id;
  std::string subject;
  std::string text_body;
  std::string html_body;
  int64_t version = 0;
  static constexpr char kTable[] = "template";
  static constexpr auto Columns() {
    using R = TemplateRow;
    return std::make_tuple(db::Col("code", &R::code), db::Col("language", &R::language),
                           db::Col("company_id", &R::company_id), db::Col("subject", &R::subject),
                           db::Col("text_body", &R::text_body), db::Col("html_body", &R::html_body),
                           db::Col("version", &R::version));
  }
};

struct MessageRow {
  Uuid account_id;
  Uuid message_id;
  Uuid event_id;
  std::string template_code;
  Uuid contact_id;
  std::string recipient;
  std::string recipient_name;
  std::optional<Uuid> document_id;
  std::string number;
  std::string currency;
  int64_t amount = 0;
  std::optional<CivilDay> day;
  std::optional<CivilDay> due;
  std::string method;
  std::string reference;
  std::string reason;
  int16_t state = kQueued;
  std::string error;
  std::string subject;
  std::string file_name;
  int64_t file_size = 0;
  int32_t tries = 0;
  int32_t strikes = 0;
  absl::Time created_at;
  std::optional<absl::Time> delivered_at;
  absl::Time due_at;
  bool leased = false;
  int64_t fence = 0;
  std::string service;
  int64_t old_amount = 0;
  static constexpr char kTable[] = "message";
  static constexpr auto Columns() {
    using R = MessageRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("message_id", &R::message_id),
        db::Col("event_id", &R::event_id), db::Col("template", &R::template_code),
        db::Col("contact_id", &R::contact_id), db::Col("recipient", &R::recipient),
        db::Col("recipient_name", &R::recipient_name), db::Col("document_id", &R::document_id),
        db::Col("number", &R::number), db::Col("currency", &R::currency),
        db::Col("amount", &R::amount), db::Col("day", &R::day), db::Col("due", &R::due),
        db::Col("method", &R::method), db::Col("reference", &R::reference),
        db::Col("reason", &R::reason), db::Col("state", &R::state), db::Col("error", &R::error),
        db::Col("subject", &R::subject), db::Col("file_name", &R::file_name),
        db::Col("file_size", &R::file_size), db::Col("tries", &R::tries),
        db::Col("strikes", &R::strikes), db::Col("created_at", &R::created_at),
        db::Col("delivered_at", &R::delivered_at), db::Col("due_at", &R::due_at),
        db::Col("leased", &R::leased), db::Col("fence", &R::fence), db::Col("service", &R::service),
        db::Col("old_amount", &R::old_amount));
  }
};

struct DeliveryRow {
  Uuid account_id;
  Uuid message_id;
  int32_t number = 0;
  absl::Time at;
  bool ok = false;
  int32_t smtp_code = 0;
  std::string detail;
  int64_t elapsed_ms = 0;
  std::string text_body;
  std::string html_body;
  static constexpr char kTable[] = "delivery";
  static constexpr auto Columns() {
    using R = DeliveryRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("message_id", &R::message_id),
        db::Col("number", &R::number), db::Col("at", &R::at), db::Col("ok", &R::ok),
        db::Col("smtp_code", &R::smtp_code), db::Col("detail", &R::detail),
        db::Col("elapsed_ms", &R::elapsed_ms), db::Col("text_body", &R::text_body),
        db::Col("html_body", &R::html_body));
  }
};

}  // namespace broadbill::notification
