#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broadbill/notification/v1/events.pb.h"
#include "broadbill/notification/v1/message.pb.h"
#include "broadbill/notification/v1/template.pb.h"
#include "libs/calendar/clock.h"
#include "libs/convert/write.h"
#include "libs/feed/consumer.h"
#include "libs/rpc/context.h"
#include "services/notification/app/clients/peers.h"
#include "services/notification/app/composer.h"
#include "services/notification/store/rows.h"

namespace broadbill::notification {

namespace pb = broadbill::notification::v1;

class NotificationApp {
 public:
  NotificationApp(std::shared_ptr<db::Pool> pool, const Clock& clock, Peers& peers)
      : pool_(std::move(pool)), clock_(clock), peers_(peers) {}

  // templates.cc
  absl::StatusOr<pb::ListTemplatesResponse> ListTemplates(const rpc::Context&,
                                                          const pb::ListTemplatesRequest&);
  absl::StatusOr<pb::Template> GetTemplate(const rpc::Context&, const pb::GetTemplateRequest&);
  absl::StatusOr<pb::Template> SetTemplate(const rpc::Context&, const pb::SetTemplateRequest&);
  absl::StatusOr<pb::PreviewMessageResponse> PreviewMessage(const rpc::Context&,
                                                            const pb::PreviewMessageRequest&);
  // messages.cc
  absl::StatusOr<pb::ListMessagesResponse> ListMessages(const rpc::Context&,
                                                        const pb::ListMessagesRequest&);
  absl::StatusOr<pb::Message> GetMessage(const rpc::Context&, const pb::GetMessageRequest&);
  absl::StatusOr<pb::Message> RetryMessage(const rpc::Context&, const pb::RetryMessageRequest&);
  absl::StatusOr<pb::DeliverySummary> GetDeliverySummary(const rpc::Context&,
                                                         const pb::GetDeliverySummaryRequest&);
  absl::StatusOr<pb::Preferences> GetPreferences(const rpc::Context&,
                                                 const pb::GetPreferencesRequest&);
  absl::StatusOr<pb::Preferences> SetPreferences(const rpc::Context&,
                                                 const pb::SetPreferencesRequest&);
  // feeds.cc
  absl::Status OnAccountsEvents(db::Tx& tx, const std::vector<feed::Event>& events);
  absl::Status OnInvoicingEvents(db::Tx& tx, const std::vector<feed::Event>& events);
  absl::Status OnPaymentsEvents(db::Tx& tx, const std::vector<feed::Event>& events);
  absl::Status OnRatingEvents(db::Tx& tx, const std::vector<feed::Event>& events);

 private:
  // Makes the messages of these facts (rows without addressee): one per recipient, or one that says
  // why there is none, or one that waits until its account is known.
  absl::Status Enqueue(db::Tx& tx, const std::vector<MessageRow>& facts);
  // Customers as they are now; messages that waited for them get their addressees.
  absl::Status UpdateCustomers(db::Tx& tx, const std::vector<CustomerRow>& customers,
                               const std::vector<ContactRow>& contacts);
  // Facts whose event has no message of that template yet.
  absl::StatusOr<std::vector<MessageRow>> WithoutKnown(db::Tx& tx, std::vector<MessageRow> facts);

  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
  Peers& peers_;
};

}  // namespace broadbill::notification
