#pragma once

// The demo's suite: all services on a private database, a clock that the demo moves, a mail server;
// reached through the public RPCs only.

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "broadbill/common/v1/import_result.pb.h"
#include "libs/calendar/clock.h"
#include "libs/calendar/date.h"
#include "services/broadbill/demo/mail_server.h"
#include "services/broadbill/demo/progress.h"
#include "services/broadbill/suite.h"

namespace broadbill::program {

struct DemoOptions {
  int64_t accounts = 2000;
  std::string data_dir = ".demo";
  std::string gateway_listen = "127.0.0.1:0";
  std::string export_dir;  // "" = no export
  bool keep = false;       // leave the database
  bool exit = false;       // do not wait for Ctrl-C
};

class World {
 public:
  // Makes the folder, starts the servers and the suite. Refuses a folder that is not a demo's.
  static absl::StatusOr<std::unique_ptr<World>> Start(const DemoOptions& options,
                                                      Progress& progress);

  // Ends suite, servers and mail server; nothing else may be called afterwards.
  void Stop();

  const DemoOptions& options() const { return options_; }
  Progress& progress() { return progress_; }
  Suite& suite() { return *suite_; }
  const MailServer* mail_server() const { return mail_server_.get(); }
  std::string input(const std::string& name) const { return options_.data_dir + "/input/" + name; }

  void SetDay(CivilDay day);
  CivilDay today() const { return today_; }
  // Whether the service is part of this build.
  bool Has(const std::string& service) const;
  std::shared_ptr<rpc::Channel> Channel(const std::string& service) {
    return suite_->host().ChannelTo(service);
  }
  // Of a person at the console who may do all; half a day for each call.
  rpc::Context Context() const;

  template <class Response>
  absl::StatusOr<Response> Call(const std::string& method,
                                const google::protobuf::Message& request) {
    return Channel(ServiceOf(method))->Call<Response>(method, request, Context());
  }

  // Loads CSV text through the public import; any refused row is an error.
  absl::StatusOr<broadbill::common::v1::ImportResult> Import(
      const std::string& kind, const std::string& name, const std::string& content,
      const std::map<std::string, std::string>& fields = {});
  // Loads a file of the input, a large one in parts; the number of rows.
  absl::StatusOr<int64_t> ImportFile(const std::string& kind, const std::string& name,
                                     const std::map<std::string, std::string>& fields = {});
  // Waits until every service has applied what the others told.
  absl::Status Settle();
  // An error when Ctrl-C or SIGTERM asked for the end; looked at between steps.
  static absl::Status CheckInterrupt();

 private:
  World(const DemoOptions& options, Progress& progress);
  // "tax" of "broadbill.tax.v1.Tax/BatchCalculate".
  static std::string ServiceOf(const std::string& method);
  absl::Status MakeFolder() const;

  const DemoOptions options_;
  Progress& progress_;
  FakeClock clock_;
  CivilDay today_;
  std::unique_ptr<MailServer> mail_server_;  // outlives the suite, which sends to it
  std::unique_ptr<Suite> suite_;
};

}  // namespace broadbill::program
