#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/notification/app/notification_app.h"
#include "services/notification/domain/builtin.h"

namespace broadbill::notification {
namespace {

pb::Message ToProto(const MessageRow& row) {
  pb::Message out;
  out.set_message_id(row.message_id.ToText("msg"));
  out.set_account_id(row.account_id.ToText("acc"));
  out.set_template_code(row.template_code);
  out.set_channel(pb::Message::EMAIL);
  out.set_recipient(row.recipient);
  out.set_subject(row.subject);
  if (!row.file_name.empty()) {
    pb::Attachment* file = out.add_attachments();
    file->set_file_name(row.file_name);
    file->set_content_type("application/pdf");
    file->set_size(row.file_size);
  }
  out.set_event_id(row.event_id.ToText("evt"));
  if (row.document_id) out.set_document_id(row.document_id->ToText("doc"));
  out.set_state(static_cast<pb::Message::State>(row.state));
  out.set_error(row.error);
  out.set_tries(row.tries);
  *out.mutable_created_at() = convert::ToProto(row.created_at);
  if (row.delivered_at) *out.mutable_delivered_at() = convert::ToProto(*row.delivered_at);
  const bool waits = row.state == kQueued && !row.recipient.empty() && !row.leased;
  if (waits) *out.mutable_next_try_at() = convert::ToProto(row.due_at);
  return out;
}

// Messages that were not tried yet have no words of their own: they show those they would get now.
absl::Status AddSubjects(db::Pool& pool, Peers& peers, std::vector<MessageRow>& rows) {
  std::vector<MessageRow> bare;
  for (const MessageRow& row : rows) {
    if (row.subject.empty()) bare.push_back(row);
  }
  if (bare.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Composer composer, Composer::Load(pool, peers, bare));
  for (MessageRow& row : rows) {
    if (!row.subject.empty()) continue;
    const auto composed = composer.Compose(row);
    if (composed.ok()) row.subject = composed->words.subject;
  }
  return absl::OkStatus();
}

absl::StatusOr<MessageRow> Find(db::Tx& tx, const std::string& message_id, bool lock) {
  Violations violations;
  const Uuid id = convert::ReadId("msg", message_id, "message_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const auto rows,
                   db::Select<MessageRow>(
                       tx, std::string("WHERE message_id = $1") + (lock ? " FOR UPDATE" : ""), id));
  if (rows.empty()) return NotFoundError("MESSAGE_NOT_FOUND", "there is no message " + message_id);
  return rows.front();
}

pb::Preferences ToProto(const Uuid& account_id, const std::vector<PreferenceRow>& rows) {
  pb::Preferences out;
  out.set_account_id(account_id.ToText("acc"));
  if (!rows.empty()) {
    for (const std::string& code : rows.front().muted) out.add_muted_templates(code);
  }
  out.set_etag(std::to_string(rows.empty() ? 0 : rows.front().version));
  return out;
}

}  // namespace

absl::StatusOr<pb::ListMessagesResponse> NotificationApp::ListMessages(
    const rpc::Context&, const pb::ListMessagesRequest& request) {
  Violations violations;
  const auto account =
      convert::ReadOptionalId("acc", request.account_id(), "account_id", violations);
  const auto document =
      convert::ReadOptionalId("doc", request.document_id(), "document_id", violations);
  const int32_t size = convert::ReadPageSize(request.page_size(), 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string token, convert::ReadPageToken(request.page_token()));
  db::Params params;
  std::string where;
  // Only the filters that are given stand in the statement, so that each has its index.
  const auto filter = [&](const char* condition, const auto& value) {
    params.Add(value);
    absl::StrAppend(&where, where.empty() ? "WHERE " : " AND ", condition, " $",
                    params.values().size());
  };
  if (account) filter("account_id =", *account);
  if (document) filter("document_id =", *document);
  if (!request.template_code().empty()) filter("template =", request.template_code());
  if (!token.empty()) {
    ASSIGN_OR_RETURN(const Uuid before, Uuid::FromHex(token));
    filter("message_id <", before);
  }
  if (request.states_size() > 0) {
    std::vector<int16_t> states;
    for (const int state : request.states()) states.push_back(static_cast<int16_t>(state));
    params.Add(states);
    absl::StrAppend(&where, where.empty() ? "WHERE " : " AND ", "state = ANY($",
                    params.values().size(), ")");
  }
  params.Add(int64_t{size} + 1);
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(
      const db::Result result,
      tx.ExecParams(absl::StrCat("SELECT ", db::ColumnList<MessageRow>(), " FROM message ", where,
                                 " ORDER BY message_id DESC LIMIT $", params.values().size()),
                    params));
  tx.Rollback();
  std::vector<MessageRow> rows = db::ReadRows<MessageRow>(result);
  pb::ListMessagesResponse response;
  if (rows.size() > static_cast<size_t>(size)) {
    rows.resize(static_cast<size_t>(size));
    response.set_next_page_token(convert::MakePageToken(rows.back().message_id.ToHex()));
  }
  RETURN_IF_ERROR(AddSubjects(*pool_, peers_, rows));
  for (const MessageRow& row : rows) *response.add_messages() = ToProto(row);
  return response;
}

absl::StatusOr<pb::Message> NotificationApp::GetMessage(const rpc::Context&,
                                                        const pb::GetMessageRequest& request) {
  MessageRow row;
  std::vector<DeliveryRow> deliveries;
  {
    ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
    ASSIGN_OR_RETURN(row, Find(tx, request.message_id(), false));
    ASSIGN_OR_RETURN(
        deliveries,
        db::Select<DeliveryRow>(tx, "WHERE account_id = $1 AND message_id = $2 ORDER BY number",
                                row.account_id, row.message_id));
  }
  pb::Message out = ToProto(row);
  for (const DeliveryRow& delivery : deliveries) {
    pb::Delivery* to = out.add_deliveries();
    to->set_number(delivery.number);
    *to->mutable_at() = convert::ToProto(delivery.at);
    to->set_ok(delivery.ok);
    to->set_smtp_code(delivery.smtp_code);
    to->set_detail(delivery.detail);
    to->set_elapsed_ms(delivery.elapsed_ms);
  }
  if (!deliveries.empty() && !deliveries.back().text_body.empty()) {
    out.set_text_body(deliveries.back().text_body);
    out.set_html_body(deliveries.back().html_body);
    return out;
  }
  ASSIGN_OR_RETURN(const Composer composer, Composer::Load(*pool_, peers_, {row}));
  const auto composed = composer.Compose(row);
  if (composed.ok()) {
    out.set_subject(composed->words.subject);
    out.set_text_body(composed->words.text);
    out.set_html_body(composed->words.html);
  }
  return out;
}

// Goes to where the contact reads mail now: a wrong address is the usual reason to retry. A message
// that a worker is just sending stays with it.
absl::StatusOr<pb::Message> NotificationApp::RetryMessage(const rpc::Context& context,
                                                          const pb::RetryMessageRequest& request) {
  return convert::Write<pb::Message>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::Message> {
        ASSIGN_OR_RETURN(MessageRow row, Find(tx, request.message_id(), true));
        if (row.state != kFailed && row.state != kQueued) {
          return FailedPreconditionError(
              "INVALID_STATE", "only a message in state FAILED or QUEUED is tried again; it is " +
                                   pb::Message::State_Name(row.state));
        }
        const absl::Time now = absl::Now();
        const bool in_work = row.leased && row.due_at > now;
        if (in_work || row.recipient.empty()) return ToProto(row);
        ASSIGN_OR_RETURN(
            const db::Result updated,
            tx.Exec("UPDATE message m SET state = 1, error = '', strikes = 0, leased = false, "
                    "due_at = $3, recipient = coalesce((SELECT c.email FROM contact c WHERE "
                    "c.account_id = m.account_id AND c.contact_id = m.contact_id AND "
                    "c.email <> ''), m.recipient) WHERE account_id = $1 AND message_id = $2 "
                    "RETURNING " +
                        db::ColumnList<MessageRow>(),
                    row.account_id, row.message_id, now));
        return ToProto(db::ReadRow<MessageRow>(updated, 0));
      });
}

absl::StatusOr<pb::DeliverySummary> NotificationApp::GetDeliverySummary(
    const rpc::Context&, const pb::GetDeliverySummaryRequest& request) {
  const std::string& code = request.template_code();
  auto rows = code.empty() ? pool_->Exec("SELECT state, count(*) FROM message GROUP BY state")
                           : pool_->Exec(
                                 "SELECT state, count(*) FROM message WHERE template = $1 "
                                 "GROUP BY state",
                                 code);
  RETURN_IF_ERROR(rows.status());
  std::map<int16_t, int64_t> counts;
  for (int i = 0; i < rows->size(); ++i) {
    counts[rows->Get<int16_t>(i, 0)] = rows->Get<int64_t>(i, 1);
  }
  pb::DeliverySummary out;
  out.set_queued(counts[kQueued]);
  out.set_delivered(counts[kDelivered]);
  out.set_failed(counts[kFailed]);
  out.set_suppressed(counts[kSuppressed]);
  return out;
}

absl::StatusOr<pb::Preferences> NotificationApp::GetPreferences(
    const rpc::Context&, const pb::GetPreferencesRequest& request) {
  Violations violations;
  const Uuid id = convert::ReadId("acc", request.account_id(), "account_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  RETURN_IF_ERROR(peers_.CheckAccount(id));
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto rows, db::Select<PreferenceRow>(tx, "WHERE account_id = $1", id));
  return ToProto(id, rows);
}

absl::StatusOr<pb::Preferences> NotificationApp::SetPreferences(
    const rpc::Context& context, const pb::SetPreferencesRequest& request) {
  const pb::Preferences& in = request.preferences();
  Violations violations;
  const Uuid id = convert::ReadId("acc", request.account_id(), "account_id", violations);
  std::vector<std::string> muted;
  for (const std::string& code : in.muted_templates()) {
    const TemplateText* const family = FamilyOf(code);
    violations.Require(family != nullptr, "preferences.muted_templates",
                       "'" + code + "' is no kind of message");
    violations.Require(family == nullptr || !IsDocument(family->code),
                       "preferences.muted_templates", "invoices and credit notes cannot be muted");
    muted.push_back(code);
  }
  RETURN_IF_ERROR(violations.ToStatus());
  std::sort(muted.begin(), muted.end());
  muted.erase(std::unique(muted.begin(), muted.end()), muted.end());
  RETURN_IF_ERROR(peers_.CheckAccount(id));
  const std::string& etag = request.etag().empty() ? in.etag() : request.etag();
  return convert::Write<pb::Preferences>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::Preferences> {
        ASSIGN_OR_RETURN(const auto rows,
                         db::Select<PreferenceRow>(tx, "WHERE account_id = $1 FOR UPDATE", id));
        const int64_t version = rows.empty() ? 0 : rows.front().version;
        if (!etag.empty() && etag != std::to_string(version)) {
          return AbortedError("ETAG_MISMATCH", "they were changed meanwhile; read them again");
        }
        const PreferenceRow row{id, muted, version + 1};
        ASSIGN_OR_RETURN(const int64_t written,
                         db::InsertOne(tx, row,
                                       "ON CONFLICT (account_id) DO UPDATE SET muted = "
                                       "excluded.muted, version = excluded.version "
                                       "WHERE preference.version = excluded.version - 1"));
        if (written == 0) {
          return AbortedError("CONFLICT", "they were set at the same moment; try again");
        }
        return ToProto(id, {row});
      });
}

}  // namespace broadbill::notification
