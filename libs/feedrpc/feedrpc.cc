#include "libs/feedrpc/feedrpc.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>

#include "absl/time/clock.h"
#include "broadbill/common/v1/feed.pb.h"
#include "libs/rpc/log.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::feedrpc {
namespace {

namespace pb = broadbill::common::v1;
constexpr char kReadFeed[] = "broadbill.common.v1.Feed/ReadFeed";
constexpr int kRowsMax = 1024;
constexpr int kWaitMillisMax = 1000;

// The wire form of a row's events: each a varint length and the serialized Event.
std::string Delimit(const std::vector<std::string>& bodies) {
  std::string out;
  google::protobuf::io::StringOutputStream stream(&out);
  google::protobuf::io::CodedOutputStream coded(&stream);
  for (const std::string& body : bodies) {
    coded.WriteVarint32(static_cast<uint32_t>(body.size()));
    coded.WriteString(body);
  }
  coded.Trim();
  return out;
}

std::vector<std::string> Undelimit(const std::string& payload) {
  std::vector<std::string> out;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(payload.data()),
                                            static_cast<int>(payload.size()));
  uint32_t size = 0;
  while (in.ReadVarint32(&size)) {
    std::string body;
    if (!in.ReadString(&body, static_cast<int>(size))) break;
    out.push_back(std::move(body));
  }
  return out;
}

void SetTime(absl::Time at, google::protobuf::Timestamp* out) {
  const int64_t micros = absl::ToUnixMicros(at);
  out->set_seconds(micros / 1000000);
  out->set_nanos(static_cast<int32_t>(micros % 1000000 * 1000));
}

// The one Feed service of a host: all sources that live here.
class FeedServer {
 public:
  explicit FeedServer(rpc::Host& host) {
    rpc::Service service("broadbill.common.v1.Feed");
    service.Unary("ReadFeed", this, &FeedServer::ReadFeed);
    service.Unary("GetFeedHeads", this, &FeedServer::GetFeedHeads);
    host.Add(std::move(service));
  }

  void AddSource(const std::string& source, std::shared_ptr<db::Pool> pool) {
    sources_[source] = std::move(pool);
  }

  absl::StatusOr<pb::ReadFeedResponse> ReadFeed(const rpc::Context&,
                                                const pb::ReadFeedRequest& request) {
    ASSIGN_OR_RETURN(db::Pool * pool, Find(request.source()));
    std::map<int, int64_t> after;
    for (const pb::FeedCursor& cursor : request.cursors()) after[cursor.partition()] = cursor.pos();
    const int rows_max = request.max_rows() <= 0 ? 128 : std::min(request.max_rows(), kRowsMax);
    const int64_t seen = db::FeedSignals(request.source());
    ASSIGN_OR_RETURN(std::vector<feed::Row> rows, feed::ReadRows(*pool, after, rows_max));
    if (rows.empty() && request.wait_ms() > 0) {
      db::WaitFeedSignal(request.source(), seen,
                         absl::Milliseconds(std::min(request.wait_ms(), kWaitMillisMax)));
      ASSIGN_OR_RETURN(rows, feed::ReadRows(*pool, after, rows_max));
    }
    pb::ReadFeedResponse response;
    for (const feed::Row& row : rows) {
      pb::FeedRow* out = response.add_rows();
      out->set_partition(row.partition);
      out->set_pos(row.pos);
      out->set_event_count(static_cast<int32_t>(row.bodies.size()));
      SetTime(row.at, out->mutable_at());
      out->set_payload(Delimit(row.bodies));
    }
    return response;
  }

  absl::StatusOr<pb::GetFeedHeadsResponse> GetFeedHeads(const rpc::Context&,
                                                        const pb::GetFeedHeadsRequest& request) {
    ASSIGN_OR_RETURN(db::Pool * pool, Find(request.source()));
    ASSIGN_OR_RETURN(const auto heads, feed::ReadHeads(*pool));
    pb::GetFeedHeadsResponse response;
    for (const auto& [partition, pos] : heads) {
      pb::FeedCursor* out = response.add_heads();
      out->set_partition(partition);
      out->set_pos(pos);
    }
    return response;
  }

 private:
  absl::StatusOr<db::Pool*> Find(const std::string& source) {
    const auto found = sources_.find(source);
    if (found != sources_.end()) return found->second.get();
    return NotFoundError("FEED_NOT_FOUND", "there is no feed '" + source + "' here");
  }

  std::map<std::string, std::shared_ptr<db::Pool>> sources_;
};

// What this host follows.
struct Followed {
  explicit Followed(rpc::Host&) {}
  struct One {
    std::string source;
    std::shared_ptr<db::Pool> pool;
    std::shared_ptr<rpc::Channel> channel;
  };
  std::vector<One> all;
  std::vector<std::function<absl::StatusOr<bool>()>> others;
};

absl::StatusOr<bool> IsCaughtUp(const Followed::One& one) {
  pb::GetFeedHeadsRequest request;
  request.set_source(one.source);
  ASSIGN_OR_RETURN(const auto heads, one.channel->Call<pb::GetFeedHeadsResponse>(
                                         "broadbill.common.v1.Feed/GetFeedHeads", request,
                                         rpc::BackgroundContext("feed")));
  ASSIGN_OR_RETURN(
      const db::Result rows,
      one.pool->Exec("SELECT partition, pos FROM feed_cursor WHERE source = $1", one.source));
  std::map<int, int64_t> cursors;
  for (int i = 0; i < rows.size(); ++i) cursors[rows.Get<int16_t>(i, 0)] = rows.Get<int64_t>(i, 1);
  return std::all_of(heads.heads().begin(), heads.heads().end(), [&](const pb::FeedCursor& head) {
    return cursors[head.partition()] >= head.pos();
  });
}

}  // namespace

void Serve(rpc::Host& host, const std::string& source, std::shared_ptr<db::Pool> pool) {
  host.Shared<FeedServer>().AddSource(source, std::move(pool));
}

feed::Fetch RemoteFetch(std::shared_ptr<rpc::Channel> channel, const std::string& source,
                        const std::string& caller) {
  return [channel, source, caller](const std::map<int, int64_t>& after,
                                   int rows_max) -> absl::StatusOr<std::vector<feed::Row>> {
    pb::ReadFeedRequest request;
    request.set_source(source);
    request.set_max_rows(rows_max);
    for (const auto& [partition, pos] : after) {
      pb::FeedCursor* cursor = request.add_cursors();
      cursor->set_partition(partition);
      cursor->set_pos(pos);
    }
    ASSIGN_OR_RETURN(const auto response, channel->Call<pb::ReadFeedResponse>(
                                              kReadFeed, request, rpc::BackgroundContext(caller)));
    std::vector<feed::Row> rows;
    for (const pb::FeedRow& row : response.rows()) {
      rows.push_back(
          {row.partition(), row.pos(),
           absl::FromUnixSeconds(row.at().seconds()) + absl::Nanoseconds(row.at().nanos()),
           Undelimit(row.payload())});
    }
    return rows;
  };
}

feed::Consumer* Follow(rpc::Host& host, const std::string& caller, const std::string& source,
                       std::shared_ptr<db::Pool> pool, feed::Handler handler) {
  const std::shared_ptr<rpc::Channel> channel = host.ChannelTo(source);
  host.Shared<Followed>().all.push_back({source, pool, channel});
  feed::Consumer* consumer = host.Own(std::make_unique<feed::Consumer>(
      source, std::move(pool), RemoteFetch(channel, source, caller), std::move(handler)));
  host.AddBackground(caller + " follows " + source, [consumer](rpc::Background& background) {
    consumer->Run([&background] { return background.stopping(); });
  });
  return consumer;
}

void AlsoWaitFor(rpc::Host& host, std::function<absl::StatusOr<bool>()> is_done) {
  host.Shared<Followed>().others.push_back(std::move(is_done));
}

absl::Status WaitCaughtUp(rpc::Host& host, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  // Applying an event may append another: all must be caught up in one round without a change.
  for (int quiet = 0; quiet < 2;) {
    bool all = true;
    for (const Followed::One& one : host.Shared<Followed>().all) {
      const auto caught_up = IsCaughtUp(one);
      all = all && caught_up.ok() && *caught_up;
    }
    for (const auto& is_done : host.Shared<Followed>().others) {
      const auto done = is_done();
      all = all && done.ok() && *done;
    }
    quiet = all ? quiet + 1 : 0;
    if (absl::Now() > deadline) {
      return DeadlineExceededError("FEEDS_BEHIND", "the feeds were not caught up in time");
    }
    if (!all) absl::SleepFor(absl::Milliseconds(5));
  }
  return absl::OkStatus();
}

}  // namespace broadbill::feedrpc
