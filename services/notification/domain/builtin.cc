#include "services/notification/domain/builtin.h"

#include <algorithm>
#include <map>

namespace broadbill::notification {
namespace {

constexpr char kGreeting[] = "Hello {{contact_name}},\n\n";
constexpr char kSignature[] =
    "\nKind regards\n"
    "{{company_name}}\n"
    "{{#company_email}}\n{{company_email}}\n{{/company_email}}\n"
    "{{#company_phone}}\n{{company_phone}}\n{{/company_phone}}\n"
    "{{#company_website}}\n{{company_website}}\n{{/company_website}}\n";

constexpr char kInvoiceText[] =
    "Your invoice {{number}} of {{date}} for account {{account_number}} is attached.\n"
    "\n"
    "Total: {{amount}}\n"
    "{{#due_date}}\nDue:   {{due_date}}\n{{/due_date}}\n"
    "\n"
    "When you pay, please quote {{reference}}. If we collect from your card or bank account, you "
    "need not do anything.\n"
    "{{#payment_instructions}}\n\n{{payment_instructions}}\n{{/payment_instructions}}\n";

constexpr char kCreditNoteText[] =
    "Your credit note {{number}} of {{date}} for account {{account_number}} is attached.\n"
    "\n"
    "Credited: {{amount}}\n"
    "\n"
    "The amount pays what is open on your account; you need not do anything.\n";

constexpr char kReceiptText[] =
    "Thank you: we have received {{amount}} on {{date}} for account {{account_number}}.\n"
    "{{#method}}\n\nPaid with: {{method}}\n{{/method}}\n"
    "{{#reference}}\n\nReference: {{reference}}\n{{/reference}}\n";

constexpr char kPaymentDeclinedText[] =
    "On {{date}} we could not collect {{amount}} for account {{account_number}}"
    "{{#method}} from {{method}}{{/method}}.\n"
    "{{#reason}}\nThe answer was: {{reason}}.\n{{/reason}}\n"
    "\n"
    "{{#retry_date}}\n"
    "We will try again on {{retry_date}}. If your details have changed, please tell us before.\n"
    "{{/retry_date}}\n"
    "{{^retry_date}}\n"
    "We will not try again by ourselves: please pay in another way, or give us new details.\n"
    "{{/retry_date}}\n"
    "{{#payment_instructions}}\n\n{{payment_instructions}}\n{{/payment_instructions}}\n";

constexpr char kReminderText[] =
    "Your account {{account_number}} is past due.\n"
    "\n"
    "Open:     {{amount}}\n"
    "Due:      {{due_date}}\n"
    "Invoices: {{number}}\n"
    "\n"
    "Please pay now. If your payment is on its way, please take this mail as settled.\n"
    "{{#payment_instructions}}\n\n{{payment_instructions}}\n{{/payment_instructions}}\n";

constexpr char kPriceChangeText[] =
    "From {{date}} the price of {{service}} on your account {{account_number}} changes.\n"
    "\n"
    "Until then: {{old_price}}\n"
    "From then:  {{new_price}}\n"
    "\n"
    "Both are for one billing period, before taxes. You need not do anything.\n";

constexpr char kUsageThresholdText[] =
    "You have used {{percent}} % of what {{service}} on your account {{account_number}} includes.\n"
    "\n"
    "Used: {{used}}\n"
    "New units from {{next_period}}\n"
    "\n"
    "{{#slows_down}}\n"
    "When all of it is used, the service is slowed down until then.\n"
    "{{/slows_down}}\n"
    "{{#stops}}\nWhen all of it is used, the service stops until then.\n{{/stops}}\n"
    "{{#is_charged}}\nWhat you use beyond it is charged on your next invoice.\n{{/is_charged}}\n";

TemplateText Make(const char* code, const char* subject, const char* text) {
  TemplateText out;
  out.code = code;
  out.subject = subject;
  out.text = std::string(kGreeting) + text + kSignature;
  out.built_in = true;
  return out;
}

bool IsLowerSnake(const std::string& code) {
  return !code.empty() && code.size() <= 60 && std::all_of(code.begin(), code.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace

const std::vector<TemplateText>& BuiltInTemplates() {
  static const auto* const all = new std::vector<TemplateText>{
      Make(kCreditNote, "Credit note {{number}} from {{company_name}}", kCreditNoteText),
      Make(kInvoice, "Invoice {{number}} from {{company_name}}", kInvoiceText),
      Make(kPaymentDeclined, "Your payment to {{company_name}} was declined", kPaymentDeclinedText),
      Make(kPriceChange, "A new price for {{service}} from {{date}}", kPriceChangeText),
      Make(kReceipt, "Receipt from {{company_name}}", kReceiptText),
      Make(kReminder, "Payment reminder from {{company_name}}", kReminderText),
      Make(kUsageThreshold, "{{percent}} % of {{service}} used", kUsageThresholdText)};
  return *all;
}

const TemplateText* FamilyOf(const std::string& code) {
  if (!IsLowerSnake(code)) return nullptr;
  for (const TemplateText& one : BuiltInTemplates()) {
    if (code == one.code || code.rfind(one.code + "_", 0) == 0) return &one;
  }
  return nullptr;
}

const std::set<std::string>& Placeholders(const std::string& family) {
  static const std::set<std::string> kCommon = {
      "contact_name",  "customer_name", "account_number",  "company_name",
      "company_email", "company_phone", "company_website", "payment_instructions"};
  static const auto with = [](std::set<std::string> own) {
    own.insert(kCommon.begin(), kCommon.end());
    return own;
  };
  static const auto* const all = new std::map<std::string, std::set<std::string>>{
      {kInvoice, with({"number", "amount", "date", "due_date", "reference"})},
      {kCreditNote, with({"number", "amount", "date"})},
      {kPriceChange, with({"service", "old_price", "new_price", "date"})},
      {kReceipt, with({"amount", "date", "method", "reference"})},
      {kPaymentDeclined, with({"amount", "date", "method", "reason", "retry_date"})},
      {kReminder, with({"amount", "date", "due_date", "number"})},
      {kUsageThreshold,
       with({"percent", "service", "used", "next_period", "slows_down", "stops", "is_charged"})}};
  static const std::set<std::string> kNone;
  const auto found = all->find(family);
  return found == all->end() ? kNone : found->second;
}

bool IsDocument(const std::string& family) { return family == kInvoice || family == kCreditNote; }

}  // namespace broadbill::notification
