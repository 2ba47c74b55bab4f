#include "services/invoicing/render/pdf.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

namespace broadbill::invoicing {
namespace {

RenderInput Sample(int lines) {
  RenderInput in;
  in.title = "Invoice";
  in.number = "INV-2026-000123";
  in.issue_date = "April 1, 2026";
  in.iso_date = "2026-04-01";
  in.due_date = "April 16, 2026";
  in.period = "Apr 1 – Apr 30, 2026";
  in.account_number = "100042";
  in.seller = {"North Star Broadband",
               {"400 Harbor Drive", "Duluth, MN 55802"},
               "41-1234567",
               "billing@northstar.example · +1 218 555 0100"};
  in.customer = {"Åsa Lindström", {"12 Elm Street", "Minneapolis, MN 55401"}, "", ""};
  RenderGroup internet{"Internet · 12 Elm Street, Minneapolis", {}, ""};
  internet.lines.push_back(
      {"Fibre 500", "Mar 10 – Mar 31, 2026 · 22 of 31 days", "1", "79.99", "56.77", false});
  internet.lines.push_back(
      {"Welcome discount 20 %", "Mar 10 – Mar 31, 2026", "", "", "-11.36", true});
  for (int i = 0; i < lines; ++i) {
    internet.lines.push_back({"Fibre 500", "April 2026", "1", "79.99", "79.99", false});
  }
  RenderGroup voice{"Voice · +1 612 555 0142", {}, ""};
  voice.lines.push_back({"Voice line", "April 2026", "1", "24.95", "24.95", false});
  voice.lines.push_back(
      {"Calls to Germany mobile", "March 2026 · 14 calls, 52 min", "", "", "6.24", false});
  voice.lines.push_back({"Data overage", "March 2026 · 112 GB of 100 GB, 2 blocks of 10 GB", "2",
                         "5.00", "10.00", false});
  in.groups = {internet, voice};
  in.taxes = {{"Minnesota sales tax", "6.875 %", "31.19", "2.14"},
              {"Hennepin County transit", "0.5 %", "31.19", "0.16"},
              {"Minneapolis local tax", "0.5 %", "31.19", "0.16"}};
  in.totals = {
      {"Subtotal", "246.58", false}, {"Taxes and fees", "2.46", false}, {"Total", "249.04", true}};
  in.payable = {"Amount due", "$249.04", true};
  in.payment = {"Your card ending 4242 will be charged on April 16, 2026. You need to do nothing.",
                "By transfer: quote the reference INV-2026-000123."};
  in.payment_code = "BROADBILL:INV-2026-000123:249.04:USD";
  in.note = "Thank you for being with North Star Broadband since 2019.";
  return in;
}

}  // namespace

TEST_CASE("a document is a PDF, the same bytes each time") {
  const auto first = RenderPdf(Sample(1));
  const auto second = RenderPdf(Sample(1));
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  CHECK(first->substr(0, 5) == "%PDF-");
  CHECK(*first == *second);
  if (const char* path = std::getenv("BROADBILL_RENDER_SAMPLE"); path != nullptr) {
    std::ofstream(path, std::ios::binary) << *first;
  }
}

TEST_CASE("many lines flow over pages, none for nothing") {
  const auto one = RenderPdf(Sample(1));
  const auto many = RenderPdf(Sample(120));
  REQUIRE(one.ok());
  REQUIRE(many.ok());
  CHECK(many->size() > one->size());
}

TEST_CASE("empty parts are left out and odd characters do not break it") {
  RenderInput in;
  in.title = "Credit note";
  in.customer.name = "<b>&\"'\xf0\x9f\x98\x80";
  in.payable = {"Credit", "21.29", true};
  CHECK(RenderPdf(in).ok());
}

}  // namespace broadbill::invoicing
