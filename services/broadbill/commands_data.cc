#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>

#include <fstream>
#include <iostream>
#include <sstream>

#include "absl/strings/escaping.h"
#include "broadbill/common/v1/import_result.pb.h"
#include "broadbill/gateway/v1/api_key.pb.h"
#include "broadbill/invoicing/v1/bill_run.pb.h"
#include "libs/calendar/date.h"
#include "libs/convert/convert.h"
#include "libs/status/error.h"
#include "services/broadbill/client.h"
#include "services/broadbill/imports.h"

namespace broadbill::program {
namespace {

namespace invoicing = broadbill::invoicing::v1;
namespace gateway = broadbill::gateway::v1;

void PrintResult(const broadbill::common::v1::ImportResult& result) {
  std::cout << result.rows_read() << " rows read, " << result.rows_applied() << " applied, "
            << result.rows_skipped() << " skipped, " << result.rows_refused() << " refused\n";
  for (const auto& count : result.counts()) {
    std::cout << "  " << count.name() << ": " << count.count() << "\n";
  }
  for (const std::string& difference : result.differences())
    std::cout << "  " << difference << "\n";
  for (const auto& error : result.errors()) {
    std::cout << "  line " << error.line() << (error.column().empty() ? "" : ", " + error.column())
              << (error.value().empty() ? "" : " '" + error.value() + "'") << ": "
              << error.message() << " [" << error.reason() << "]\n";
  }
}

}  // namespace

const std::map<std::string, ImportKind>& ImportKinds() {
  static const auto* const kinds = new std::map<std::string, ImportKind>{
      {"accounts", {"broadbill.accounts.v1.Accounts/ImportAccounts", "{}"}},
      {"plans", {"broadbill.accounts.v1.Accounts/ImportPlans", "{}"}},
      {"subscriptions", {"broadbill.accounts.v1.Accounts/ImportSubscriptions", "{}"}},
      {"changes", {"broadbill.accounts.v1.Accounts/ImportSubscriptionChanges", "{}"}},
      {"tax-rates", {"broadbill.tax.v1.Tax/ImportRates", R"({"format":"CSV"})"}},
      {"tax-rates-sst", {"broadbill.tax.v1.Tax/ImportRates", R"({"format":"SST"})"}},
      {"tax-areas", {"broadbill.tax.v1.Tax/ImportBoundaries", R"({"format":"CSV"})"}},
      {"tax-areas-sst", {"broadbill.tax.v1.Tax/ImportBoundaries", R"({"format":"SST"})"}},
      {"deck", {"broadbill.rating.v1.Rating/ImportDeck", "{}"}},
      {"usage-detail", {"broadbill.rating.v1.Rating/ImportUsage", R"({"format":"RADIUS_DETAIL"})"}},
      {"usage-radacct", {"broadbill.rating.v1.Rating/ImportUsage", R"({"format":"RADACCT_CSV"})"}},
      {"usage-events", {"broadbill.rating.v1.Rating/ImportUsage", R"({"format":"EVENTS_CSV"})"}},
      {"calls", {"broadbill.rating.v1.Rating/ImportCalls", R"({"format":"ASTERISK_CDR_CSV"})"}},
      {"calls-freeswitch",
       {"broadbill.rating.v1.Rating/ImportCalls", R"({"format":"FREESWITCH_CDR_CSV"})"}},
      {"calls-freeswitch-json",
       {"broadbill.rating.v1.Rating/ImportCalls", R"({"format":"FREESWITCH_JSON"})"}},
      {"calls-mapped", {"broadbill.rating.v1.Rating/ImportCalls", R"({"format":"MAPPED_CSV"})"}},
      {"usage-mapped", {"broadbill.rating.v1.Rating/ImportUsage", R"({"format":"MAPPED_CSV"})"}},
      {"payment-methods", {"broadbill.payments.v1.Payments/ImportPaymentMethods", "{}"}},
      {"opening-balances", {"broadbill.payments.v1.Payments/ImportOpeningBalances", "{}"}},
  };
  return *kinds;
}

absl::StatusOr<broadbill::common::v1::ImportResult> RunImport(
    rpc::Channel& channel, const rpc::Context& context, const std::string& kind,
    const std::string& source_name, const std::string& content,
    const std::map<std::string, std::string>& fields, bool validate_only) {
  const auto found = ImportKinds().find(kind);
  if (found == ImportKinds().end()) {
    return InvalidArgumentError("UNKNOWN_KIND", "no import '" + kind + "'");
  }
  const std::string& method = found->second.method;
  const auto* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
      method.substr(0, method.find('/')));
  const auto* rpc = descriptor->FindMethodByName(method.substr(method.find('/') + 1));
  std::unique_ptr<google::protobuf::Message> request(
      google::protobuf::MessageFactory::generated_factory()
          ->GetPrototype(rpc->input_type())
          ->New());
  auto parsed = google::protobuf::util::JsonStringToMessage(found->second.defaults, request.get());
  for (const auto& [name, value] : fields) {
    std::unique_ptr<google::protobuf::Message> one(request->New());
    // Messages are given as JSON, all else as it stands.
    const std::string text = value.substr(0, 1) == "{" ? value : "\"" + value + "\"";
    parsed =
        google::protobuf::util::JsonStringToMessage("{\"" + name + "\":" + text + "}", one.get());
    if (!parsed.ok())
      return InvalidField(name, "'" + value + "' does not fit: " + std::string(parsed.message()));
    request->MergeFrom(*one);
  }
  const auto* reflection = request->GetReflection();
  const auto field = [&](const char* name) { return rpc->input_type()->FindFieldByName(name); };
  reflection->SetString(request.get(), field("content"), content);
  reflection->SetString(request.get(), field("source_name"), source_name);
  reflection->SetBool(request.get(), field("validate_only"), validate_only);
  return channel.Call<broadbill::common::v1::ImportResult>(method, *request, context);
}

int Import(const Args& args) {
  if (args.words.size() < 2) {
    std::cout << "broadbill import KIND FILE [--dry-run] [--field value …]; kinds:\n";
    for (const auto& [name, kind] : ImportKinds()) {
      std::cout << "  " << name << "  (" << kind.method << ")\n";
    }
    return args.words.empty() ? 0 : 2;
  }
  std::ifstream in(args.words[1], std::ios::binary);
  if (!in) {
    std::cerr << "broadbill: cannot read " << args.words[1] << "\n";
    return 1;
  }
  std::stringstream content;
  content << in.rdbuf();
  std::map<std::string, std::string> fields;
  for (const auto& [name, value] : args.options) {
    if (name == "data" || name == "address" || name == "dry-run" || name == "verbose") continue;
    std::string proto_name = name;
    for (char& c : proto_name) c = c == '-' ? '_' : c;
    fields[proto_name] = value;
  }
  auto client = Connect(args);
  if (!client.ok()) return Fail(client.status());
  const auto result = RunImport(*client->channel, client->context, args.words[0], args.words[1],
                                content.str(), fields, args.Has("dry-run"));
  if (!result.ok()) return Fail(result.status());
  PrintResult(*result);
  return result->rows_refused() > 0 && result->rows_applied() == 0 ? 1 : 0;
}

int Bill(const Args& args) {
  const auto as_of = ParseDate(args.Get("as-of"));
  if (!as_of.ok()) {
    std::cerr << "broadbill bill --as-of 2026-04-01 [--mode dry|draft|post]\n";
    return 2;
  }
  auto client = Connect(args);
  if (!client.ok()) return Fail(client.status());
  invoicing::CreateBillRunRequest request;
  *request.mutable_as_of() = convert::ToProto(*as_of);
  const std::string mode = args.Get("mode", "post");
  request.set_mode(mode == "dry"     ? invoicing::BillRun::DRY
                   : mode == "draft" ? invoicing::BillRun::DRAFT
                                     : invoicing::BillRun::POST);
  const auto run = client->channel->Call<invoicing::BillRun>(
      "broadbill.invoicing.v1.Invoicing/CreateBillRun", request, client->context);
  if (!run.ok()) return Fail(run.status());
  invoicing::WatchBillRunRequest watch;
  watch.set_bill_run_id(run->bill_run_id());
  invoicing::BillRun now;
  const absl::Status status = client->channel->ReadStream(
      "broadbill.invoicing.v1.Invoicing/WatchBillRun", watch, now, client->context, [&] {
        const auto& p = now.progress();
        std::cerr << "\r" << p.phase() << ": " << p.accounts_done() << " of " << p.accounts_total()
                  << " accounts, " << p.documents_posted() << " documents posted, "
                  << p.exceptions() << " exceptions   " << std::flush;
        return true;
      });
  std::cerr << "\n";
  if (!status.ok()) return Fail(status);
  std::cout << now.bill_run_id() << " " << invoicing::BillRun::State_Name(now.state()) << "\n";
  for (const auto& totals : now.totals()) {
    std::cout << totals.invoices() << " invoices, " << totals.credit_notes()
              << " credit notes, total " << totals.total().units() << " " << totals.currency_code()
              << "\n";
  }
  for (const auto& count : now.exception_counts()) {
    std::cout << "exception " << invoicing::RunException::Reason_Name(count.reason()) << ": "
              << count.count() << "\n";
  }
  return 0;
}

int ApiKey(const Args& args) {
  if (args.words.size() < 2 || args.words[0] != "create") {
    std::cerr << "broadbill apikey create NAME [--permissions 'accounts.*,invoices.read']\n";
    return 2;
  }
  auto client = Connect(args);
  if (!client.ok()) return Fail(client.status());
  gateway::CreateApiKeyRequest request;
  request.mutable_api_key()->set_name(args.words[1]);
  std::stringstream list(args.Get("permissions", "*"));
  for (std::string one; std::getline(list, one, ',');) {
    request.mutable_api_key()->add_permissions(one);
  }
  const auto made = client->channel->Call<gateway::CreateApiKeyResponse>(
      "broadbill.gateway.v1.Gateway/CreateApiKey", request, client->context);
  if (!made.ok()) return Fail(made.status());
  std::cout << made->secret() << "\n";
  return 0;
}

}  // namespace broadbill::program
