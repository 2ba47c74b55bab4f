#pragma once

// Statements about who sells and how documents look.
//
//   company CODE [name N] [vat N] [street S] [city C] [zip Z] [region R] [country CC] [email E]
//     [phone P] [iban I] [bic B] [language L] [prefix P] [currency C] [zone Z] [logo T] [color #…]
//     [pay "How to pay by hand"] [rounding 0.05]
//   taxability JURISDICTION exempt|zero|out-of-scope|reverse-charge [tax CODE] [class C]
//     [customer C] [reason R]
//   exempt ACCOUNT REASON [percent 50]
//   expect rendering ACCOUNT pdf|csv|ubl "Text"…      the account's document holds these texts

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broadbill/accounts/v1/account.pb.h"
#include "broadbill/invoicing/v1/document.pb.h"
#include "tests/scenarios/runner/world.h"

namespace broadbill::scenarios {

// Options of `account` that say who it is and how its documents look: company, name, street,
// tax-id, language, mode. False: none of these.
bool SetPartyOption(const std::string& option, const std::string& value,
                    broadbill::accounts::v1::Account* account);
// `words` are those after the statement's name.
absl::Status SetCompany(World& world, const std::vector<std::string>& words);
absl::Status SetTaxability(World& world, const std::vector<std::string>& words);
absl::Status Exempt(World& world, const std::vector<std::string>& words);
// A document as a file; a PDF's text as pdftotext reads it.
absl::StatusOr<std::string> RenderedText(
    World& world, const std::string& document_id,
    broadbill::invoicing::v1::RenderDocumentRequest::Format format);
// Texts that the rendering of a document lacks; `words` are pdf|csv|ubl and the texts.
absl::StatusOr<std::vector<std::string>> ExpectRendering(World& world,
                                                         const std::string& document_id,
                                                         const std::vector<std::string>& words);

}  // namespace broadbill::scenarios
