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

}  // namespace broadbill::notification
