#include "services/notification/domain/notice.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "services/notification/domain/builtin.h"
#include "services/notification/domain/format.h"
#include "services/notification/domain/mime.h"

namespace broadbill::notification {
namespace {

bool Contains(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

}  // namespace

Audience AudienceOf(const Notice& notice, const std::vector<Contact>& contacts,
                    const std::vector<std::string>& muted) {
  const TemplateText* const family = FamilyOf(notice.template_code);
  const bool document = family != nullptr && IsDocument(family->code);
  if (document && notice.amount == 0) return {{}, "the document's total is zero"};
  const bool unwanted = !document && (Contains(muted, notice.template_code) ||
                                      (family != nullptr && Contains(muted, family->code)));
  if (unwanted) return {{}, "the account has muted this kind of message"};
  Audience out;
  std::set<std::string> seen;
  bool unusable = false;
  for (const Contact& contact : contacts) {
    const bool wants = document ? contact.receives_invoices : contact.receives_notices;
    if (!wants || contact.email.empty()) continue;
    if (!IsMailAddress(contact.email)) {
      unusable = true;
      continue;
    }
    if (!seen.insert(absl::AsciiStrToLower(contact.email)).second) continue;
    out.to.push_back({contact.contact_id, contact.name, contact.email});
  }
  if (!out.to.empty()) return out;
  out.suppressed = unusable   ? "the contact's mail address is not usable"
                   : document ? "no contact takes invoices by mail"
                              : "no contact takes notices by mail";
  return out;
}

Values ValuesOf(const Notice& notice, const Parties& parties, const std::string& language) {
  const auto date = [&](const std::optional<CivilDay>& day) {
    return day.has_value() ? LongDate(*day, language) : std::string();
  };
  Values out = {
      {"contact_name", parties.contact_name.empty() ? parties.customer_name : parties.contact_name},
      {"customer_name", parties.customer_name},
      {"account_number", parties.account_number},
      {"company_name", parties.company_name},
      {"company_email", parties.company_email},
      {"company_phone", parties.company_phone},
      {"company_website", parties.company_website},
      {"payment_instructions", parties.payment_instructions},
      {"number", notice.number},
      {"amount", Amount(notice.amount, notice.currency, language)},
      {"date", date(notice.date)},
      {"method", notice.method},
      {"reference", notice.reference},
      {"reason", notice.reason},
      {"service", notice.service},
      {"old_price", Amount(notice.old_amount, notice.currency, language)},
      {"new_price", Amount(notice.amount, notice.currency, language)}};
  const TemplateText* const family = FamilyOf(notice.template_code);
  if (family != nullptr && family->code == kUsageThreshold) {
    out["percent"] = notice.number;
    out["used"] = notice.reference;
    out["next_period"] = date(notice.due);
    for (const auto& [name, action] :
         {std::pair{"slows_down", "throttle"}, std::pair{"stops", "block"},
          std::pair{"is_charged", "charge"}}) {
      out[name] = notice.reason == action ? notice.reason : "";
    }
    return out;
  }
  const bool declined = family != nullptr && family->code == kPaymentDeclined;
  out[declined ? "retry_date" : "due_date"] = date(notice.due);
  return out;
}

Notice SampleNotice(const std::string& template_code) {
  Notice out;
  out.template_code = template_code;
  out.number = "INV-2026-000123";
  out.currency = "USD";
  out.amount = 5447;
  out.date = CivilDay(2026, 4, 1);
  out.due = CivilDay(2026, 4, 16);
  out.method = "Visa ending 4242";
  out.reference = "INV-2026-000123";
  out.reason = "insufficient funds";
  out.service = "Fibre 500";
  const TemplateText* const family = FamilyOf(template_code);
  if (family != nullptr && family->code == kUsageThreshold) {
    out.number = "80";
    out.reference = "80.12 of 100.00 GB";
    out.reason = "throttle";
  }
  out.old_amount = 4999;
  return out;
}

Parties SampleParties() {
  Parties out;
  out.contact_name = "Åsa Lindström";
  out.customer_name = "Lindström Bakery LLC";
  out.account_number = "A-1024";
  out.company_name = "North Star Broadband";
  out.company_email = "billing@northstar.example";
  out.company_phone = "+1 612 555 0100";
  out.company_website = "https://northstar.example";
  out.payment_instructions = "Pay at https://northstar.example/pay or by cheque.";
  return out;
}

std::string DeclineReason(const std::string& code) {
  std::string out = code;
  for (char& c : out) {
    if (c == '_') c = ' ';
  }
  return out;
}

Rendered RenderMessage(const TemplateText& with, const Values& values) {
  Rendered out;
  out.subject = OneLine(Render(with.subject, values));
  out.text = Render(with.text, values);
  out.html = Render(with.html, values, Escape::kHtml);
  return out;
}

}  // namespace broadbill::notification
