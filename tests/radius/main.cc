// Accounting packets of many sessions into the real program, by itself and behind Debian's
// freeradius, while it is killed again and again; then the usage it tells of every subscriber and
// day against the truth.
//
//   broadbill_radius_load --program build/dev/bin/broadbill [--packets 100000] [--kills 6]
//                         [--seed 1] [--data DIR]
//
// The access servers take turns on three ways: straight to the program's own listener (every
// packet also into freeradius' detail file), through freeradius as a proxy (the first packets by
// radclient), and through freeradius' detail file, which is loaded at the end, twice.

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "broadbill/accounts/v1/subscription.pb.h"
#include "broadbill/rating/v1/usage.pb.h"
#include "broadbill/rating/v1/waiting.pb.h"
#include "libs/convert/convert.h"
#include "libs/db/pool.h"
#include "libs/serve/args.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/imports.h"
#include "services/broadbill/suite.h"
#include "tests/faults/process.h"
#include "tests/radius/freeradius.h"
#include "tests/radius/sender.h"
#include "tests/radius/traffic.h"

namespace broadbill::radius {
namespace {

namespace fs = std::filesystem;
namespace rating = broadbill::rating::v1;
namespace accounts = broadbill::accounts::v1;

constexpr char kSecret[] = "load-s3cret";
constexpr absl::Duration kPatience = absl::Minutes(30);
constexpr size_t kByRadclient = 300;  // packets of the first proxied server

struct Options {
  std::string program, data_dir;
  int64_t packets = 100000;
  int kills = 6;
  uint64_t seed = 1;
};

rpc::Context Caller() {
  rpc::Context out;
  out.principal = {"user:radius_load", {"*"}, ""};
  out.deadline = absl::Now() + absl::Minutes(10);
  return out;
}

class Load {
 public:
  explicit Load(Options options)
      : options_(std::move(options)), traffic_(Generate(options_.seed, options_.packets)) {}

  // What runs under the data folder is taken down by an end in order.
  ~Load() {
    channel_.reset();
    if (listen_port_ != 0 && !stopped_) {
      process_.Kill();
      StartProgram().IgnoreError();
      channel_.reset();
      process_.Stop();
    }
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  void Say() const {
    std::printf(
        "%lld packets of %lld sessions on %zu access servers, %lld of them duplicates, "
        "%lld more lost, %lld restarts\n",
        static_cast<long long>(traffic_.packets), static_cast<long long>(traffic_.sessions),
        traffic_.servers.size(), static_cast<long long>(traffic_.duplicates),
        static_cast<long long>(traffic_.lost), static_cast<long long>(traffic_.restarts));
  }

  absl::StatusOr<bool> Run() {
    listen_port_ = FreePort();
    RETURN_IF_ERROR(StartProgram());
    RETURN_IF_ERROR(LoadCustomers());
    FreeRadius::Options front;
    front.folder = options_.data_dir + "/freeradius";
    front.secret = kSecret;
    front.home_port = listen_port_;
    front.proxy_port = proxy_port_ = FreePort();
    front.detail_port = detail_port_ = FreePort();
    RETURN_IF_ERROR(FreeRadius::Start(front, freeradius_));
    RETURN_IF_ERROR(SendAll());
    freeradius_.Stop();
    RETURN_IF_ERROR(LoadDetail());
    ASSIGN_OR_RETURN(const bool same, Compare());
    channel_.reset();
    process_.Stop();
    stopped_ = true;
    return same;
  }

 private:
  absl::Status StartProgram() {
    faults::Process::Options start;
    start.program = options_.program;
    start.data_dir = options_.data_dir;
    start.clock = "2026-11-05";
    const std::string clients = options_.data_dir + "/radius-clients";
    std::ofstream(clients) << "127.0.0.1 " << kSecret << "\n";
    start.flags = {"--radius-listen", absl::StrCat("127.0.0.1:", listen_port_), "--radius-clients",
                   clients};
    RETURN_IF_ERROR(faults::Process::Start(start, process_));
    if (!process_.alive()) return UnavailableError("DIED", "the program does not stay up");
    ASSIGN_OR_RETURN(const std::string address, program::RunningAddress(options_.data_dir));
    ASSIGN_OR_RETURN(const rpc::TokenKey key, program::InternalKey(options_.data_dir));
    channel_ = rpc::Dial(address, key);
    return absl::OkStatus();
  }

  absl::Status Import(const std::string& kind, const std::string& content) {
    ASSIGN_OR_RETURN(const auto result,
                     program::RunImport(*channel_, Caller(), kind, kind, content));
    if (result.rows_read() > 0 && result.rows_refused() == 0) return absl::OkStatus();
    return FailedPreconditionError("IMPORT", kind + ": " + result.ShortDebugString());
  }

  // An account with one subscription for each user name.
  absl::Status LoadCustomers() {
    std::string people =
        "account_number,name,time_zone,cycle_day,street,city,region,postal_code,country\n";
    std::string items = "subscription_id,account_number,plan,start_date,radius_username\n";
    for (const std::string& user : traffic_.users) {
      absl::StrAppend(&people, user, ",", user, ",", kZone,
                      ",1,1 Main Street,Duluth,MN,55802,US\n");
      absl::StrAppend(&items, user, ",", user, ",fibre,2026-01-01,", user, "\n");
    }
    RETURN_IF_ERROR(Import("plans",
                           "code,name,kind,tax_class,account_code,price,timing\n"
                           "fibre,Fibre,internet,internet_access,4000,39.99,advance\n"));
    RETURN_IF_ERROR(Import("accounts", people));
    RETURN_IF_ERROR(Import("subscriptions", items));
    for (const std::string& user : traffic_.users) {
      accounts::ListSubscriptionsRequest request;
      request.set_external_id(user);
      ASSIGN_OR_RETURN(const auto found,
                       channel_->Call<accounts::ListSubscriptionsResponse>(
                           "broadbill.accounts.v1.Accounts/ListSubscriptions", request, Caller()));
      if (found.subscriptions_size() != 1)
        return InternalError("CUSTOMERS", user + " is not there");
      items_[user] = found.subscriptions(0);
    }
    return WaitKnown();
  }

  // Rating learns by feed whose a name is.
  absl::Status WaitKnown() {
    db::Pool::Options options;
    options.url = absl::StrCat("host=", options_.data_dir, "/run user=broadbill dbname=broadbill");
    db::Pool pool(options);
    const absl::Time deadline = absl::Now() + absl::Minutes(2);
    while (absl::Now() < deadline) {
      ASSIGN_OR_RETURN(
          const db::Result known,
          pool.Exec("SELECT count(DISTINCT item_id) FROM rating.subject JOIN rating.item_terms "
                    "USING (item_id)"));
      if (known.Get<int64_t>(0, 0) == static_cast<int64_t>(items_.size())) return absl::OkStatus();
      absl::SleepFor(absl::Milliseconds(50));
    }
    return DeadlineExceededError("FEEDS", "rating does not learn of the subscriptions");
  }

  void SendTo(const std::vector<Packet>& packets, int port, bool counted) {
    std::atomic<int64_t> other = 0;
    const Sent sent = Send(packets, port, kSecret, kPatience, counted ? progress_ : other);
    retransmitted_ += sent.retransmitted;
    if (!sent.whole) unanswered_ = true;
  }

  void SendServer(size_t server) {
    const std::vector<Packet>& packets = traffic_.servers[server];
    const size_t way = server % 3;
    if (way == 0) {
      SendTo(packets, listen_port_, true);
      SendTo(packets, detail_port_, false);
    } else if (way == 1) {
      const size_t first = server == 1 ? std::min(kByRadclient, packets.size()) : 0;
      if (first > 0) Radclient({packets.begin(), packets.begin() + static_cast<long>(first)});
      SendTo({packets.begin() + static_cast<long>(first), packets.end()}, proxy_port_, true);
    } else {
      SendTo(packets, detail_port_, true);
    }
  }

  void Radclient(const std::vector<Packet>& packets) {
    const std::string file = options_.data_dir + "/packets";
    std::ofstream out(file);
    for (const Packet& packet : packets) {
      for (int i = 0; i < (packet.again ? 2 : 1); ++i) out << Text(packet);
    }
    out.close();
    const int status = RunProgram(
        {"/usr/bin/radclient", "-q", "-d", "/usr/share/freeradius", "-p", "32", "-r", "60", "-t",
         "2", "-f", file, absl::StrCat("127.0.0.1:", proxy_port_), "acct", kSecret},
        options_.data_dir + "/radclient.log");
    if (status != 0) unanswered_ = true;
    for (const Packet& packet : packets) progress_ += packet.again ? 2 : 1;
  }

  absl::Status SendAll() {
    const absl::Time begin = absl::Now();
    std::vector<std::thread> senders;
    std::atomic<size_t> done = 0;
    for (size_t i = 0; i < traffic_.servers.size(); ++i) {
      senders.emplace_back([this, i, &done] {
        SendServer(i);
        ++done;
      });
    }
    absl::Status status;
    int kills = 0;
    while (done < senders.size()) {
      const int64_t due = traffic_.packets * (kills + 1) / (options_.kills + 1);
      if (status.ok() && kills < options_.kills && progress_ >= due) {
        process_.SendKill();
        process_.Kill();
        absl::SleepFor(absl::Milliseconds(300));
        status = StartProgram();
        ++kills;
      }
      absl::SleepFor(absl::Milliseconds(2));
    }
    for (std::thread& sender : senders) sender.join();
    RETURN_IF_ERROR(status);
    const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
    std::printf("%lld packets answered in %.1f s (%.0f/s), %d kills, %lld retransmissions\n",
                static_cast<long long>(progress_.load()), seconds,
                static_cast<double>(progress_.load()) / seconds, kills,
                static_cast<long long>(retransmitted_.load()));
    if (unanswered_) return UnavailableError("UNANSWERED", "not every packet was answered");
    if (kills < options_.kills) return InternalError("KILLS", "it was not killed often enough");
    return absl::OkStatus();
  }

  absl::Status LoadDetail() {
    std::ifstream in(freeradius_.detail_file(), std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    RETURN_IF_ERROR(Import("usage-detail", text.str()));
    return Import("usage-detail", text.str());
  }

  absl::StatusOr<bool> Compare() {
    int64_t differences = 0;
    Bytes total;
    for (const std::string& user : traffic_.users) {
      rating::ListUsageRequest request;
      request.set_account_id(items_[user].account_id());
      request.set_item_id(items_[user].subscription_id());
      *request.mutable_start_time() = convert::ToProto(traffic_.days.front());
      *request.mutable_end_time() = convert::ToProto(traffic_.days.back());
      request.set_granularity(rating::ListUsageRequest::DAY);
      ASSIGN_OR_RETURN(const auto usage,
                       channel_->Call<rating::ListUsageResponse>(
                           "broadbill.rating.v1.Rating/ListUsage", request, Caller()));
      const std::vector<Bytes>& truth = traffic_.truth[user];
      if (static_cast<size_t>(usage.buckets_size()) != truth.size()) ++differences;
      for (size_t day = 0; day < truth.size(); ++day) {
        Bytes told;
        if (day < static_cast<size_t>(usage.buckets_size())) {
          told = {static_cast<uint64_t>(usage.buckets(static_cast<int>(day)).bytes_in()),
                  static_cast<uint64_t>(usage.buckets(static_cast<int>(day)).bytes_out())};
        }
        total.in += truth[day].in;
        total.out += truth[day].out;
        if (told == truth[day]) continue;
        if (++differences <= 20) {
          std::printf("%s, day %zu: %llu in, %llu out; it should be %llu in, %llu out\n",
                      user.c_str(), day, static_cast<unsigned long long>(told.in),
                      static_cast<unsigned long long>(told.out),
                      static_cast<unsigned long long>(truth[day].in),
                      static_cast<unsigned long long>(truth[day].out));
        }
      }
    }
    ASSIGN_OR_RETURN(const auto waiting, channel_->Call<rating::ListWaitingRecordsResponse>(
                                             "broadbill.rating.v1.Rating/ListWaitingRecords",
                                             rating::ListWaitingRecordsRequest(), Caller()));
    std::printf("%zu users, %zu days: %llu octets in, %llu out; differences %lld, waiting %d\n",
                traffic_.users.size(), traffic_.days.size() - 1,
                static_cast<unsigned long long>(total.in),
                static_cast<unsigned long long>(total.out), static_cast<long long>(differences),
                waiting.records_size());
    return differences == 0 && waiting.records_size() == 0;
  }

  const Options options_;
  Traffic traffic_;
  faults::Process process_;
  FreeRadius freeradius_;
  std::shared_ptr<rpc::Channel> channel_;
  std::map<std::string, accounts::Subscription> items_;  // by user
  bool stopped_ = false;
  int listen_port_ = 0, proxy_port_ = 0, detail_port_ = 0;
  std::atomic<int64_t> progress_ = 0, retransmitted_ = 0;
  std::atomic<bool> unanswered_ = false;
};

int Main(const serve::Args& args) {
  Options options;
  options.program = args.Get("program", "build/dev/bin/broadbill");
  options.data_dir = args.Get("data", absl::StrCat("/tmp/broadbill-radius-", getpid()));
  options.packets = args.GetInt("packets", 100000);
  options.kills = static_cast<int>(args.GetInt("kills", 6));
  options.seed = static_cast<uint64_t>(args.GetInt("seed", 1));
  std::printf("seed %llu, data in %s\n", static_cast<unsigned long long>(options.seed),
              options.data_dir.c_str());
  fs::create_directories(options.data_dir);
  // PostgreSQL runs as another user when we are root and must get in.
  chmod(options.data_dir.c_str(), 0755);
  bool same = false;
  {
    Load load(options);
    load.Say();
    const auto done = load.Run();
    if (!done.ok()) std::printf("FAILED: %s\n", std::string(done.status().message()).c_str());
    same = done.ok() && *done;
  }
  std::error_code ec;
  if (same) fs::remove_all(options.data_dir, ec);
  if (!same) std::printf("what is left lies in %s\n", options.data_dir.c_str());
  return same ? 0 : 1;
}

}  // namespace
}  // namespace broadbill::radius

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  return broadbill::radius::Main(broadbill::serve::ParseArgs(argc, argv, {}));
}
