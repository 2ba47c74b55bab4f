// Electronic invoices through the real services; see README.md.

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <thread>

#include "broadbill/invoicing/v1/document.pb.h"
#include "libs/db/pool.h"
#include "libs/money/fraction.h"
#include "libs/money/money.h"
#include "tests/scenarios/runner/runner.h"
#include "tests/scenarios/runner/selling.h"
#include "tests/scenarios/runner/world.h"

namespace broadbill {
namespace {

namespace fs = std::filesystem;
namespace pb = broadbill::invoicing::v1;

struct Rendered {
  pb::Document document;
  std::string ubl, pdf;
};

int64_t Minor(const google::type::Money& money) {
  if (money.currency_code().empty()) return 0;
  return FromUnitsNanos(money.units(), money.nanos(), *CurrencyExponent(money.currency_code()))
      .value();
}

// An XML file that can be asked.
class Xml {
 public:
  explicit Xml(const std::string& text)
      : doc_(xmlReadMemory(text.data(), static_cast<int>(text.size()), nullptr, "UTF-8",
                           XML_PARSE_NONET | XML_PARSE_NOERROR)) {
    REQUIRE(doc_ != nullptr);
    context_ = xmlXPathNewContext(doc_);
    const std::string ns = "urn:oasis:names:specification:ubl:schema:xsd:";
    Register("cac", ns + "CommonAggregateComponents-2");
    Register("cbc", ns + "CommonBasicComponents-2");
    Register("svrl", "http://purl.oclc.org/dsdl/svrl");
  }
  ~Xml() {
    xmlXPathFreeContext(context_);
    xmlFreeDoc(doc_);
  }
  Xml(const Xml&) = delete;
  Xml& operator=(const Xml&) = delete;

  std::vector<std::string> All(const std::string& path, xmlNode* from = nullptr) const {
    std::vector<std::string> out;
    for (xmlNode* node : Nodes(path, from)) {
      xmlChar* text = xmlNodeGetContent(node);
      out.emplace_back(reinterpret_cast<char*>(text));
      xmlFree(text);
    }
    return out;
  }
  std::string One(const std::string& path, xmlNode* from = nullptr) const {
    const auto all = All(path, from);
    return all.empty() ? "" : all.front();
  }
  std::vector<xmlNode*> Nodes(const std::string& path, xmlNode* from = nullptr) const {
    context_->node = from == nullptr ? xmlDocGetRootElement(doc_) : from;
    xmlXPathObject* found =
        xmlXPathEvalExpression(reinterpret_cast<const xmlChar*>(path.c_str()), context_);
    REQUIRE(found != nullptr);
    std::vector<xmlNode*> out;
    const int count = found->nodesetval == nullptr ? 0 : found->nodesetval->nodeNr;
    for (int i = 0; i < count; ++i) out.push_back(found->nodesetval->nodeTab[i]);
    xmlXPathFreeObject(found);
    return out;
  }

 private:
  void Register(const char* prefix, const std::string& uri) {
    xmlXPathRegisterNs(context_, reinterpret_cast<const xmlChar*>(prefix),
                       reinterpret_cast<const xmlChar*>(uri.c_str()));
  }
  xmlDoc* doc_;
  xmlXPathContext* context_ = nullptr;
};

// The documents that the scenario posted, rendered.
const std::vector<Rendered>& Documents() {
  static const std::vector<Rendered> documents = [] {
    std::ifstream in(std::string(BROADBILL_SOURCE_DIR) + "/tests/ubl/invoices.scenario");
    std::stringstream text;
    text << in.rdbuf();
    std::vector<Rendered> out;
    const int failures =
        scenarios::RunScenario("invoices.scenario", text.str(), [&](scenarios::World& world) {
          pb::ListDocumentsRequest list;
          list.add_states(pb::Document::POSTED);
          list.set_page_size(1000);
          const auto page = world.Call<pb::ListDocumentsResponse>(
              "broadbill.invoicing.v1.Invoicing/ListDocuments", list);
          REQUIRE(page.ok());
          for (const pb::Document& document : page->documents()) {
            INFO(document.number());
            const auto ubl = scenarios::RenderedText(world, document.document_id(),
                                                     pb::RenderDocumentRequest::UBL);
            if (!ubl.ok()) FAIL(document.number() << ": " << std::string(ubl.status().message()));
            const auto pdf = scenarios::RenderedText(world, document.document_id(),
                                                     pb::RenderDocumentRequest::PDF);
            REQUIRE(pdf.ok());
            out.push_back({document, *ubl, *pdf});
          }
        });
    CHECK(failures == 0);
    return out;
  }();
  return documents;
}

// Amounts of an XML file in minor units.
class Sums {
 public:
  Sums(const Xml& xml, int exponent) : xml_(xml), exponent_(exponent) {}

  int64_t One(const std::string& path, xmlNode* from = nullptr) const {
    const std::string text = xml_.One(path, from);
    return text.empty() ? 0 : ParseMinor(text, exponent_).value();
  }
  int64_t Sum(const std::string& path) const {
    int64_t sum = 0;
    for (const std::string& text : xml_.All(path)) sum += ParseMinor(text, exponent_).value();
    return sum;
  }

 private:
  const Xml& xml_;
  const int exponent_;
};

// A folder with the official rules, "" without.
std::string RulesFolder() {
  const char* given = std::getenv("BROADBILL_EN16931");
  const std::string shared = testing::SharedFolder();
  const std::string path = given != nullptr ? given : shared + "/data/en16931";
  return fs::exists(path + "/EN16931-UBL-validation.xslt") ? path : "";
}

std::pair<int, std::string> Run(const std::string& command) {
  std::string out;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer;
  for (size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    out.append(buffer.data(), n);
  }
  return {pclose(pipe), out};
}

// A temporary folder with every document as <number>.xml.
class Folder {
 public:
  Folder() {
    path_ = fs::temp_directory_path() / "broadbill-ubl-XXXXXX";
    REQUIRE(mkdtemp(path_.data()) != nullptr);
    fs::create_directory(path_ + "/in");
    fs::create_directory(path_ + "/out");
    for (const Rendered& one : Documents()) {
      std::ofstream(path_ + "/in/" + one.document.number() + ".xml", std::ios::binary) << one.ubl;
    }
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("the sums of the XML hold exactly and are those of document and PDF") {
  REQUIRE(Documents().size() >= 20);
  int exact = 0;
  for (const Rendered& one : Documents()) {
    INFO(one.document.number() << "\n" << one.ubl);
    const Xml xml(one.ubl);
    const int exponent = *CurrencyExponent(one.document.currency_code());
    const Sums sums(xml, exponent);
    const std::string total = "cac:LegalMonetaryTotal/cbc:";
    const bool credit = one.document.kind() == pb::Document::CREDIT_NOTE;
    const std::string lines = credit ? "cac:CreditNoteLine/" : "cac:InvoiceLine/";
    const int64_t line_total = sums.One(total + "LineExtensionAmount");
    CHECK(line_total == sums.Sum(lines + "cbc:LineExtensionAmount"));  // BR-CO-10
    const std::string all = "cac:AllowanceCharge[cbc:ChargeIndicator='";
    CHECK(sums.One(total + "AllowanceTotalAmount") == sums.Sum(all + "false']/cbc:Amount"));
    CHECK(sums.One(total + "ChargeTotalAmount") == sums.Sum(all + "true']/cbc:Amount"));
    const int64_t exclusive = sums.One(total + "TaxExclusiveAmount");
    CHECK(exclusive == line_total - sums.One(total + "AllowanceTotalAmount") +
                           sums.One(total + "ChargeTotalAmount"));  // BR-CO-13
    const int64_t tax = sums.One("cac:TaxTotal/cbc:TaxAmount");
    CHECK(tax == sums.Sum("cac:TaxTotal/cac:TaxSubtotal/cbc:TaxAmount"));  // BR-CO-14
    const int64_t inclusive = sums.One(total + "TaxInclusiveAmount");
    CHECK(inclusive == exclusive + tax);  // BR-CO-15
    const int64_t payable = sums.One(total + "PayableAmount");
    CHECK(payable == inclusive - sums.One(total + "PrepaidAmount") +
                         sums.One(total + "PayableRoundingAmount"));  // BR-CO-16
    const auto given_back =
        std::count_if(one.document.lines().begin(), one.document.lines().end(),
                      [](const pb::Line& line) { return !line.corrects_line_id().empty(); });
    exact += given_back == 0 ? 1 : 0;
    int64_t taxable = 0;
    for (xmlNode* subtotal : xml.Nodes("cac:TaxTotal/cac:TaxSubtotal")) {
      const int64_t base = sums.One("cbc:TaxableAmount", subtotal);
      taxable += base;
      const std::string percent = xml.One("cac:TaxCategory/cbc:Percent", subtotal);
      const Decimal rate = percent.empty() ? Decimal() : *Decimal::Parse(percent);
      const auto due = (Fraction::Of(base) * Fraction::Of(rate) * Fraction::Ratio(1, 100)).Round();
      // BR-CO-17. What is given back keeps the tax it had: each such line may move a cent.
      CHECK(std::abs(sums.One("cbc:TaxAmount", subtotal) - *due) <= given_back);
    }
    CHECK(taxable == exclusive);
    const int64_t sign = credit ? -1 : 1;
    CHECK(payable == sign * Minor(one.document.total()));
    CHECK(tax == sign * Minor(one.document.tax()));
    CHECK(exclusive == sign * (Minor(one.document.net()) - Minor(one.document.rounding())));
    const std::string shown = FormatMinor(payable, exponent);
    std::string german = shown;
    for (char& c : german) c = c == '.' ? ',' : c;
    CHECK((one.pdf.find(shown) != std::string::npos || one.pdf.find(german) != std::string::npos));
  }
  CHECK(exact >= 15);
}

TEST_CASE("net = quantity × price on every line, prices are never negative") {
  for (const Rendered& one : Documents()) {
    INFO(one.document.number());
    const Xml xml(one.ubl);
    const int exponent = *CurrencyExponent(one.document.currency_code());
    const Sums sums(xml, exponent);
    for (xmlNode* line : xml.Nodes("cac:InvoiceLine|cac:CreditNoteLine")) {
      const auto number = [&](const char* path) {
        const std::string text = xml.One(path, line);
        return text.empty() ? Decimal::FromInt(1) : *Decimal::Parse(text);
      };
      const Decimal price = number("cac:Price/cbc:PriceAmount");
      const Decimal base = number("cac:Price/cbc:BaseQuantity");
      const Decimal quantity = number("cbc:InvoicedQuantity|cbc:CreditedQuantity");
      int64_t net = sums.One("cbc:LineExtensionAmount", line);
      for (xmlNode* allowance : xml.Nodes("cac:AllowanceCharge", line)) {
        net += sums.One("cbc:Amount", allowance);
      }
      CHECK_FALSE(price.IsNegative());
      CHECK(Fraction::MinorUnits(price, exponent) * Fraction::Of(quantity) ==
            Fraction::Of(net) * Fraction::Of(base));
    }
  }
}

TEST_CASE("the story holds what e-invoices must be able to say") {
  std::map<std::string, int> categories;
  int credit_notes = 0, references = 0, allowances = 0, negative = 0, rounded = 0, base = 0;
  for (const Rendered& one : Documents()) {
    const Xml xml(one.ubl);
    for (const auto& id : xml.All("cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory/cbc:ID")) {
      ++categories[id];
    }
    const bool credit = one.document.kind() == pb::Document::CREDIT_NOTE;
    credit_notes += credit ? 1 : 0;
    const auto reference = xml.All("cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID");
    references += reference.empty() ? 0 : 1;
    CHECK((!credit || !reference.empty()));
    allowances += xml.Nodes("cac:InvoiceLine/cac:AllowanceCharge").empty() ? 0 : 1;
    for (const auto& text : xml.All("//cbc:InvoicedQuantity|//cbc:CreditedQuantity")) {
      negative += text[0] == '-' ? 1 : 0;
    }
    rounded += xml.Nodes("//cbc:PayableRoundingAmount").empty() ? 0 : 1;
    base += xml.Nodes("//cbc:BaseQuantity").empty() ? 0 : 1;
  }
  for (const char* category : {"S", "Z", "E", "AE", "K", "G", "O"}) {
    INFO(category);
    CHECK(categories[category] > 0);
  }
  CHECK(credit_notes >= 4);
  CHECK(references > credit_notes);
  CHECK(allowances >= 2);
  CHECK(negative >= 2);
  CHECK(rounded == 2);
  CHECK(base >= 1);
}

TEST_CASE("every document is valid against the UBL 2.1 schemas") {
  const std::string rules = RulesFolder();
  if (rules.empty() || !fs::exists(rules + "/xsd/maindoc")) {
    std::cout << "skipped: no UBL schemas (tests/ubl/README.md)\n";
    return;
  }
  const Folder folder;
  for (const Rendered& one : Documents()) {
    const bool credit = one.document.kind() == pb::Document::CREDIT_NOTE;
    const auto [status, said] =
        Run("xmllint --nonet --noout --schema " + rules + "/xsd/maindoc/UBL-" +
            (credit ? "CreditNote" : "Invoice") + "-2.1.xsd " + folder.path() + "/in/" +
            one.document.number() + ".xml");
    INFO(said << "\n" << one.ubl);
    CHECK(status == 0);
  }
}

TEST_CASE("every document passes the official EN 16931 rules") {
  const std::string rules = RulesFolder();
  const std::string saxon = "/usr/share/java/Saxon-HE.jar";
  if (rules.empty() || !fs::exists(saxon) || Run("java -version").first != 0) {
    std::cout << "skipped: no EN 16931 rules, Saxon or Java (tests/ubl/README.md)\n";
    return;
  }
  const Folder folder;
  const auto [status, said] =
      Run("java -cp " + saxon + " net.sf.saxon.Transform -s:" + folder.path() +
          "/in -o:" + folder.path() + "/out -xsl:" + rules + "/EN16931-UBL-validation.xslt");
  INFO(said);
  REQUIRE(status == 0);
  size_t checked = 0, fired = 0;
  for (const Rendered& one : Documents()) {
    std::ifstream in(folder.path() + "/out/" + one.document.number() + ".xml");
    std::stringstream text;
    text << in.rdbuf();
    const Xml report(text.str());
    ++checked;
    fired += report.Nodes("//svrl:fired-rule").size();
    for (xmlNode* failed : report.Nodes("//svrl:failed-assert")) {
      INFO(one.document.number() << "\n" << one.ubl);
      FAIL_CHECK(report.One("@flag", failed)
                 << " " << report.One("@id", failed) << ": " << report.One("svrl:text", failed));
    }
  }
  std::cout << checked << " documents by the official rules, " << fired << " rules fired\n";
  CHECK(fired > 30 * checked);
}

// The bytes first delivered are kept: renders that race answer the same ones, and so does a program
// whose templates have moved on; what was never rendered is not drawn in another look than its own.
TEST_CASE("renderings are kept, and keep their template") {
  const std::string story =
      "clock 2026-03-01 America/Chicago\n"
      "plan p 10.00/month tax none\n"
      "account A cycle 1\naccount B cycle 1\n"
      "import tax-areas\n  country,region,postal_code,jurisdictions\n  US,MN,55401,US-27\n"
      "subscribe A p from 2026-03-01\nsubscribe B p from 2026-03-01\n"
      "bill 2026-03-01\n";
  const int failures = scenarios::RunScenario("kept", story, [](scenarios::World& world) {
    pb::ListDocumentsRequest list;
    const auto page = world.Call<pb::ListDocumentsResponse>(
        "broadbill.invoicing.v1.Invoicing/ListDocuments", list);
    REQUIRE(page.ok());
    REQUIRE(page->documents_size() == 2);
    const auto render = [&](const pb::Document& document) {
      pb::RenderDocumentRequest request;
      request.set_document_id(document.document_id());
      return world.Call<pb::RenderDocumentResponse>(
          "broadbill.invoicing.v1.Invoicing/RenderDocument", request);
    };
    const pb::Document& first = page->documents(0);
    std::vector<std::string> sums(8);
    std::vector<std::thread> threads;
    for (std::string& sum : sums) {
      threads.emplace_back([&] {
        const auto file = render(first);
        if (file.ok()) sum = file->sha256();
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(sums.front().size() == 64);
    CHECK(std::count(sums.begin(), sums.end(), sums.front()) == 8);

    // As documents of a later program would say it: field 29, version 99.
    db::Pool::Options options;
    options.url = world.database_url();
    db::Pool pool(options);
    REQUIRE(pool.Exec("UPDATE invoicing.document SET parties = parties || $1",
                      db::Bytes{"\xE8\x01\x63"})
                .ok());
    const auto kept = render(first);
    REQUIRE(kept.ok());
    CHECK(kept->sha256() == sums.front());
    const auto unknown = render(page->documents(1));
    CHECK(unknown.status().code() == absl::StatusCode::kFailedPrecondition);
    CHECK(std::string(unknown.status().message()).find("version 99") != std::string::npos);
  });
  CHECK(failures == 0);
}

}  // namespace broadbill
