#include "services/invoicing/render/ubl.h"

#include <libxml/xmlwriter.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/money/money.h"
#include "libs/status/error.h"

namespace broadbill::invoicing {
namespace {

constexpr char kUbl[] = "urn:oasis:names:specification:ubl:schema:xsd:";

// Countries whose VAT numbers begin with other letters, and those that may begin one.
constexpr std::array kVatCountries = {
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "EL", "ES", "FI", "FR", "HR", "HU", "IE",
    "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK", "XI", "GB", "CH",
    "NO", "IS", "LI", "TR", "UA", "RS", "ME", "MK", "AL", "BA", "MD", "SM", "AD", "MC"};

// What XML 1.0 cannot hold is left out.
std::string Clean(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 || c == '\t' || c == '\n' || c == '\r') out += c;
  }
  return out;
}

class Writer {
 public:
  Writer()
      : buffer_(xmlBufferCreate()),
        writer_(buffer_ == nullptr ? nullptr : xmlNewTextWriterMemory(buffer_, 0)) {
    if (writer_ == nullptr) return;
    xmlTextWriterSetIndent(writer_, 1);
    Do(xmlTextWriterStartDocument(writer_, nullptr, "UTF-8", nullptr));
  }
  ~Writer() {
    if (writer_ != nullptr) xmlFreeTextWriter(writer_);
    if (buffer_ != nullptr) xmlBufferFree(buffer_);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void Open(const std::string& name) { Do(xmlTextWriterStartElement(writer_, X(name))); }
  void Close() { Do(xmlTextWriterEndElement(writer_)); }
  void Attribute(const std::string& name, const std::string& value) {
    Do(xmlTextWriterWriteAttribute(writer_, X(name), X(Clean(value))));
  }
  // Nothing for an empty text.
  void Text(const std::string& name, const std::string& value) {
    if (!value.empty()) Do(xmlTextWriterWriteElement(writer_, X("cbc:" + name), X(Clean(value))));
  }
  void Text(const std::string& name, const std::string& value, const std::string& attribute,
            const std::string& attribute_value) {
    Open("cbc:" + name);
    Attribute(attribute, attribute_value);
    Do(xmlTextWriterWriteString(writer_, X(Clean(value))));
    Close();
  }

  absl::StatusOr<std::string> Finish() {
    if (writer_ != nullptr) {
      Do(xmlTextWriterEndDocument(writer_));
      Do(xmlTextWriterFlush(writer_));
    }
    if (!ok_ || writer_ == nullptr) {
      return InternalError("RENDERING_FAILED", "the XML could not be written");
    }
    return std::string(reinterpret_cast<const char*>(xmlBufferContent(buffer_)),
                       static_cast<size_t>(xmlBufferLength(buffer_)));
  }

 private:
  // Valid until the end of the full expression that holds the string.
  static const xmlChar* X(const std::string& text) {
    return reinterpret_cast<const xmlChar*>(text.c_str());
  }
  void Do(int result) { ok_ = ok_ && result >= 0; }

  xmlBuffer* buffer_;
  xmlTextWriter* writer_;
  bool ok_ = true;
};

bool IsVatexCode(const std::string& reason) {
  return absl::StartsWith(reason, "VATEX-") && reason.find(' ') == std::string::npos &&
         reason.find(';') == std::string::npos;
}

const char* TextOfCode(const std::string& category) {
  if (category == "AE") return "Reverse charge";
  if (category == "K") return "Intra-community supply";
  if (category == "G") return "Export outside the EU";
  if (category == "O") return "Not subject to VAT";
  return "Exempt from VAT";
}

class Ubl {
 public:
  explicit Ubl(const UblDocument& document) : d_(document) {}

  absl::StatusOr<std::string> Write() {
    const std::string root = d_.credit_note ? "CreditNote" : "Invoice";
    w_.Open(root);
    w_.Attribute("xmlns", kUbl + root + "-2");
    w_.Attribute("xmlns:cac", std::string(kUbl) + "CommonAggregateComponents-2");
    w_.Attribute("xmlns:cbc", std::string(kUbl) + "CommonBasicComponents-2");
    Head();
    Party("AccountingSupplierParty", d_.seller);
    Party("AccountingCustomerParty", d_.buyer);
    Delivery();
    Payment();
    for (const auto& one : d_.numbers.allowances) Adjustment(one, false, true);
    for (const auto& one : d_.numbers.charges) Adjustment(one, true, true);
    Taxes();
    Totals();
    for (const auto& line : d_.numbers.lines) Line(line);
    w_.Close();
    return w_.Finish();
  }

 private:
  void Head() {
    w_.Text("CustomizationID", "urn:cen.eu:en16931:2017");
    w_.Text("ID", d_.number);
    w_.Text("IssueDate", FormatDate(d_.issue_date));
    if (d_.credit_note) {
      w_.Text("CreditNoteTypeCode", "381");
    } else {
      w_.Text("DueDate", FormatDate(d_.due_date));
      w_.Text("InvoiceTypeCode", "380");
    }
    w_.Text("Note", d_.note);
    w_.Text("DocumentCurrencyCode", d_.currency);
    w_.Text("BuyerReference", d_.buyer_reference);
    Period(d_.period);
    for (const auto& [number, date] : d_.corrected) {
      w_.Open("cac:BillingReference");
      w_.Open("cac:InvoiceDocumentReference");
      w_.Text("ID", number);
      w_.Text("IssueDate", FormatDate(date));
      w_.Close();
      w_.Close();
    }
  }

  void Period(const DateInterval& days) {
    if (days.empty()) return;
    w_.Open("cac:InvoicePeriod");
    w_.Text("StartDate", FormatDate(days.start));
    w_.Text("EndDate", FormatDate(days.end - 1));
    w_.Close();
  }

  // Who is outside VAT altogether must not state a VAT number (BR-O-02).
  bool OutsideVat() const {
    return d_.numbers.vat.size() == 1 && d_.numbers.vat.front().vat.category == "O";
  }

  void Party(const std::string& role, const UblParty& party) {
    w_.Open("cac:" + role);
    w_.Open("cac:Party");
    if (!party.id.empty()) {
      w_.Open("cac:PartyIdentification");
      w_.Text("ID", party.id);
      w_.Close();
    }
    w_.Open("cac:PostalAddress");
    if (!party.lines.empty()) w_.Text("StreetName", party.lines[0]);
    if (party.lines.size() > 1) w_.Text("AdditionalStreetName", party.lines[1]);
    w_.Text("CityName", party.city);
    w_.Text("PostalZone", party.postal_code);
    w_.Text("CountrySubentity", party.region);
    if (party.lines.size() > 2) {
      w_.Open("cac:AddressLine");
      w_.Text("Line", party.lines[2] + (party.lines.size() > 3 ? ", " + party.lines[3] : ""));
      w_.Close();
    }
    w_.Open("cac:Country");
    w_.Text("IdentificationCode", party.country);
    w_.Close();
    w_.Close();
    const bool outside = OutsideVat();
    if (!outside) TaxScheme(party.vat_id, "VAT");
    if (!outside && role == "AccountingSupplierParty") TaxScheme(party.tax_id, "TAX");
    w_.Open("cac:PartyLegalEntity");
    w_.Text("RegistrationName", party.name);
    const bool buyer = role == "AccountingCustomerParty";
    w_.Text("CompanyID", outside && !party.vat_id.empty() ? party.vat_id
                         : outside || buyer               ? party.tax_id
                                                          : "");
    w_.Close();
    if (!party.email.empty() || !party.phone.empty()) {
      w_.Open("cac:Contact");
      w_.Text("Telephone", party.phone);
      w_.Text("ElectronicMail", party.email);
      w_.Close();
    }
    w_.Close();
    w_.Close();
  }

  void TaxScheme(const std::string& number, const std::string& scheme) {
    if (number.empty()) return;
    w_.Open("cac:PartyTaxScheme");
    w_.Text("CompanyID", number);
    w_.Open("cac:TaxScheme");
    w_.Text("ID", scheme);
    w_.Close();
    w_.Close();
  }

  // Intra-community supplies name where they went (BR-IC-11, BR-IC-12).
  void Delivery() {
    const bool supply = std::any_of(d_.numbers.vat.begin(), d_.numbers.vat.end(),
                                    [](const auto& one) { return one.vat.category == "K"; });
    if (!supply) return;
    w_.Open("cac:Delivery");
    w_.Text("ActualDeliveryDate",
            FormatDate(d_.period.empty() ? d_.issue_date : d_.period.end - 1));
    w_.Open("cac:DeliveryLocation");
    w_.Open("cac:Address");
    w_.Open("cac:Country");
    w_.Text("IdentificationCode", d_.delivered_to.empty() ? d_.buyer.country : d_.delivered_to);
    for (int i = 0; i < 4; ++i) w_.Close();
  }

  void Payment() {
    if (!d_.credit_note && !d_.iban.empty()) {
      w_.Open("cac:PaymentMeans");
      // 58: SEPA credit transfer, 30: credit transfer.
      w_.Text("PaymentMeansCode", d_.currency == "EUR" ? "58" : "30");
      w_.Text("PaymentID", d_.payment_reference);
      w_.Open("cac:PayeeFinancialAccount");
      w_.Text("ID", d_.iban);
      w_.Text("Name", d_.seller.name);
      if (!d_.bic.empty()) {
        w_.Open("cac:FinancialInstitutionBranch");
        w_.Text("ID", d_.bic);
        w_.Close();
      }
      w_.Close();
      w_.Close();
    }
    if (d_.payment_terms.empty()) return;
    w_.Open("cac:PaymentTerms");
    w_.Text("Note", d_.payment_terms);
    w_.Close();
  }

  void Amount(const std::string& name, int64_t minor) {
    w_.Text(name, FormatMinor(minor, d_.exponent), "currencyID", d_.currency);
  }

  void Category(const std::string& element, const EInvoiceNumbers::Vat& vat,
                const std::string& reason = "") {
    w_.Open("cac:" + element);
    w_.Text("ID", vat.category);
    if (vat.category != "O") w_.Text("Percent", vat.rate.ToString());
    if (IsVatexCode(reason)) {
      w_.Text("TaxExemptionReasonCode", reason);
      w_.Text("TaxExemptionReason", TextOfCode(vat.category));
    } else {
      w_.Text("TaxExemptionReason", reason);
    }
    w_.Open("cac:TaxScheme");
    w_.Text("ID", "VAT");
    w_.Close();
    w_.Close();
  }

  void Adjustment(const EInvoiceNumbers::Adjustment& one, bool charge, bool with_category) {
    w_.Open("cac:AllowanceCharge");
    w_.Text("ChargeIndicator", charge ? "true" : "false");
    if (!charge) w_.Text("AllowanceChargeReasonCode", "95");  // discount
    w_.Text("AllowanceChargeReason", one.reason);
    Amount("Amount", one.amount);
    if (with_category) Category("TaxCategory", one.vat);
    w_.Close();
  }

  void Taxes() {
    w_.Open("cac:TaxTotal");
    Amount("TaxAmount", d_.numbers.tax);
    for (const auto& subtotal : d_.numbers.vat) {
      w_.Open("cac:TaxSubtotal");
      Amount("TaxableAmount", subtotal.taxable);
      Amount("TaxAmount", subtotal.tax);
      Category("TaxCategory", subtotal.vat, subtotal.reason);
      w_.Close();
    }
    w_.Close();
  }

  void Totals() {
    const EInvoiceNumbers& n = d_.numbers;
    w_.Open("cac:LegalMonetaryTotal");
    Amount("LineExtensionAmount", n.line_total);
    Amount("TaxExclusiveAmount", n.exclusive);
    Amount("TaxInclusiveAmount", n.inclusive);
    if (!n.allowances.empty()) Amount("AllowanceTotalAmount", n.allowance_total);
    if (!n.charges.empty()) Amount("ChargeTotalAmount", n.charge_total);
    if (n.prepaid != 0) Amount("PrepaidAmount", n.prepaid);
    if (n.rounding != 0) Amount("PayableRoundingAmount", n.rounding);
    Amount("PayableAmount", n.payable);
    w_.Close();
  }

  void Line(const EInvoiceNumbers::Line& line) {
    w_.Open(d_.credit_note ? "cac:CreditNoteLine" : "cac:InvoiceLine");
    w_.Text("ID", line.id);
    w_.Text("Note", line.note);
    w_.Text(d_.credit_note ? "CreditedQuantity" : "InvoicedQuantity", line.quantity.ToString(),
            "unitCode", "C62");
    Amount("LineExtensionAmount", line.net);
    Period(line.days);
    for (const auto& allowance : line.allowances) Adjustment(allowance, false, false);
    w_.Open("cac:Item");
    w_.Text("Name", line.name.empty() ? "Service" : line.name);
    Category("ClassifiedTaxCategory", line.vat);
    w_.Close();
    w_.Open("cac:Price");
    w_.Text("PriceAmount", line.price.ToString(), "currencyID", d_.currency);
    if (!line.base_quantity.IsZero()) {
      w_.Text("BaseQuantity", line.base_quantity.ToString(), "unitCode", "C62");
    }
    w_.Close();
    w_.Close();
  }

  const UblDocument& d_;
  Writer w_;
};

}  // namespace

std::string VatNumber(const std::string& tax_id) {
  std::string out;
  for (const char c : tax_id) {
    if (c == ' ' || c == '.' || c == '-') continue;
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) return "";
    out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  const bool country = out.size() >= 4 && std::find(kVatCountries.begin(), kVatCountries.end(),
                                                    out.substr(0, 2)) != kVatCountries.end();
  const auto digits =
      std::count_if(out.begin(), out.end(), [](char c) { return c >= '0' && c <= '9'; });
  return country && digits >= 2 ? out : "";
}

std::string CountryOfVat(const std::string& vat_id) {
  const std::string prefix = vat_id.substr(0, 2);
  return prefix == "EL" ? "GR" : prefix == "XI" ? "GB" : prefix;
}

std::vector<std::string> MissingForUbl(const UblDocument& d) {
  std::vector<std::string> missing;
  const auto require = [&](bool holds, const char* what) {
    if (!holds) missing.emplace_back(what);
  };
  require(!d.number.empty(), "a number: only posted documents");
  require(!d.seller.name.empty(), "the company's name");
  require(!d.seller.country.empty(), "the country of the company's address");
  require(!d.buyer.name.empty(), "the customer's name");
  require(!d.buyer.country.empty(), "the country of the customer's address");
  for (const auto& subtotal : d.numbers.vat) {
    const std::string& category = subtotal.vat.category;
    if (category == "O") continue;
    const bool verified = category == "AE" || category == "K" || category == "G";
    require(!d.seller.vat_id.empty() || (!verified && !d.seller.tax_id.empty()),
            "the company's VAT number (its tax_id)");
    if (category != "AE" && category != "K") continue;
    require(!d.buyer.vat_id.empty() || (category == "AE" && !d.buyer.tax_id.empty()),
            "the customer's VAT number (its tax_id)");
  }
  std::sort(missing.begin(), missing.end());
  missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
  return missing;
}

absl::StatusOr<std::string> WriteUbl(const UblDocument& document) { return Ubl(document).Write(); }

}  // namespace broadbill::invoicing
