#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "broadbill/accounts/v1/events.pb.h"
#include "broadbill/invoicing/v1/events.pb.h"
#include "broadbill/payments/v1/events.pb.h"
#include "broadbill/rating/v1/events.pb.h"
#include "libs/convert/convert.h"
#include "libs/money/fraction.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/notification/app/notification_app.h"
#include "services/notification/domain/builtin.h"

namespace broadbill::notification {
namespace {

namespace accounts = broadbill::accounts::v1;
namespace invoicing = broadbill::invoicing::v1;
namespace payments = broadbill::payments::v1;
namespace rating = broadbill::rating::v1;

constexpr char kNotKnown[] = "waits for the account, which is not known yet";

std::optional<CivilDay> Day(const google::type::Date& date) {
  if (convert::IsUnset(date)) return std::nullopt;
  return CivilDay(date.year(), date.month(), date.day());
}

// What all facts of an event share.
template <class Event>
absl::StatusOr<MessageRow> FactOf(const feed::Event& event, const Event& message) {
  MessageRow row;
  row.account_id = event.account_id;
  ASSIGN_OR_RETURN(row.event_id, Uuid::Parse("evt", message.event_id()));
  row.created_at = convert::FromProto(message.at());
  return row;
}

absl::Status ReadDocument(const invoicing::DocumentPosted& document, MessageRow& row) {
  ASSIGN_OR_RETURN(row.document_id, Uuid::Parse("doc", document.document_id()));
  const bool credit = document.kind() == invoicing::Document::CREDIT_NOTE;
  row.template_code = credit ? kCreditNote : kInvoice;
  row.number = document.number();
  row.currency = document.currency_code();
  row.amount = credit ? -document.total_minor() : document.total_minor();
  row.day = Day(document.invoice_date());
  if (!credit) row.due = Day(document.due_date());
  row.reference =
      document.payment_reference().empty() ? document.number() : document.payment_reference();
  return absl::OkStatus();
}

void ReadReceipt(const payments::PaymentReceived& received, MessageRow& row) {
  row.template_code = kReceipt;
  row.currency = received.currency_code();
  row.amount = received.amount_minor();
  row.day = Day(received.value_date());
  row.method = received.method_label();
  row.reference = received.reference();
}

void ReadDecline(const payments::PaymentDeclined& declined, MessageRow& row) {
  row.template_code = kPaymentDeclined;
  row.currency = declined.currency_code();
  row.amount = declined.amount_minor();
  row.day = Day(declined.date());
  if (!declined.hard_decline()) row.due = Day(declined.next_retry_date());
  row.method = declined.method_label();
  row.reason = DeclineReason(declined.decline_code());
}

// A policy may name a template of its own; one that is no reminder falls back to the reminder.
absl::Status ReadReminder(const payments::ReminderDue& reminder, MessageRow& row) {
  const TemplateText* family = FamilyOf(reminder.template_());
  const bool usable = family != nullptr && family->code == kReminder;
  row.template_code = usable ? reminder.template_() : kReminder;
  row.currency = reminder.currency_code();
  row.amount = reminder.past_due_minor();
  row.day = Day(reminder.date());
  row.due = Day(reminder.oldest_due_date());
  row.number = absl::StrJoin(reminder.numbers(), ", ");
  if (reminder.document_ids_size() == 1) {
    ASSIGN_OR_RETURN(row.document_id, Uuid::Parse("doc", reminder.document_ids(0)));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> Minor(const broadbill::common::v1::Decimal& price, int exponent) {
  ASSIGN_OR_RETURN(const Decimal value, Decimal::Parse(price.value()));
  return Fraction::MinorUnits(value, exponent).Round();
}

absl::Status ReadPriceChange(const accounts::PriceChangeAnnounced& change, MessageRow& row) {
  row.template_code = kPriceChange;
  row.service = change.description();
  row.currency = change.currency_code();
  row.day = Day(change.valid_from());
  ASSIGN_OR_RETURN(const int exponent, CurrencyExponent(row.currency));
  ASSIGN_OR_RETURN(row.amount, Minor(change.new_price(), exponent));
  ASSIGN_OR_RETURN(row.old_amount, Minor(change.old_price(), exponent));
  return absl::OkStatus();
}

std::string CapWord(broadbill::common::v1::UsageTerms::CapAction action) {
  using Terms = broadbill::common::v1::UsageTerms;
  return action == Terms::THROTTLE ? "throttle"
         : action == Terms::BLOCK  ? "block"
         : action == Terms::CHARGE ? "charge"
                                   : "nothing";
}

void ReadThreshold(const rating::UsageThresholdReached& reached, MessageRow& row) {
  using Terms = broadbill::common::v1::UsageTerms;
  static const std::map<int, std::pair<int64_t, const char*>> kUnits = {
      {Terms::GIB, {int64_t{1} << 30, "GiB"}},
      {Terms::MB, {1000000, "MB"}},
      {Terms::MIB, {int64_t{1} << 20, "MiB"}},
      {Terms::TB, {1000000000000, "TB"}},
      {Terms::TIB, {int64_t{1} << 40, "TiB"}}};
  const auto found = kUnits.find(reached.unit());
  const auto [bytes, name] =
      found == kUnits.end() ? std::pair<int64_t, const char*>{1000000000, "GB"} : found->second;
  const auto units = [unit = bytes](int64_t value) {
    return FormatMinor(static_cast<int64_t>(Int128{value} * 100 / unit), 2);
  };
  row.template_code = kUsageThreshold;
  row.service = reached.description();
  row.number = std::to_string(reached.percent());
  row.reference = absl::StrCat(units(reached.counted_bytes()), " of ",
                               units(reached.included_bytes()), " ", name);
  row.reason = CapWord(reached.cap_action());
  row.due = Day(reached.period().end_date());
}

CustomerRow ToRow(const Uuid& account_id, const accounts::Account& account) {
  CustomerRow row;
  row.account_id = account_id;
  row.known = true;
  row.account_number = account.account_number();
  const auto company = Uuid::Parse("co", account.company_id());
  if (company.ok()) row.company_id = *company;
  row.name = account.name();
  row.language = account.language();
  return row;
}

// Rows of one fact, addressed.
void Address(MessageRow fact, const Audience& audience, absl::Time now,
             std::vector<MessageRow>& out) {
  if (!audience.suppressed.empty()) {
    fact.message_id = Uuid::Make(now);
    fact.state = kSuppressed;
    fact.error = audience.suppressed;
    out.push_back(std::move(fact));
    return;
  }
  for (const Addressee& to : audience.to) {
    MessageRow row = fact;
    row.message_id = Uuid::Make(now);
    row.contact_id = to.contact_id;
    row.recipient = to.email;
    row.recipient_name = to.name;
    out.push_back(std::move(row));
  }
}

}  // namespace

absl::StatusOr<std::vector<MessageRow>> NotificationApp::WithoutKnown(
    db::Tx& tx, std::vector<MessageRow> facts) {
  std::vector<Uuid> account_ids, event_ids;
  for (const MessageRow& fact : facts) {
    account_ids.push_back(fact.account_id);
    event_ids.push_back(fact.event_id);
  }
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("SELECT m.event_id, m.template FROM unnest($1, $2) AS "
                           "e(account_id, event_id) JOIN message m USING (account_id, event_id)",
                           account_ids, event_ids));
  std::set<std::pair<Uuid, std::string>> known;
  for (int i = 0; i < rows.size(); ++i) {
    known.emplace(rows.Get<Uuid>(i, 0), rows.Get<std::string>(i, 1));
  }
  std::vector<MessageRow> fresh;
  for (MessageRow& fact : facts) {
    if (known.emplace(fact.event_id, fact.template_code).second) fresh.push_back(std::move(fact));
  }
  return fresh;
}

absl::Status NotificationApp::Enqueue(db::Tx& tx, const std::vector<MessageRow>& facts) {
  std::set<Uuid> distinct;
  for (const MessageRow& fact : facts) distinct.insert(fact.account_id);
  const std::vector<Uuid> ids(distinct.begin(), distinct.end());
  // Accounts whose own event is still to come get a stand-in that is locked here: either the
  // transaction that brings the account waits for ours and sees its messages, or we wait for it.
  RETURN_IF_ERROR(tx.Exec("INSERT INTO customer (account_id, known, account_number, company_id, "
                          "name, language) SELECT id, false, '', $2, '', '' FROM unnest($1) id "
                          "WHERE NOT EXISTS (SELECT 1 FROM customer c WHERE c.account_id = id) "
                          "ORDER BY id ON CONFLICT DO NOTHING",
                          ids, Uuid())
                      .status());
  RETURN_IF_ERROR(tx.Exec("SELECT 1 FROM customer WHERE account_id = ANY($1) AND NOT known "
                          "ORDER BY account_id FOR UPDATE",
                          ids)
                      .status());
  std::set<Uuid> known;
  ASSIGN_OR_RETURN(
      const db::Result customers,
      tx.Exec("SELECT account_id FROM customer WHERE known AND account_id = ANY($1)", ids));
  for (int i = 0; i < customers.size(); ++i) known.insert(customers.Get<Uuid>(i, 0));
  ASSIGN_OR_RETURN(const auto contact_rows,
                   db::Select<ContactRow>(
                       tx, "WHERE account_id = ANY($1) ORDER BY account_id, contact_id", ids));
  std::map<Uuid, std::vector<Contact>> contacts;
  for (const ContactRow& row : contact_rows) {
    contacts[row.account_id].push_back(
        {row.contact_id, row.name, row.email, row.receives_invoices, row.receives_notices});
  }
  ASSIGN_OR_RETURN(const auto preferences,
                   db::Select<PreferenceRow>(tx, "WHERE account_id = ANY($1)", ids));
  std::map<Uuid, std::vector<std::string>> muted;
  for (const PreferenceRow& row : preferences) muted[row.account_id] = row.muted;

  const absl::Time now = clock_.Now();
  std::vector<MessageRow> rows;
  for (MessageRow fact : facts) {
    fact.due_at = absl::Now();
    if (known.count(fact.account_id) == 0) {
      fact.message_id = Uuid::Make(now);
      fact.error = kNotKnown;
      rows.push_back(std::move(fact));
      continue;
    }
    const Audience audience =
        AudienceOf(ToNotice(fact), contacts[fact.account_id], muted[fact.account_id]);
    Address(std::move(fact), audience, now, rows);
  }
  return db::Copy(tx, rows);
}

absl::Status NotificationApp::OnInvoicingEvents(db::Tx& tx,
                                                const std::vector<feed::Event>& events) {
  std::vector<MessageRow> facts;
  for (const feed::Event& event : events) {
    invoicing::Event message;
    if (!message.ParseFromString(event.body) || !message.has_document_posted()) continue;
    ASSIGN_OR_RETURN(MessageRow fact, FactOf(event, message));
    RETURN_IF_ERROR(ReadDocument(message.document_posted(), fact));
    facts.push_back(std::move(fact));
  }
  if (facts.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(facts, WithoutKnown(tx, std::move(facts)));
  return Enqueue(tx, facts);
}

absl::Status NotificationApp::OnPaymentsEvents(db::Tx& tx, const std::vector<feed::Event>& events) {
  std::vector<MessageRow> facts;
  for (const feed::Event& event : events) {
    payments::Event message;
    if (!message.ParseFromString(event.body)) continue;
    ASSIGN_OR_RETURN(MessageRow fact, FactOf(event, message));
    if (message.has_payment_received()) {
      // Balances brought over from another system are no payments to thank for.
      if (message.payment_received().kind() == payments::Payment::OPENING) continue;
      ReadReceipt(message.payment_received(), fact);
    } else if (message.has_payment_declined()) {
      ReadDecline(message.payment_declined(), fact);
    } else if (message.has_reminder_due()) {
      RETURN_IF_ERROR(ReadReminder(message.reminder_due(), fact));
    } else {
      continue;
    }
    facts.push_back(std::move(fact));
  }
  if (facts.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(facts, WithoutKnown(tx, std::move(facts)));
  return Enqueue(tx, facts);
}

absl::Status NotificationApp::OnRatingEvents(db::Tx& tx, const std::vector<feed::Event>& events) {
  std::vector<MessageRow> facts;
  for (const feed::Event& event : events) {
    rating::Event message;
    if (!message.ParseFromString(event.body) || !message.has_usage_threshold_reached()) continue;
    // Of several that were reached in one step the highest says all.
    if (message.usage_threshold_reached().superseded()) continue;
    ASSIGN_OR_RETURN(MessageRow fact, FactOf(event, message));
    ReadThreshold(message.usage_threshold_reached(), fact);
    facts.push_back(std::move(fact));
  }
  if (facts.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(facts, WithoutKnown(tx, std::move(facts)));
  return Enqueue(tx, facts);
}

absl::Status NotificationApp::OnAccountsEvents(db::Tx& tx, const std::vector<feed::Event>& events) {
  std::map<Uuid, accounts::Account> latest;
  std::vector<MessageRow> facts;
  for (const feed::Event& event : events) {
    accounts::Event message;
    if (!message.ParseFromString(event.body)) continue;
    if (message.has_account_changed()) {
      latest[event.account_id] = message.account_changed().account();
    } else if (message.has_price_change_announced()) {
      ASSIGN_OR_RETURN(MessageRow fact, FactOf(event, message));
      RETURN_IF_ERROR(ReadPriceChange(message.price_change_announced(), fact));
      facts.push_back(std::move(fact));
    }
  }
  std::vector<CustomerRow> customers;
  std::vector<ContactRow> contacts;
  for (const auto& [id, account] : latest) {
    customers.push_back(ToRow(id, account));
    for (const accounts::Contact& contact : account.contacts()) {
      ASSIGN_OR_RETURN(const Uuid contact_id, Uuid::Parse("con", contact.contact_id()));
      contacts.push_back({id, contact_id, contact.name(), contact.email(),
                          contact.receives_invoices(), contact.receives_notices()});
    }
  }
  RETURN_IF_ERROR(UpdateCustomers(tx, customers, contacts));
  if (facts.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(facts, WithoutKnown(tx, std::move(facts)));
  return Enqueue(tx, facts);
}

absl::Status NotificationApp::UpdateCustomers(db::Tx& tx, const std::vector<CustomerRow>& customers,
                                              const std::vector<ContactRow>& contacts) {
  if (customers.empty()) return absl::OkStatus();
  std::vector<Uuid> ids;
  for (const CustomerRow& row : customers) ids.push_back(row.account_id);
  RETURN_IF_ERROR(
      db::InsertArrays(tx, customers,
                       "ON CONFLICT (account_id) DO UPDATE SET known = true, account_number = "
                       "excluded.account_number, company_id = excluded.company_id, name = "
                       "excluded.name, language = excluded.language")
          .status());
  RETURN_IF_ERROR(tx.Exec("DELETE FROM contact WHERE account_id = ANY($1)", ids).status());
  RETURN_IF_ERROR(db::Copy(tx, contacts));
  // What came before its account gets its addressees now.
  ASSIGN_OR_RETURN(
      const db::Result waiting,
      tx.Exec("DELETE FROM message WHERE account_id = ANY($1) AND state = 1 AND recipient = '' "
              "RETURNING " +
                  db::ColumnList<MessageRow>(),
              ids));
  std::vector<MessageRow> facts = db::ReadRows<MessageRow>(waiting);
  for (MessageRow& fact : facts) fact.error.clear();
  return facts.empty() ? absl::OkStatus() : Enqueue(tx, facts);
}

}  // namespace broadbill::notification
