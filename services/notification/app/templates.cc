#include <algorithm>
#include <map>
#include <tuple>

#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/notification/app/notification_app.h"
#include "services/notification/domain/builtin.h"
#include "services/notification/domain/mime.h"

namespace broadbill::notification {
namespace {

constexpr size_t kSubjectMax = 200;
constexpr size_t kBodyMax = 200000;
// Of a template that nobody has set.
constexpr char kFirstEtag[] = "0";

using Key = std::tuple<std::string, std::string, std::string>;

pb::Template ToProto(const TemplateText& text, const std::string& etag) {
  pb::Template out;
  out.set_template_code(text.code);
  out.set_language(text.language);
  out.set_company_id(text.company);
  out.set_subject(text.subject);
  out.set_text_body(text.text);
  out.set_html_body(text.html);
  out.set_built_in(text.built_in);
  const TemplateText* const family = FamilyOf(text.code);
  if (family != nullptr) {
    for (const std::string& name : Placeholders(family->code)) out.add_placeholders(name);
  }
  out.set_etag(etag);
  return out;
}

absl::Status NoTemplate(const std::string& code) {
  return NotFoundError(
      "TEMPLATE_NOT_FOUND",
      "there is no template '" + code +
          "'; codes are credit_note, invoice, payment_declined, price_change, receipt, reminder, "
          "usage_threshold, and these followed by '_' and a name of your own");
}

// "de", "pt-BR", "zh-Hant-TW".
bool IsLanguageTag(const std::string& tag) {
  size_t part = 0;
  bool first = true;
  for (size_t i = 0; i <= tag.size(); ++i) {
    if (i < tag.size() && tag[i] != '-') {
      if (std::isalnum(static_cast<unsigned char>(tag[i])) == 0) return false;
      ++part;
      continue;
    }
    if (part < (first ? 2U : 1U) || part > 8) return false;
    part = 0;
    first = false;
  }
  return true;
}

void CheckTexts(const std::string& family, const pb::Template& in, const std::string& field,
                Violations& violations) {
  const std::set<std::string>& known = Placeholders(family);
  const auto check = [&](const std::string& name, const std::string& text, size_t size_max,
                         bool required) {
    const std::string path = field + "." + name;
    violations.Require(!required || !text.empty(), path, "is required");
    violations.Require(text.size() <= size_max, path,
                       "must have at most " + std::to_string(size_max) + " bytes");
    violations.Check(CheckTemplate(path, text, known), path);
  };
  check("subject", in.subject(), kSubjectMax, true);
  violations.Require(OneLine(in.subject()) == in.subject(), field + ".subject",
                     "must be one line without blanks around it");
  check("text_body", in.text_body(), kBodyMax, true);
  check("html_body", in.html_body(), kBodyMax, false);
}

TemplateText FromProto(const std::string& code, const pb::Template& in) {
  return {code,           in.language(), in.company_id(), in.subject(), in.text_body(),
          in.html_body(), false};
}

}  // namespace

absl::StatusOr<pb::ListTemplatesResponse> NotificationApp::ListTemplates(
    const rpc::Context&, const pb::ListTemplatesRequest& request) {
  Violations violations;
  const int32_t size = convert::ReadPageSize(request.page_size(), 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string after, convert::ReadPageToken(request.page_token()));
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto rows, db::Select<TemplateRow>(tx, ""));
  // Few enough to merge here; an own one for every language and company stands for the built-in.
  std::map<Key, pb::Template> all;
  for (const TemplateRow& row : rows) {
    all[{row.code, row.language, row.company_id}] =
        ToProto(ToText(row), std::to_string(row.version));
  }
  for (const TemplateText& text : BuiltInTemplates()) {
    all.emplace(Key{text.code, "", ""}, ToProto(text, kFirstEtag));
  }
  pb::ListTemplatesResponse response;
  for (const auto& [key, one] : all) {
    const auto& [code, language, company] = key;
    const std::string token = code + "\n" + language + "\n" + company;
    if (!after.empty() && token <= after) continue;
    if (response.templates_size() == size) {
      const pb::Template& last = response.templates(size - 1);
      response.set_next_page_token(convert::MakePageToken(
          last.template_code() + "\n" + last.language() + "\n" + last.company_id()));
      break;
    }
    *response.add_templates() = one;
  }
  return response;
}

absl::StatusOr<pb::Template> NotificationApp::GetTemplate(const rpc::Context&,
                                                          const pb::GetTemplateRequest& request) {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto rows, db::Select<TemplateRow>(tx, ""));
  std::vector<TemplateText> own;
  std::map<Key, int64_t> versions;
  for (const TemplateRow& row : rows) {
    own.push_back(ToText(row));
    versions[{row.code, row.language, row.company_id}] = row.version;
  }
  const auto chosen =
      ChooseTemplate(own, request.template_code(), request.language(), request.company_id());
  if (!chosen.has_value()) return NoTemplate(request.template_code());
  if (chosen->built_in) return ToProto(*chosen, kFirstEtag);
  return ToProto(*chosen,
                 std::to_string(versions[{chosen->code, chosen->language, chosen->company}]));
}

absl::StatusOr<pb::Template> NotificationApp::SetTemplate(const rpc::Context& context,
                                                          const pb::SetTemplateRequest& request) {
  const pb::Template& in = request.template_();
  const std::string& code = request.template_code();
  const TemplateText* const family = FamilyOf(code);
  if (family == nullptr) return NoTemplate(code);
  Violations violations;
  violations.Require(in.template_code().empty() || in.template_code() == code,
                     "template.template_code",
                     "must be the template_code of the request, or empty");
  violations.Require(in.language().empty() || IsLanguageTag(in.language()), "template.language",
                     "must be a BCP 47 tag like 'de' or 'pt-BR', or empty");
  const auto company =
      convert::ReadOptionalId("co", in.company_id(), "template.company_id", violations);
  CheckTexts(family->code, in, "template", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  if (company.has_value()) {
    const auto seller = peers_.GetSeller(*company);
    if (absl::IsNotFound(seller.status())) {
      return InvalidField("template.company_id", "there is no such company");
    }
    RETURN_IF_ERROR(seller.status());
  }
  const std::string& etag = request.etag().empty() ? in.etag() : request.etag();
  return convert::Write<pb::Template>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::Template> {
        ASSIGN_OR_RETURN(const auto rows,
                         db::Select<TemplateRow>(
                             tx, "WHERE code = $1 AND language = $2 AND company_id = $3 FOR UPDATE",
                             code, in.language(), in.company_id()));
        const int64_t version = rows.empty() ? 0 : rows.front().version;
        if (!etag.empty() && etag != std::to_string(version)) {
          return AbortedError("ETAG_MISMATCH", "it was changed meanwhile; read it again");
        }
        const TemplateRow row{code,           in.language(),  in.company_id(), in.subject(),
                              in.text_body(), in.html_body(), version + 1};
        // Of two that make it at once the second fails here, and is repeated by its caller.
        ASSIGN_OR_RETURN(
            const int64_t written,
            db::InsertOne(tx, row,
                          "ON CONFLICT (code, language, company_id) DO UPDATE SET subject = "
                          "excluded.subject, text_body = excluded.text_body, html_body = "
                          "excluded.html_body, version = excluded.version "
                          "WHERE template.version = excluded.version - 1"));
        if (written == 0) {
          return AbortedError("CONFLICT", "it was set at the same moment; try again");
        }
        return ToProto(ToText(row), std::to_string(row.version));
      });
}

absl::StatusOr<pb::PreviewMessageResponse> NotificationApp::PreviewMessage(
    const rpc::Context&, const pb::PreviewMessageRequest& request) {
  const std::string& code = request.template_code();
  const TemplateText* const family = FamilyOf(code);
  if (family == nullptr) return NoTemplate(code);
  Violations violations;
  const auto company =
      convert::ReadOptionalId("co", request.company_id(), "company_id", violations);
  if (request.has_template_()) {
    CheckTexts(family->code, request.template_(), "template", violations);
  }
  const std::set<std::string>& known = Placeholders(family->code);
  for (const auto& [name, value] : request.values()) {
    violations.Require(known.count(name) > 0, "values",
                       "'" + name + "' is no placeholder of this kind of message");
  }
  RETURN_IF_ERROR(violations.ToStatus());
  Parties parties = SampleParties();
  if (company.has_value()) {
    ASSIGN_OR_RETURN(const Seller seller, peers_.GetSeller(*company));
    parties.company_name = seller.name;
    parties.company_email = seller.email;
    parties.company_phone = seller.phone;
    parties.company_website = seller.website;
    parties.payment_instructions = seller.payment_instructions;
  }
  TemplateText with = FromProto(code, request.template_());
  if (!request.has_template_()) {
    ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
    ASSIGN_OR_RETURN(const auto rows, db::Select<TemplateRow>(tx, ""));
    std::vector<TemplateText> own;
    for (const TemplateRow& row : rows) own.push_back(ToText(row));
    with = *ChooseTemplate(own, code, request.language(), request.company_id());
  }
  Values values = ValuesOf(SampleNotice(code), parties, request.language());
  for (const auto& [name, value] : request.values()) values[name] = value;
  const Rendered rendered = RenderMessage(with, values);
  pb::PreviewMessageResponse response;
  response.set_subject(rendered.subject);
  response.set_text_body(rendered.text);
  response.set_html_body(rendered.html);
  return response;
}

}  // namespace broadbill::notification
