#include "tests/scenarios/runner/selling.h"

#include <stdlib.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "broadbill/accounts/v1/company.pb.h"
#include "broadbill/tax/v1/exemption.pb.h"
#include "broadbill/tax/v1/rule.pb.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::scenarios {
namespace {

namespace accounts = broadbill::accounts::v1;
namespace invoicing = broadbill::invoicing::v1;
namespace tax = broadbill::tax::v1;

absl::Status Unknown(const std::string& word) {
  return InvalidArgumentError("SYNTAX", "unknown word '" + word + "'");
}

// Options by name, each with a value, from words[at] on.
absl::Status ForOptions(
    const std::vector<std::string>& words, size_t at,
    const std::function<absl::Status(const std::string&, const std::string&)>& take) {
  for (; at < words.size(); at += 2) {
    if (at + 1 == words.size()) {
      return InvalidArgumentError("SYNTAX", "expected a value of " + words[at]);
    }
    RETURN_IF_ERROR(take(words[at], words[at + 1]));
  }
  return absl::OkStatus();
}

// The text that a setter of `company` takes; nullptr: no such option.
std::string* TextField(accounts::Company* company, const std::string& option) {
  auto* address = company->mutable_address();
  if (option == "street") return address->add_lines();
  const std::map<std::string, std::string*> fields = {
      {"name", company->mutable_name()},
      {"vat", company->mutable_tax_id()},
      {"city", address->mutable_city()},
      {"zip", address->mutable_postal_code()},
      {"region", address->mutable_region()},
      {"country", address->mutable_country_code()},
      {"email", company->mutable_email()},
      {"phone", company->mutable_phone()},
      {"iban", company->mutable_iban()},
      {"bic", company->mutable_bic()},
      {"language", company->mutable_language()},
      {"prefix", company->mutable_number_prefix()},
      {"currency", company->mutable_currency_code()},
      {"zone", company->mutable_time_zone()},
      {"logo", company->mutable_logo_text()},
      {"color", company->mutable_logo_color()},
      {"pay", company->mutable_payment_instructions()},
  };
  const auto found = fields.find(option);
  return found == fields.end() ? nullptr : found->second;
}

}  // namespace

bool SetPartyOption(const std::string& option, const std::string& value,
                    accounts::Account* account) {
  if (option == "company") {
    account->set_company_id(value);
  } else if (option == "name") {
    account->set_name(value);
  } else if (option == "street") {
    account->mutable_billing_address()->add_lines(value);
  } else if (option == "tax-id") {
    account->set_tax_id(value);
  } else if (option == "language") {
    account->set_language(value);
  } else if (option == "mode") {
    account->set_document_mode(value == "statement" ? accounts::Account::STATEMENT
                                                    : accounts::Account::INVOICE);
  } else {
    return false;
  }
  return true;
}

absl::Status SetCompany(World& world, const std::vector<std::string>& words) {
  if (words.empty()) return InvalidArgumentError("SYNTAX", "expected a company's code");
  accounts::Company company;
  RETURN_IF_ERROR(ForOptions(
      words, 1, [&](const std::string& option, const std::string& value) -> absl::Status {
        if (option == "rounding") {
          company.mutable_payable_rounding()->set_value(value);
          return absl::OkStatus();
        }
        std::string* field = TextField(&company, option);
        if (field == nullptr) return Unknown(option);
        *field = value;
        return absl::OkStatus();
      }));
  accounts::GetCompanyRequest get;
  get.set_company_id(words[0]);
  const auto there =
      world.Call<accounts::Company>("broadbill.accounts.v1.Accounts/GetCompany", get);
  if (there.ok()) {
    accounts::UpdateCompanyRequest request;
    request.set_company_id(there->company_id());
    *request.mutable_company() = company;
    return world.Call<accounts::Company>("broadbill.accounts.v1.Accounts/UpdateCompany", request)
        .status();
  }
  accounts::CreateCompanyRequest request;
  *request.mutable_company() = company;
  request.mutable_company()->set_code(words[0]);
  if (company.name().empty()) request.mutable_company()->set_name(words[0]);
  if (company.currency_code().empty()) request.mutable_company()->set_currency_code("USD");
  if (company.time_zone().empty()) request.mutable_company()->set_time_zone(world.time_zone);
  return world.Call<accounts::Company>("broadbill.accounts.v1.Accounts/CreateCompany", request)
      .status();
}

absl::Status SetTaxability(World& world, const std::vector<std::string>& words) {
  static const std::map<std::string, tax::Taxability::Treatment> kTreatments = {
      {"exempt", tax::Taxability::EXEMPT},
      {"zero", tax::Taxability::ZERO_RATED},
      {"out-of-scope", tax::Taxability::OUT_OF_SCOPE},
      {"reverse-charge", tax::Taxability::REVERSE_CHARGE}};
  if (words.size() < 2 || kTreatments.count(words[1]) == 0) {
    return InvalidArgumentError("SYNTAX", "expected a jurisdiction and a treatment");
  }
  tax::SetTaxabilityRequest request;
  tax::Taxability* entry = request.mutable_entry();
  entry->set_jurisdiction_code(words[0]);
  entry->set_treatment(kTreatments.at(words[1]));
  RETURN_IF_ERROR(ForOptions(
      words, 2, [&](const std::string& option, const std::string& value) -> absl::Status {
        if (option == "tax") {
          entry->set_tax_code(value);
        } else if (option == "class") {
          entry->set_tax_class(value);
        } else if (option == "customer") {
          entry->set_customer_class(value);
        } else if (option == "reason") {
          entry->set_reason(value);
        } else {
          return Unknown(option);
        }
        return absl::OkStatus();
      }));
  return world.Call<tax::Taxability>("broadbill.tax.v1.Tax/SetTaxability", request).status();
}

absl::Status Exempt(World& world, const std::vector<std::string>& words) {
  if (words.size() < 2 || world.accounts.count(words[0]) == 0) {
    return InvalidArgumentError("SYNTAX", "expected an account and a reason");
  }
  tax::CreateExemptionRequest request;
  request.set_account_id(world.accounts.at(words[0]));
  request.mutable_exemption()->set_reason(words[1]);
  RETURN_IF_ERROR(ForOptions(
      words, 2, [&](const std::string& option, const std::string& value) -> absl::Status {
        if (option != "percent") return Unknown(option);
        request.mutable_exemption()->mutable_percent()->set_value(value);
        return absl::OkStatus();
      }));
  return world.Call<tax::Exemption>("broadbill.tax.v1.Tax/CreateExemption", request).status();
}

absl::StatusOr<std::string> RenderedText(World& world, const std::string& document_id,
                                         invoicing::RenderDocumentRequest::Format format) {
  invoicing::RenderDocumentRequest request;
  request.set_document_id(document_id);
  request.set_format(format);
  ASSIGN_OR_RETURN(auto response, world.Call<invoicing::RenderDocumentResponse>(
                                      "broadbill.invoicing.v1.Invoicing/RenderDocument", request));
  if (format != invoicing::RenderDocumentRequest::PDF)
    return std::move(*response.mutable_content());
  std::string path = std::filesystem::temp_directory_path() / "broadbill-XXXXXX";
  const int file = mkstemp(path.data());
  if (file < 0) return InternalError("TEMPORARY_FILE", "no temporary file could be made");
  std::ofstream(path, std::ios::binary) << response.content();
  std::string text;
  if (FILE* pipe = popen(("pdftotext -layout " + path + " -").c_str(), "r"); pipe != nullptr) {
    std::array<char, 4096> buffer;
    for (size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
      text.append(buffer.data(), n);
    }
    pclose(pipe);
  }
  std::filesystem::remove(path);
  return absl::StrReplaceAll(text, {{"\u00a0", " "}});
}

absl::StatusOr<std::vector<std::string>> ExpectRendering(World& world,
                                                         const std::string& document_id,
                                                         const std::vector<std::string>& words) {
  static const std::map<std::string, invoicing::RenderDocumentRequest::Format> kFormats = {
      {"pdf", invoicing::RenderDocumentRequest::PDF},
      {"csv", invoicing::RenderDocumentRequest::CSV},
      {"ubl", invoicing::RenderDocumentRequest::UBL}};
  if (words.empty() || kFormats.count(words[0]) == 0) {
    return InvalidArgumentError("SYNTAX", "expected pdf, csv or ubl");
  }
  ASSIGN_OR_RETURN(const std::string text, RenderedText(world, document_id, kFormats.at(words[0])));
  std::vector<std::string> missing;
  for (size_t i = 1; i < words.size(); ++i) {
    if (text.find(words[i]) == std::string::npos) {
      missing.push_back(absl::StrCat("no '", words[i], "' in:\n", text));
    }
  }
  return missing;
}

}  // namespace broadbill::scenarios
