#include "services/notification/component.h"

#include "absl/strings/numbers.h"
#include "libs/feedrpc/feedrpc.h"
#include "libs/rpc/log.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/notification/app/mailer.h"
#include "services/notification/app/notification_app.h"
#include "services/notification/migrations.h"

namespace broadbill::notification {
namespace {

absl::StatusOr<int> ReadNumber(const rpc::Host& host, const std::string& name, int otherwise,
                               int at_most) {
  const std::string text = host.Setting(name);
  if (text.empty()) return otherwise;
  int value = 0;
  if (absl::SimpleAtoi(text, &value) && value >= 1 && value <= at_most) return value;
  return InvalidField(name, "must be a number from 1 to " + std::to_string(at_most));
}

absl::StatusOr<MailerOptions> ReadOptions(const rpc::Host& host) {
  MailerOptions options;
  options.smtp.url = host.Setting("smtp-url");
  RETURN_IF_ERROR(CheckSmtpUrl(options.smtp.url));
  options.smtp.user = host.Setting("smtp-user");
  options.smtp.password = host.Setting("smtp-password");
  if (const std::string from = host.Setting("mail-from"); !from.empty()) {
    options.from = ParseMailbox(from);
    if (!options.from.has_value()) {
      return InvalidField("mail-from",
                          "must be like billing@isp.example or 'My ISP <billing@isp.example>'");
    }
  }
  ASSIGN_OR_RETURN(options.workers, ReadNumber(host, "smtp-connections", options.workers, 32));
  ASSIGN_OR_RETURN(const int seconds, ReadNumber(host, "smtp-retry-seconds", 60, 86400));
  options.first_retry = absl::Seconds(seconds);
  return options;
}

// The connections to the mail server; without one the queue only fills.
absl::Status AddWorkers(rpc::Host& host, const std::shared_ptr<db::Pool>& pool, Peers& peers) {
  if (host.Setting("smtp-url").empty()) {
    rpc::Log(rpc::LogLevel::kInfo, "no mail server is configured (--smtp-url): mail stays queued");
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const MailerOptions options, ReadOptions(host));
  Mailer* mailer =
      host.Own(std::make_unique<Mailer>(pool, host.clock(), peers, host.metrics(), options));
  for (int i = 0; i < options.workers; ++i) {
    host.AddBackground("mail worker",
                       [mailer](rpc::Background& background) { mailer->Run(background); });
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Register(rpc::Host& host) {
  ASSIGN_OR_RETURN(auto pool,
                   db::OpenPool(host.DatabaseUrl("notification"), "notification", Migrations()));
  Peers* peers =
      host.Own(std::make_unique<Peers>(host.ChannelTo("accounts"), host.ChannelTo("invoicing")));
  NotificationApp* app = host.Own(std::make_unique<NotificationApp>(pool, host.clock(), *peers));
  rpc::Service service("broadbill.notification.v1.Notification");
  service.Unary("ListTemplates", app, &NotificationApp::ListTemplates)
      .Unary("GetTemplate", app, &NotificationApp::GetTemplate)
      .Unary("SetTemplate", app, &NotificationApp::SetTemplate)
      .Unary("PreviewMessage", app, &NotificationApp::PreviewMessage)
      .Unary("ListMessages", app, &NotificationApp::ListMessages)
      .Unary("GetMessage", app, &NotificationApp::GetMessage)
      .Unary("RetryMessage", app, &NotificationApp::RetryMessage)
      .Unary("GetDeliverySummary", app, &NotificationApp::GetDeliverySummary)
      .Unary("GetPreferences", app, &NotificationApp::GetPreferences)
      .Unary("SetPreferences", app, &NotificationApp::SetPreferences);
  host.Add(std::move(service));
  feedrpc::Serve(host, "notification", pool);
  feedrpc::Follow(host, "notification", "accounts", pool,
                  [app](db::Tx& tx, const std::vector<feed::Event>& events) {
                    return app->OnAccountsEvents(tx, events);
                  });
  feedrpc::Follow(host, "notification", "invoicing", pool,
                  [app](db::Tx& tx, const std::vector<feed::Event>& events) {
                    return app->OnInvoicingEvents(tx, events);
                  });
  feedrpc::Follow(host, "notification", "payments", pool,
                  [app](db::Tx& tx, const std::vector<feed::Event>& events) {
                    return app->OnPaymentsEvents(tx, events);
                  });
  feedrpc::Follow(host, "notification", "rating", pool,
                  [app](db::Tx& tx, const std::vector<feed::Event>& events) {
                    return app->OnRatingEvents(tx, events);
                  });
  return AddWorkers(host, pool, *peers);
}

}  // namespace broadbill::notification
