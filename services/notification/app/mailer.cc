#include "services/notification/app/mailer.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "broadbill/notification/v1/events.pb.h"
#include "libs/convert/convert.h"
#include "libs/db/feed_event.h"
#include "libs/rpc/log.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/notification/domain/builtin.h"

namespace broadbill::notification {
namespace {

namespace pb = broadbill::notification::v1;

constexpr char kSource[] = "notification";
constexpr char kDefaultFrom[] = "billing@localhost";
constexpr int kRefusalsMax = 12;
constexpr absl::Duration kRetryMax = absl::Hours(4);
constexpr absl::Duration kPauseFirst = absl::Seconds(1);
constexpr absl::Duration kPauseMax = absl::Minutes(1);
constexpr absl::Duration kIdle = absl::Milliseconds(200);
// What one message may take at most: the PDF, the server's answer, the record.
constexpr absl::Duration kOneMessage = absl::Seconds(120);

// The service asked cannot answer now; the message is not to blame. A deadline is none: one
// document that takes too long must not hold up the others.
bool IsOutage(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
         absl::IsAborted(status) || absl::IsCancelled(status);
}

const char* OutcomeName(SmtpAnswer::Outcome outcome) {
  switch (outcome) {
    case SmtpAnswer::kTaken:
      return "delivered";
    case SmtpAnswer::kTryLater:
      return "later";
    case SmtpAnswer::kRefused:
      return "refused";
    case SmtpAnswer::kUnreachable:
      return "unreachable";
  }
  return "unreachable";
}

db::FeedEvent ToEvent(const MessageRow& row, absl::Time now) {
  pb::Event event;
  event.set_account_id(row.account_id.ToText("acc"));
  event.set_event_id(Uuid::Make(now).ToText("evt"));
  *event.mutable_at() = convert::ToProto(now);
  if (row.state == kDelivered) {
    pb::MessageDelivered* out = event.mutable_message_delivered();
    out->set_message_id(row.message_id.ToText("msg"));
    out->set_template_code(row.template_code);
    if (row.document_id) out->set_document_id(row.document_id->ToText("doc"));
  } else {
    pb::MessageFailed* out = event.mutable_message_failed();
    out->set_message_id(row.message_id.ToText("msg"));
    out->set_template_code(row.template_code);
    out->set_error(row.error);
  }
  return {event.GetTypeName(), row.account_id, event.SerializeAsString()};
}

}  // namespace

std::optional<absl::Duration> RetryAfter(int refusals, absl::Duration first_retry) {
  if (refusals >= kRefusalsMax) return std::nullopt;
  absl::Duration wait = first_retry;
  for (int i = 1; i < refusals && wait < kRetryMax; ++i) wait *= 2;
  return std::min(wait, kRetryMax);
}

Mailer::Mailer(std::shared_ptr<db::Pool> pool, const Clock& clock, Peers& peers,
               rpc::Metrics& metrics, MailerOptions options)
    : pool_(std::move(pool)),
      clock_(clock),
      peers_(peers),
      metrics_(metrics),
      options_(std::move(options)) {}

void Mailer::Run(rpc::Background& background) {
  Worker worker{background, SmtpSender(options_.smtp), absl::ZeroDuration()};
  while (!background.stopping()) {
    const auto sent = SendBatch(worker);
    if (!sent.ok()) {
      rpc::Log(
          rpc::LogLevel::kWarning, "mail queue",
          {{"error", std::string(sent.status().message())}, {"reason", ReasonOf(sent.status())}});
      background.WaitFor(kPauseFirst);
    } else if (worker.pause > absl::ZeroDuration()) {
      background.WaitFor(worker.pause);
    } else if (!*sent) {
      background.WaitFor(kIdle);
    }
  }
}

absl::StatusOr<bool> Mailer::SendBatch(Worker& worker) {
  const absl::Time lease_end = absl::Now() + options_.lease;
  ASSIGN_OR_RETURN(const std::vector<MessageRow> rows,
                   ClaimDue(*pool_, options_.batch, absl::Now(), lease_end));
  if (rows.empty()) return false;
  const auto composer = Composer::Load(*pool_, peers_, rows);
  absl::Status status = composer.status();
  std::string why;
  size_t done = 0;
  while (status.ok() && done < rows.size()) {
    // The rest of a batch that took long, or of a stopping process, goes to whoever comes next.
    const bool late = done > 0 && absl::Now() + kOneMessage > lease_end;
    if (late || worker.background.stopping()) break;
    const auto sent = SendOne(worker, *composer, rows[done], why);
    status = sent.status();
    if (status.ok() && !*sent) break;
    ++done;
  }
  if (why.empty()) {
    if (worker.pause > absl::ZeroDuration()) {
      rpc::Log(rpc::LogLevel::kInfo, "mail goes out again");
    }
    worker.pause = absl::ZeroDuration();
  } else {
    if (worker.pause == absl::ZeroDuration()) {
      rpc::Log(rpc::LogLevel::kWarning, "mail waits", {{"reason", why}});
    }
    worker.pause = std::clamp(worker.pause * 2, kPauseFirst, kPauseMax);
  }
  const std::vector<MessageRow> rest(rows.begin() + static_cast<std::ptrdiff_t>(done), rows.end());
  RETURN_IF_ERROR(GiveBack(*pool_, rest, absl::Now(), why));
  RETURN_IF_ERROR(status);
  return true;
}

absl::StatusOr<std::string> Mailer::Compose(const Composer& composer, MessageRow& row,
                                            Rendered& words, std::string& from) {
  ASSIGN_OR_RETURN(Composed composed, composer.Compose(row));
  Mail mail;
  const Mailbox sender = options_.from.value_or(Mailbox());
  mail.from_name = sender.name.empty() ? composed.seller.name : sender.name;
  const bool seller_mail = IsMailAddress(composed.seller.email);
  mail.from_address = !sender.address.empty() ? sender.address
                      : seller_mail           ? composed.seller.email
                                              : std::string(kDefaultFrom);
  if (seller_mail && composed.seller.email != mail.from_address) {
    mail.reply_to = composed.seller.email;
  }
  mail.to_name = row.recipient_name;
  mail.to_address = row.recipient;
  mail.subject = composed.words.subject;
  mail.text = composed.words.text;
  mail.html = composed.words.html;
  // Id and date are the message's own, so that a repeat is recognisable as one.
  mail.message_id =
      row.message_id.ToText("msg") + mail.from_address.substr(mail.from_address.find('@'));
  mail.date = row.created_at;
  const TemplateText* const family = FamilyOf(row.template_code);
  if (row.document_id && family != nullptr && IsDocument(family->code)) {
    ASSIGN_OR_RETURN(File file, peers_.GetPdf(*row.document_id));
    row.file_name = file.name;
    row.file_size = static_cast<int64_t>(file.bytes.size());
    mail.attachments.push_back({file.name, file.content_type, std::move(file.bytes)});
  }
  row.subject = composed.words.subject;
  words = std::move(composed.words);
  from = mail.from_address;
  return ToMime(mail);
}

absl::StatusOr<bool> Mailer::SendOne(Worker& worker, const Composer& composer,
                                     const MessageRow& row, std::string& why) {
  MessageRow after = row;
  DeliveryRow delivery;
  delivery.at = absl::Now();
  SmtpAnswer answer;
  Rendered words;
  std::string from;
  const auto mime = Compose(composer, after, words, from);
  if (mime.ok()) {
    answer = worker.sender.Send(from, row.recipient, *mime);
  } else if (IsOutage(mime.status())) {
    answer = {SmtpAnswer::kUnreachable, 0, std::string(mime.status().message())};
  } else {
    answer = {SmtpAnswer::kTryLater, 0, std::string(mime.status().message())};
  }
  metrics_.Count("broadbill_mail_tries_total", {{"outcome", OutcomeName(answer.outcome)}});
  if (answer.outcome == SmtpAnswer::kUnreachable) {
    why = answer.detail.empty() ? "the mail server takes no mail" : answer.detail;
    return false;
  }
  delivery.elapsed_ms = absl::ToInt64Milliseconds(absl::Now() - delivery.at);
  delivery.text_body = std::move(words.text);
  delivery.html_body = std::move(words.html);
  RETURN_IF_ERROR(Record(worker, row, std::move(after), answer, std::move(delivery)));
  return true;
}

// The server's word is out: it is recorded even when the database is away for a while, as long as
// the message is ours.
absl::Status Mailer::Record(Worker& worker, const MessageRow& claimed, MessageRow after,
                            const SmtpAnswer& answer, DeliveryRow delivery) {
  const absl::Time now = absl::Now();
  after.error = answer.outcome == SmtpAnswer::kTaken ? "" : answer.detail;
  after.due_at = now;
  if (answer.outcome == SmtpAnswer::kTaken) {
    after.state = kDelivered;
    after.delivered_at = now;
  } else {
    ++after.strikes;
    const auto wait = RetryAfter(after.strikes, options_.first_retry);
    const bool over = answer.outcome == SmtpAnswer::kRefused || !wait.has_value();
    after.state = over ? kFailed : kQueued;
    if (!over) after.due_at = now + *wait;
  }
  delivery.ok = answer.outcome == SmtpAnswer::kTaken;
  delivery.smtp_code = answer.code;
  delivery.detail = answer.detail;
  const absl::Time until = claimed.due_at;
  while (true) {
    bool ours = false;
    const absl::Status status = db::RunTx(*pool_, [&](db::Tx& tx) -> absl::Status {
      ASSIGN_OR_RETURN(ours, RecordTry(tx, claimed, after, delivery));
      if (!ours || after.state == kQueued) return absl::OkStatus();
      return db::AppendFeed(tx, {ToEvent(after, clock_.Now())}, clock_.Now());
    });
    if (status.ok()) {
      if (ours) {
        db::SignalFeed(kSource);
      } else {
        rpc::Log(rpc::LogLevel::kWarning, "a message's lease ran out while it was sent",
                 {{"message_id", claimed.message_id.ToText("msg")}});
      }
      return status;
    }
    const bool give_up = !absl::IsUnavailable(status) || absl::Now() > until;
    if (give_up || worker.background.WaitFor(kIdle)) return status;
  }
}

}  // namespace broadbill::notification
