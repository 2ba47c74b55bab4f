#include "services/notification/domain/mime.h"

#include <catch2/catch.hpp>

#include "absl/strings/escaping.h"
#include "services/notification/domain/template.h"

namespace broadbill::notification {
namespace {

Mail Sample() {
  Mail mail;
  mail.from_name = "North Star Broadband";
  mail.from_address = "billing@northstar.example";
  mail.to_name = "Åsa Lindström";
  mail.to_address = "asa@example.net";
  mail.subject = "Your invoice INV-2026-000123";
  mail.text = "Hello Åsa,\nyour invoice is attached.\n";
  mail.message_id = "msg_1@northstar.example";
  mail.date = absl::FromUnixSeconds(1775001600);
  return mail;
}

}  // namespace

TEST_CASE("a mail without attachment is one base64 text part") {
  const std::string mime = ToMime(Sample());
  CHECK(mime.find("To: =?UTF-8?B?") != std::string::npos);
  CHECK(mime.find("Date: Wed, 01 Apr 2026 00:00:00 +0000\r\n") != std::string::npos);
  CHECK(mime.find("Message-ID: <msg_1@northstar.example>\r\n") != std::string::npos);
  std::string text;
  REQUIRE(absl::Base64Unescape(mime.substr(mime.find("\r\n\r\n") + 4), &text));
  CHECK(text == Sample().text);
}

TEST_CASE("attachments follow the text between boundaries") {
  Mail mail = Sample();
  mail.attachments.push_back({"INV 2026/1.pdf", "application/pdf", std::string(200, '\x01')});
  const std::string mime = ToMime(mail);
  CHECK(mime.find("filename=\"INV_2026_1.pdf\"") != std::string::npos);
  CHECK(mime.find("multipart/mixed") != std::string::npos);
  CHECK(mime.substr(mime.size() - 4) == "--\r\n");
}

TEST_CASE("a header cannot smuggle another") {
  Mail mail = Sample();
  mail.subject = "Hi\r\nBcc: everyone@example.net";
  CHECK(ToMime(mail).find("\r\nBcc:") == std::string::npos);
}

TEST_CASE("HTML goes beside the text, for the reader to choose") {
  Mail mail = Sample();
  mail.html = "<p>Hello Åsa</p>";
  std::string mime = ToMime(mail);
  CHECK(mime.find("Content-Type: multipart/alternative") != std::string::npos);
  CHECK(mime.find("multipart/mixed") == std::string::npos);
  CHECK(mime.find("text/plain") < mime.find("text/html"));
  mail.attachments.push_back({"a.pdf", "application/pdf", "x"});
  mime = ToMime(mail);
  CHECK(mime.find("multipart/mixed") < mime.find("multipart/alternative"));
  CHECK(mime.find("text/html") < mime.find("application/pdf"));
}

TEST_CASE("names and addresses cannot smuggle headers either") {
  Mail mail = Sample();
  mail.from_name = "A\r\nBcc: everyone@example.net";
  mail.to_name = "B\nBcc: everyone@example.net";
  mail.to_address = "b@example.net>\r\nBcc: <everyone@example.net";
  mail.reply_to = "c@example.net\r\nBcc: everyone@example.net";
  mail.message_id = "id@example.net\r\nBcc: everyone@example.net";
  mail.attachments.push_back({"a\r\nBcc: x.pdf", "application/pdf\r\nBcc: x", "x"});
  const std::string mime = ToMime(mail);
  CHECK(mime.find("\nBcc:") == std::string::npos);
}

TEST_CASE("header lines stay within 76 characters and decode to what was meant") {
  Mail mail = Sample();
  mail.subject = "Rechnung für die Änderungsschneiderei Größenwahn & Söhne in Köln-Ehrenfeld, März";
  const std::string mime = ToMime(mail);
  std::string decoded;
  for (size_t at = mime.find("Subject: "); at < mime.find("\r\nDate:");
       at = mime.find("\r\n", at) + 2) {
    const size_t end = mime.find("\r\n", at);
    CHECK(end - at <= 76);
    const size_t from = mime.find("=?UTF-8?B?", at) + 10;
    std::string part;
    REQUIRE(absl::Base64Unescape(mime.substr(from, mime.find("?=", from) - from), &part));
    decoded += part;
  }
  CHECK(decoded == mail.subject);
  CHECK(EncodeHeader("looks =?like?= a word").rfind("=?UTF-8?B?", 0) == 0);
}

TEST_CASE("senders as people write them") {
  const auto plain = ParseMailbox("billing@isp.example");
  REQUIRE(plain.has_value());
  CHECK(plain->name.empty());
  const auto named = ParseMailbox("\"North, Star\" <billing@isp.example>");
  REQUIRE(named.has_value());
  CHECK(named->name == "North, Star");
  CHECK(named->address == "billing@isp.example");
  for (const char* bad : {"", "North Star", "<billing>", "A <a@b.co", "A <a@b.co> x"}) {
    CHECK_FALSE(ParseMailbox(bad).has_value());
  }
}

TEST_CASE("addresses") {
  for (const char* good : {"a@b.co", "first.last+tag@example.net", "x@localhost"}) {
    CHECK(IsMailAddress(good));
  }
  for (const char* bad : {"", "a", "a@", "@b.co", "a b@c.co", "a@b@c.co", "a@b", "a@b.co\r\n",
                          "<a@b.co>", "a,b@c.co"}) {
    CHECK_FALSE(IsMailAddress(bad));
  }
}

TEST_CASE("templates fill in names and refuse unknown ones when stored") {
  CHECK(Render("Hello {{ name }}, {{amount}} due {{{{x}}", {{"name", "Åsa"}, {"amount", "5.00"}}) ==
        "Hello Åsa, 5.00 due {{x}}");
  CHECK(CheckTemplate("body", "Hello {{name}}", {"name"}).ok());
  CHECK_FALSE(CheckTemplate("body", "Hello {{nmae}}", {"name"}).ok());
  CHECK_FALSE(CheckTemplate("body", "Hello {{name", {"name"}).ok());
}

TEST_CASE("sections show text that depends on a value") {
  const std::string text = "A\n{{#due}}\nDue {{due}}\n{{/due}}\n{{^due}}\nNow\n{{/due}}\nB";
  CHECK(CheckTemplate("body", text, {"due"}).ok());
  CHECK(Render(text, {{"due", "May 1"}}) == "A\nDue May 1\nB");
  CHECK(Render(text, {{"due", ""}}) == "A\nNow\nB");
  CHECK(Render("{{#a}}x{{#b}}y{{/b}}z{{/a}}", {{"a", "1"}}) == "xz");
  CHECK(Render("{{#a}}x{{#b}}y{{/b}}z{{/a}}", {{"b", "1"}}).empty());
  CHECK(Render("<{{a}}>", {{"a", "<'&\">"}}, Escape::kHtml) == "<&lt;&#39;&amp;&quot;&gt;>");
  for (const char* bad : {"{{#due}}", "{{/due}}", "{{#due}}{{#x}}{{/due}}{{/x}}", "{{#y}}{{/y}}"}) {
    CHECK_FALSE(CheckTemplate("body", bad, {"due", "x"}).ok());
  }
}

}  // namespace broadbill::notification
