#include "services/notification/domain/notice.h"

#include <catch2/catch.hpp>

#include "absl/strings/match.h"
#include "services/notification/domain/builtin.h"
#include "services/notification/domain/format.h"

namespace broadbill::notification {
namespace {

const Uuid kOne = Uuid::Make(absl::FromUnixSeconds(1));
const Uuid kTwo = Uuid::Make(absl::FromUnixSeconds(2));

Notice Of(const char* code, int64_t amount = 5447) {
  Notice out = SampleNotice(code);
  out.amount = amount;
  return out;
}

}  // namespace

TEST_CASE("who is told") {
  const std::vector<Contact> contacts = {{kOne, "Ann", "ann@x.example", true, false},
                                         {kTwo, "Bo", "bo@x.example", false, true}};
  const auto names = [](const Audience& audience) {
    std::string out = audience.suppressed;
    for (const Addressee& to : audience.to) out += to.name + " ";
    return out;
  };
  CHECK(names(AudienceOf(Of(kInvoice), contacts, {})) == "Ann ");
  CHECK(names(AudienceOf(Of(kCreditNote), contacts, {})) == "Ann ");
  CHECK(names(AudienceOf(Of(kReceipt), contacts, {})) == "Bo ");
  CHECK(names(AudienceOf(Of(kInvoice, 0), contacts, {})) == "the document's total is zero");
  CHECK(names(AudienceOf(Of(kReminder), contacts, {"reminder"})) ==
        "the account has muted this kind of message");
  CHECK(names(AudienceOf(Of("reminder_2"), contacts, {"reminder"})) ==
        "the account has muted this kind of message");
  CHECK(names(AudienceOf(Of("reminder_2"), contacts, {"reminder_3", "receipt"})) == "Bo ");
  CHECK(names(AudienceOf(Of(kInvoice), contacts, {"invoice"})) == "Ann ");
  CHECK(names(AudienceOf(Of(kInvoice), {contacts[1]}, {})) == "no contact takes invoices by mail");
  CHECK(names(AudienceOf(Of(kReceipt), {}, {})) == "no contact takes notices by mail");
  CHECK(names(AudienceOf(Of(kReceipt), {{kOne, "Ann", "ann at x", true, true}}, {})) ==
        "the contact's mail address is not usable");
  CHECK(names(AudienceOf(Of(kInvoice), {contacts[0], {kTwo, "Ann 2", "ANN@X.example", true, true}},
                         {})) == "Ann ");
}

TEST_CASE("the words of a price change") {
  const auto rendered =
      RenderMessage(*FamilyOf(kPriceChange), ValuesOf(Of(kPriceChange), SampleParties(), "en"));
  CHECK(rendered.subject == "A new price for Fibre 500 from April 1, 2026");
  CHECK(absl::StrContains(rendered.text, "Until then: $49.99\nFrom then:  $54.47\n"));
}

TEST_CASE("the words of a threshold say what happens when all is used") {
  Notice notice = Of(kUsageThreshold);
  const auto text = [&] {
    return RenderMessage(*FamilyOf(kUsageThreshold), ValuesOf(notice, SampleParties(), "en")).text;
  };
  CHECK(
      RenderMessage(*FamilyOf(kUsageThreshold), ValuesOf(notice, SampleParties(), "en")).subject ==
      "80 % of Fibre 500 used");
  CHECK(absl::StrContains(text(), "You have used 80 % of what Fibre 500 on your account"));
  CHECK(absl::StrContains(text(), "Used: 80.12 of 100.00 GB\nNew units from April 16, 2026\n"));
  CHECK(absl::StrContains(text(), "slowed down until then"));
  notice.reason = "block";
  CHECK(absl::StrContains(text(), "the service stops until then"));
  notice.reason = "charge";
  CHECK(absl::StrContains(text(), "is charged on your next invoice"));
  notice.reason = "nothing";
  CHECK_FALSE(absl::StrContains(text(), "then."));
  CHECK_FALSE(absl::StrContains(text(), "charged"));
}

TEST_CASE("dates and amounts in the language of the message") {
  const CivilDay day(2026, 3, 1);
  CHECK(LongDate(day, "") == "March 1, 2026");
  CHECK(LongDate(day, "en-US") == "March 1, 2026");
  CHECK(LongDate(day, "en-GB") == "1 March 2026");
  CHECK(LongDate(day, "de") == "1. März 2026");
  CHECK(LongDate(day, "fr-CA") == "1 mars 2026");
  CHECK(LongDate(day, "es") == "1 de marzo de 2026");
  CHECK(LongDate(day, "ja") == "2026-03-01");
  CHECK(Amount(124904, "USD", "en") == "$1,249.04");
  CHECK(Amount(124904, "EUR", "de-AT") == "1.249,04\u00a0€");
  CHECK(Amount(-124904, "EUR", "de") == "-1.249,04\u00a0€");
  CHECK(Amount(124904, "EUR", "nl") == "€\u00a01.249,04");
  CHECK(Amount(124904, "CHF", "fr") == "1\u202f249,04\u00a0CHF");
  CHECK(Amount(124904, "JPY", "de") == "124.904\u00a0JPY");
}

TEST_CASE("every built-in template is valid and says what it must") {
  for (const TemplateText& one : BuiltInTemplates()) {
    INFO(one.code);
    CHECK(CheckTemplate("subject", one.subject, Placeholders(one.code)).ok());
    CHECK(CheckTemplate("text", one.text, Placeholders(one.code)).ok());
    const Rendered out =
        RenderMessage(one, ValuesOf(SampleNotice(one.code), SampleParties(), "en"));
    CHECK(absl::StrContains(out.text, "Hello Åsa Lindström,"));
    const bool of_usage = one.code == kUsageThreshold;
    CHECK(absl::StrContains(out.text, of_usage ? "80.12 of 100.00 GB" : "$54.47"));
    CHECK(absl::StrContains(out.text, "A-1024"));
    CHECK_FALSE(absl::StrContains(out.text, "{{"));
    CHECK_FALSE(absl::StrContains(out.text, "\n\n\n"));
    CHECK(absl::StrContains(out.subject + out.text, "North Star Broadband"));
  }
}

TEST_CASE("a declined payment says what comes next") {
  const TemplateText* text = FamilyOf(kPaymentDeclined);
  Notice notice = SampleNotice(kPaymentDeclined);
  notice.reason = DeclineReason("insufficient_funds");
  std::string out = RenderMessage(*text, ValuesOf(notice, SampleParties(), "en")).text;
  CHECK(absl::StrContains(out, "from Visa ending 4242.\nThe answer was: insufficient funds.\n"));
  CHECK(absl::StrContains(out, "We will try again on April 16, 2026."));
  CHECK_FALSE(absl::StrContains(out, "We will not try again"));
  notice.due = std::nullopt;
  notice.method.clear();
  out = RenderMessage(*text, ValuesOf(notice, SampleParties(), "en")).text;
  CHECK(absl::StrContains(out, "for account A-1024.\n"));
  CHECK(absl::StrContains(out, "We will not try again by ourselves"));
}

TEST_CASE("families of template codes") {
  CHECK(FamilyOf("reminder_2")->code == "reminder");
  CHECK(FamilyOf("payment_declined")->code == "payment_declined");
  for (const char* none : {"", "reminders", "Reminder", "birthday", "reminder-2", "_"}) {
    CHECK(FamilyOf(none) == nullptr);
  }
}

TEST_CASE("the template that holds") {
  const auto own = [](const char* code, const char* language, const char* company) {
    return TemplateText{code, language, company, std::string(language) + "/" + company,
                        "x",  "",       false};
  };
  const std::vector<TemplateText> all = {own("invoice", "", ""), own("invoice", "de", ""),
                                         own("invoice", "de-AT", ""), own("invoice", "", "co_1"),
                                         own("reminder", "de", "")};
  const auto subject = [&](const char* code, const char* language, const char* company) {
    const auto found = ChooseTemplate(all, code, language, company);
    return !found ? "none" : found->built_in ? "built-in" : found->subject;
  };
  CHECK(subject("invoice", "de-AT", "") == "de-AT/");
  CHECK(subject("invoice", "DE-at", "co_2") == "de-AT/");
  CHECK(subject("invoice", "de-CH", "") == "de/");
  CHECK(subject("invoice", "fr", "") == "/");
  CHECK(subject("invoice", "de", "co_1") == "/co_1");
  CHECK(subject("reminder_2", "de", "") == "de/");
  CHECK(subject("reminder_2", "fr", "") == "built-in");
  CHECK(subject("receipt", "de", "co_1") == "built-in");
  CHECK(subject("birthday", "de", "") == "none");
}

}  // namespace broadbill::notification
