#include "services/notification/app/composer.h"

#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::notification {

Notice ToNotice(const MessageRow& row) {
  Notice out;
  out.template_code = row.template_code;
  out.number = row.number;
  out.currency = row.currency;
  out.amount = row.amount;
  out.date = row.day;
  out.due = row.due;
  out.method = row.method;
  out.reference = row.reference;
  out.reason = row.reason;
  out.service = row.service;
  out.old_amount = row.old_amount;
  return out;
}

TemplateText ToText(const TemplateRow& row) {
  return {row.code, row.language, row.company_id, row.subject, row.text_body, row.html_body, false};
}

absl::StatusOr<Composer> Composer::Load(db::Pool& pool, Peers& peers,
                                        const std::vector<MessageRow>& rows) {
  std::vector<Uuid> accounts;
  for (const MessageRow& row : rows) accounts.push_back(row.account_id);
  Composer out(peers);
  ASSIGN_OR_RETURN(db::Tx tx, pool.Begin());
  ASSIGN_OR_RETURN(const auto customers,
                   db::Select<CustomerRow>(tx, "WHERE account_id = ANY($1)", accounts));
  for (const CustomerRow& row : customers) out.customers_[row.account_id] = row;
  ASSIGN_OR_RETURN(const auto templates, db::Select<TemplateRow>(tx, ""));
  for (const TemplateRow& row : templates) out.templates_.push_back(ToText(row));
  return out;
}

absl::StatusOr<Composed> Composer::Compose(const MessageRow& row) const {
  const auto customer = customers_.find(row.account_id);
  if (customer == customers_.end() || !customer->second.known) {
    return FailedPreconditionError("ACCOUNT_NOT_FOUND", "the account is not known yet");
  }
  Composed out;
  ASSIGN_OR_RETURN(out.seller, peers_->GetSeller(customer->second.company_id));
  const std::string& language = customer->second.language;
  const auto with = ChooseTemplate(templates_, row.template_code, language,
                                   customer->second.company_id.ToText("co"));
  if (!with.has_value()) {
    return NotFoundError("TEMPLATE_NOT_FOUND", "there is no template " + row.template_code);
  }
  Parties parties;
  parties.contact_name = row.recipient_name;
  parties.customer_name = customer->second.name;
  parties.account_number = customer->second.account_number;
  parties.company_name = out.seller.name;
  parties.company_email = out.seller.email;
  parties.company_phone = out.seller.phone;
  parties.company_website = out.seller.website;
  parties.payment_instructions = out.seller.payment_instructions;
  // Dates and amounts are written in the language of the words around them: the built-in ones are
  // English, own ones without a language are taken to be in the customer's.
  const bool english = language.rfind("en", 0) == 0;
  const std::string words = with->built_in && !english ? "en" : language;
  out.words = RenderMessage(*with, ValuesOf(ToNotice(row), parties, words));
  return out;
}

}  // namespace broadbill::notification
