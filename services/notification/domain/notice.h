#pragma once

// What is to be told, to whom, and in which words: pure functions.

#include <optional>
#include <string>
#include <vector>

#include "libs/calendar/date.h"
#include "libs/ids/uuid.h"
#include "services/notification/domain/template.h"

namespace broadbill::notification {

// A fact that the customer is told about.
struct Notice {
  std::string template_code;  // of a known family
  std::string number;         // of the document; for reminders all, "INV-1, INV-2"
  std::string currency;
  int64_t amount = 0;            // minor units; what is credited is positive
  std::optional<CivilDay> date;  // of the document, payment, attempt or reminder
  std::optional<CivilDay> due;   // due date; for declined payments the next attempt
  std::string method;            // "Visa ending 4242"
  std::string reference;         // what the customer states or stated when paying
  std::string reason;            // why a payment was declined, for people
  std::string service;           // whose price changes; the new price is `amount`. Whose usage
                                 // reached `number` percent: `reference` "80.00 of 100.00 GB",
                                 // `reason` the cap's action, `due` the next period's first day
  int64_t old_amount = 0;        // its price until then
};

struct Contact {
  Uuid contact_id;
  std::string name;
  std::string email;
  bool receives_invoices = false;
  bool receives_notices = false;
};

struct Addressee {
  Uuid contact_id;
  std::string name;
  std::string email;
};

// Either somebody to tell, or why nobody is told.
struct Audience {
  std::vector<Addressee> to;
  std::string suppressed;
};

// Contacts that take this kind of message and have a usable address, each address once. Nobody for
// a document over nothing, or when the customer does not want it (`muted`: codes or families).
Audience AudienceOf(const Notice& notice, const std::vector<Contact>& contacts,
                    const std::vector<std::string>& muted);

// The people in a message.
struct Parties {
  std::string contact_name;  // may be empty: the customer's name
  std::string customer_name;
  std::string account_number;
  std::string company_name;
  std::string company_email;
  std::string company_phone;
  std::string company_website;
  std::string payment_instructions;
};

// The values of a message's placeholders, written in `language`.
Values ValuesOf(const Notice& notice, const Parties& parties, const std::string& language);

// A made-up fact, for previews.
Notice SampleNotice(const std::string& template_code);
Parties SampleParties();

// The words of a decline code of the payment networks: "insufficient_funds" → "insufficient funds".
std::string DeclineReason(const std::string& code);

struct Rendered {
  std::string subject;  // one line
  std::string text;
  std::string html;  // "" = plain text only
};
Rendered RenderMessage(const TemplateText& with, const Values& values);

}  // namespace broadbill::notification
