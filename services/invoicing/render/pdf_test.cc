#include "services/invoicing/render/pdf.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "services/invoicing/render/epc.h"

namespace broadbill::invoicing {
namespace {

RenderInput Sample(int lines, const std::string& language = "en") {
  const Texts& texts = Texts::Of(language);
  RenderInput in;
  in.texts = &texts;
  in.title = texts.Get(Word::kInvoice);
  in.number = "INV-2026-000123";
  in.iso_date = "2026-04-01";
  const CivilDay day(2026, 4, 1);
  in.facts = {{texts.Get(Word::kAccount), "100042"},
              {texts.Get(Word::kDate), texts.LongDate(day)},
              {texts.Get(Word::kPeriod), texts.Interval({day, CivilDay(2026, 5, 1)})},
              {texts.Get(Word::kDue), texts.LongDate(day + 15)}};
  in.seller = {"North Star Broadband",
               {"400 Harbor Drive", "Duluth, MN 55802"},
               "41-1234567",
               "billing@northstar.example · +1 218 555 0100"};
  in.customer = {"Åsa Lindström", {"12 Elm Street", "Minneapolis, MN 55401"}, "", ""};
  const auto amount = [&](int64_t minor) { return texts.Number(minor, 2); };
  const std::string days = texts.Interval({CivilDay(2026, 3, 10), day});
  RenderGroup internet{"Internet · 12 Elm Street, Minneapolis", {}};
  internet.lines.push_back({"Fibre 500", days, "1", amount(7999), amount(5677), false});
  internet.lines.push_back({"Welcome discount 20 %", days, "", "", amount(-1136), true});
  for (int i = 0; i < lines; ++i) {
    internet.lines.push_back({"Fibre 500", days, "1", amount(7999), amount(7999), false});
  }
  RenderGroup voice{"Voice · +1 612 555 0142", {}};
  voice.lines.push_back({"Voice line", days, "1", amount(2495), amount(2495), false});
  voice.lines.push_back(
      {"Calls to Germany mobile", "14 calls, 52 min", "", "", amount(624), false});
  in.groups = {internet, voice};
  in.taxes = {{"Minnesota sales tax", texts.Percent("6.875"), amount(3119), amount(214)},
              {"Minneapolis local tax", texts.Percent("0.5"), amount(3119), amount(16)}};
  in.totals = {{texts.Get(Word::kSubtotal), amount(24658), false},
               {texts.Get(Word::kTaxTotal), amount(246), false}};
  in.payable = {texts.Get(Word::kAmountDue), texts.Money(24904, "USD"), true};
  in.payment = {texts.Get(Word::kTransfer, {{"iban", "DE89370400440532013000"}}),
                texts.Get(Word::kQuote, {{"number", in.number}, {"date", texts.LongDate(day)}})};
  in.payment_code = EpcPayload({"North Star", "DE89370400440532013000", "", 24904, in.number});
  in.barcode = in.number;
  return in;
}

// Shows a drawing to whoever wants to see it: BROADBILL_RENDER_SAMPLES names a folder.
void Keep(const std::string& name, const RenderInput& input) {
  const auto pdf = RenderPdf(input);
  REQUIRE(pdf.ok());
  if (const char* folder = std::getenv("BROADBILL_RENDER_SAMPLES"); folder != nullptr) {
    std::ofstream(std::string(folder) + "/" + name + ".pdf", std::ios::binary) << *pdf;
  }
}

}  // namespace

TEST_CASE("a document is a PDF, the same bytes each time") {
  const auto first = RenderPdf(Sample(1));
  const auto second = RenderPdf(Sample(1));
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  CHECK(first->substr(0, 5) == "%PDF-");
  CHECK(*first == *second);
  Keep("invoice", Sample(1));
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

TEST_CASE("every language draws; long texts, many pages, marks and pictures") {
  for (const char* language : {"de", "fr", "es", "ar", "he"}) Keep(language, Sample(2, language));
  RenderInput in = Sample(90, "de-AT");
  in.seller.name = "Stadtwerke und Breitbandgesellschaft der Verbandsgemeinde Nordfriesland mbH";
  in.customer.name = "Gesellschaft für außerordentlich lange Firmennamen und deren Verwaltung mbH";
  in.groups[0].lines[2].description =
      "Glasfaseranschluss mit einer Beschreibung, die über mehr als eine Zeile geht, weil der Plan "
      "sehr viele Bestandteile hat, die alle genannt werden müssen";
  in.title = Texts::Of("de").Get(Word::kProForma);
  in.mark = Texts::Of("de").Get(Word::kProFormaMark);
  in.number.clear();
  in.statement = {{"Bisheriger Saldo", "100,00", false}, {"Neuer Saldo", "349,04", true}};
  in.tax_notes = {"Steuerschuldnerschaft des Leistungsempfängers: 49,99"};
  Keep("long", in);
  in = Sample(3, "ar");
  in.mark = Texts::Of("ar").Get(Word::kProFormaMark);
  in.customer = {"شركة النور للاتصالات", {"شارع الملك فهد 12", "الرياض 11564"}, "", ""};
  in.logo_png = "\x89PNG broken";
  Keep("arabic", in);
}

TEST_CASE("Code 128 in modules") {
  // Start, every character (digits in pairs) and the check are 11 modules wide, the stop 13.
  CHECK(Code128("A").size() == 11 * 3 + 13);
  CHECK(Code128("INV-2026-000123").size() % 11 == 2);
  CHECK(Code128("A").front());
  CHECK(Code128("A").back());
  CHECK(Code128("").empty());
}

TEST_CASE("the payment code of EPC069-12") {
  CHECK(EpcPayload({"Nordlicht GmbH", "DE89 3704 0044 0532 0130 00", "COBADEFFXXX", 12345,
                    "INV-2026-000001"}) ==
        "BCD\n002\n1\nSCT\nCOBADEFFXXX\nNordlicht GmbH\nDE89370400440532013000\nEUR123.45\n\n\n"
        "INV-2026-000001");
  CHECK(EpcPayload({"N", "DE89370400440532013001", "", 1, ""}).empty());  // check digits
  CHECK(EpcPayload({"N", "DE89370400440532013000", "", 0, ""}).empty());
  CHECK(EpcPayload({"N", "", "", 100, ""}).empty());
  const std::string long_name(200, 'x');
  CHECK(EpcPayload({long_name, "DE89370400440532013000", "", 100, long_name}).size() < 331);
  CHECK(IsIban("CH9300762011623852957"));
  CHECK_FALSE(IsIban("CH9300762011623852958"));
}

TEST_CASE("dates, numbers and money by language") {
  const CivilDay day(2026, 4, 1);
  const DateInterval days{CivilDay(2026, 3, 10), day};
  struct Case {
    const char *language, *date, *interval, *number, *money;
  };
  for (const Case& one : {
           Case{"en", "April 1, 2026", "Mar 10 – Mar 31, 2026", "-1,249.04", "$1,249.04"},
           Case{"de-AT", "1. April 2026", "10.03.2026 – 31.03.2026", "-1.249,04",
                "1.249,04\u00a0$"},
           Case{"fr", "1er avril 2026", "10/03/2026 – 31/03/2026", "-1\u00a0249,04",
                "1\u00a0249,04\u00a0$"},
           Case{"es", "1 de abril de 2026", "10/03/2026 – 31/03/2026", "-1.249,04",
                "1.249,04\u00a0$"},
           Case{"ar", "1 أبريل 2026", "\u200f10/03/2026 – 31/03/2026", "-1,249.04",
                "1,249.04\u00a0$"},
           Case{"xx", "April 1, 2026", "Mar 10 – Mar 31, 2026", "-1,249.04", "$1,249.04"},
       }) {
    const Texts& texts = Texts::Of(one.language);
    CHECK(texts.LongDate(day) == one.date);
    CHECK(texts.Interval(days) == one.interval);
    CHECK(texts.Number(-124904, 2) == one.number);
    CHECK(texts.Money(124904, "USD") == one.money);
  }
  CHECK(Texts::Of("en").Money(124904, "JPY") == "¥124,904");
  CHECK(Texts::Of("en").Money(124904, "BHD") == "124.904\u00a0BHD");
  CHECK(Texts::Of("de").Money(-5, "EUR") == "-0,05\u00a0€");
  CHECK(Texts::Of("de").Percent("8.1") == "8,1\u00a0%");
}

TEST_CASE("every language has every text, with the same places") {
  const Texts& english = Texts::Of("en");
  for (const char* language : {"de", "fr", "es", "ar", "he"}) {
    const Texts& texts = Texts::Of(language);
    REQUIRE(texts.language() == language);
    for (size_t i = 0; i < static_cast<size_t>(Word::kCount); ++i) {
      const auto word = static_cast<Word>(i);
      INFO(language << " " << english.Get(word));
      CHECK_FALSE(texts.Get(word).empty());
      for (const char* place : {"{number}", "{date}", "{iban}", "{page}", "{pages}", "{text}"}) {
        CHECK((texts.Get(word).find(place) == std::string::npos) ==
              (english.Get(word).find(place) == std::string::npos));
      }
    }
  }
}

}  // namespace broadbill::invoicing
