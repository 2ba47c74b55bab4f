#include "services/rating/app/radius_listener.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/testing/test_database.h"
#include "services/rating/app/ingest.h"
#include "services/rating/app/restarts.h"
#include "services/rating/migrations.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1775001600);

// A listener that works on a thread of its own, and Debian's radclient before it.
struct Fixture {
  Fixture()
      : pool(*db::OpenPool(database.url(), "rating", Migrations())),
        clock(kNow),
        listener(*RadiusListener::Open("127.0.0.1:0", *ParseRadiusClients("127.0.0.0/8 s3cret\n"),
                                       pool, clock, metrics)),
        worker([this] {
          while (!stop) listener->Step(absl::Milliseconds(20));
        }) {
    const Uuid account = Uuid::Make(kNow);
    std::vector<SubjectRow> subjects;
    for (int i = 0; i < 20; ++i) {
      subjects.push_back({kRadiusUser, absl::StrCat("user", i), account, Uuid::Make(kNow),
                          CivilDay(2020, 1, 1), CivilDay::max()});
    }
    REQUIRE(db::RunTx(*pool, [&](db::Tx& tx) { return db::Copy(tx, subjects); }).ok());
  }
  ~Fixture() {
    stop = true;
    worker.join();
  }
  // Sends packets in radclient's form; returns its exit status.
  int Send(const std::string& packets, const std::string& secret, const std::string& options) {
    const std::string file = absl::StrCat("/tmp/radius_listener_test.", getpid());
    std::ofstream(file) << packets;
    const int status = std::system(absl::StrCat("radclient -q -d /usr/share/freeradius ", options,
                                                " -f ", file, " 127.0.0.1:", listener->port(),
                                                " acct ", secret, " >/dev/null 2>&1")
                                       .c_str());
    std::remove(file.c_str());
    return status;
  }
  int64_t Number(const std::string& sql) { return pool->Exec(sql)->Get<int64_t>(0, 0); }

  testing::TestDatabase database;
  std::shared_ptr<db::Pool> pool;
  FakeClock clock;
  rpc::Metrics metrics;
  std::unique_ptr<RadiusListener> listener;
  std::atomic<bool> stop = false;
  std::thread worker;
};

std::string Packet(const std::string& user, int session, int seconds, uint64_t in, uint64_t out,
                   const char* status) {
  return absl::StrCat(
      "User-Name = \"", user, "\", NAS-IP-Address = 10.0.0.1, Acct-Session-Id = \"S", session,
      "\", Acct-Status-Type = ", status, ", Acct-Session-Time = ", seconds,
      ", Acct-Input-Octets = ", out & 0xffffffff, ", Acct-Input-Gigawords = ", out >> 32,
      ", Acct-Output-Octets = ", in & 0xffffffff, ", Acct-Output-Gigawords = ", in >> 32,
      ", Event-Timestamp = ", 1775000000 + seconds, "\n\n");
}

TEST_CASE("Real packets, repeated, in reverse order, without stops: the sender's totals") {
  Fixture fixture;
  std::string packets;
  int64_t in = 0;
  int64_t out = 0;
  for (int session = 0; session < 20; ++session) {
    const uint64_t step = 3000000001U + static_cast<uint64_t>(session);
    for (int reading = 5; reading >= 1; --reading) {  // the newest first
      const auto n = static_cast<uint64_t>(reading);
      const std::string packet =
          Packet(absl::StrCat("user", session), session, reading * 600, n * step, n,
                 session % 2 == 0 && reading == 5 ? "Stop" : "Interim-Update");
      packets += packet;
      if (reading % 2 == 0) packets += packet;  // and once more
    }
    in += static_cast<int64_t>(5 * step);
    out += 5;
  }
  // Exit status 0: every packet got a response that its secret proves.
  REQUIRE(fixture.Send(packets, "s3cret", "-r 5 -t 2 -p 50") == 0);
  REQUIRE(fixture.Send(packets, "s3cret", "-r 5 -t 2 -p 50") == 0);
  CHECK(fixture.Number("SELECT count(*) FROM usage_sample") == 100);
  const std::string totals =
      "(SELECT max(in_octets) AS i, max(out_octets) AS o FROM usage_sample "
      "GROUP BY item_id, session_id) t";
  CHECK(fixture.Number("SELECT sum(i)::int8 FROM " + totals) == in);
  CHECK(fixture.Number("SELECT sum(o)::int8 FROM " + totals) == out);
  CHECK(fixture.metrics.Expose().find("result=\"answered\"} 280") != std::string::npos);
}

TEST_CASE("A wrong secret gets no answer and leaves nothing") {
  Fixture fixture;
  CHECK(fixture.Send(Packet("user1", 1, 600, 5, 5, "Stop"), "wrong", "-r 1 -t 1") != 0);
  CHECK(fixture.Number("SELECT count(*) FROM usage_sample") == 0);
  CHECK(fixture.Number("SELECT count(*) FROM waiting") == 0);
  CHECK(fixture.metrics.Expose().find("result=\"discarded\"} 1") != std::string::npos);
}

TEST_CASE("A user that nobody has waits and is answered; an access server's restart is answered") {
  Fixture fixture;
  REQUIRE(fixture.Send(Packet("nobody", 1, 600, 5, 5, "Stop") +
                           "Acct-Status-Type = Accounting-On, NAS-IP-Address = 10.0.0.1, "
                           "Acct-Session-Id = \"0\"\n\n",
                       "s3cret", "-r 2 -t 2") == 0);
  CHECK(fixture.Number("SELECT count(*) FROM waiting WHERE subject = 'nobody'") == 1);
  CHECK(fixture.Number("SELECT count(*) FROM usage_sample") == 0);
}

TEST_CASE("Restarts of access servers are kept; a session id near them is another session") {
  Fixture fixture;
  const std::string restart =
      "Acct-Status-Type = Accounting-On, NAS-IP-Address = 10.0.0.1, Acct-Session-Id = \"0\", "
      "Event-Timestamp = 1775000003\n\n";
  REQUIRE(fixture.Send(restart + restart, "s3cret", "-r 2 -t 2") == 0);
  CHECK(fixture.Number("SELECT count(*) FROM access_server_restart WHERE nas = '10.0.0.1' AND "
                       "at = to_timestamp(1775000003) AND NOT off") == 1);
  auto tx = fixture.pool->Begin();
  const auto restarts = Restarts::Load(*tx, {"10.0.0.1/S1", "10.0.0.10/S1", "S1"});
  REQUIRE(restarts.ok());
  CHECK(restarts->Of("10.0.0.1/a/S1").size() == 1);
  CHECK(restarts->Of("10.0.0.10/S1").empty());
}

TEST_CASE("A signed packet that cannot be read waits as it came, once, and is answered") {
  Fixture fixture;
  // No session id; then no user. Sent again with another delay it is the same.
  const std::string nameless =
      "Acct-Status-Type = Stop, User-Name = \"user1\", Acct-Session-Time = 9, Acct-Delay-Time = ";
  REQUIRE(fixture.Send(nameless + "0\n\n" + nameless + "7\n\n" +
                           "Acct-Status-Type = Stop, Acct-Session-Id = \"S1\"\n\n",
                       "s3cret", "-r 2 -t 2") == 0);
  CHECK(fixture.Number("SELECT count(*) FROM waiting WHERE reason = 'MALFORMED_PACKET'") == 2);
  CHECK(fixture.Number("SELECT count(*) FROM waiting WHERE message LIKE '%Acct-Session-Id%' AND "
                       "position('user1'::bytea IN raw) > 0") == 1);
  CHECK(fixture.metrics.Expose().find("result=\"malformed\"} 3") != std::string::npos);
  // It stays there when it is tried again, and nothing of it is counted.
  auto tx = fixture.pool->Begin();
  Ingest ingest(*tx, kNow, "retry");
  REQUIRE(ingest.Retry({}, {}).ok());
  REQUIRE(tx->Commit().ok());
  CHECK(ingest.counts().waiting == 2);
  CHECK(fixture.Number("SELECT count(*) FROM usage_sample") == 0);
}

// Resident memory of this process.
int64_t MemoryBytes() {
  int64_t pages = 0;
  int64_t resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST_CASE("A flood while the database stands still takes no memory; afterwards all goes on") {
  Fixture fixture;
  const std::string packet = Packet("user1", 1, 600, 5, 7, "Stop");
  REQUIRE(fixture.Send(packet, "s3cret", "-r 2 -t 2") == 0);
  auto lock = fixture.pool->Begin();
  REQUIRE(lock->Exec("LOCK TABLE usage_sample").ok());
  CHECK(fixture.Send(Packet("user1", 2, 600, 5, 7, "Stop"), "s3cret", "-r 1 -t 1") != 0);
  const int64_t before = MemoryBytes();
  const int flood = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(fixture.listener->port()));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::string datagram = std::string("\x04\x01\x10\x00", 4) + std::string(4092, 'x');
  for (int i = 0; i < 50000; ++i) {  // 200 MB
    sendto(flood, datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
  }
  close(flood);
  CHECK(MemoryBytes() - before < 32 << 20);
  lock->Rollback();
  REQUIRE(fixture.Send(Packet("user1", 2, 600, 5, 7, "Stop"), "s3cret", "-r 10 -t 1") == 0);
  CHECK(fixture.Number("SELECT count(*) FROM usage_sample") == 2);
}

TEST_CASE("While nothing can be recorded nothing is answered; the packet comes again") {
  Fixture fixture;
  REQUIRE(fixture.pool->Exec("ALTER TABLE usage_sample RENAME TO away").ok());
  const std::string packet = Packet("user1", 1, 600, 5, 7, "Stop");
  CHECK(fixture.Send(packet, "s3cret", "-r 1 -t 1") != 0);
  REQUIRE(fixture.pool->Exec("ALTER TABLE away RENAME TO usage_sample").ok());
  REQUIRE(fixture.Send(packet, "s3cret", "-r 3 -t 2") == 0);
  CHECK(fixture.Number("SELECT in_octets FROM usage_sample") == 5);
}

TEST_CASE("Clients: the narrowest network decides; a wrong line is named") {
  const auto clients = ParseRadiusClients("# all\n10.0.0.0/8 wide\n10.1.0.7 one \n::1 six\n");
  REQUIRE(clients.ok());
  REQUIRE(clients->size() == 3);
  CHECK(clients->back().secret == "wide");
  CHECK(clients->back().bits == 104);
  for (const char* line : {"10.0.0.1", "10.0.0.0/33 s", "10.0.0.x s", "::1/129 s", "10.0.0.1/ s"}) {
    CHECK_FALSE(ParseRadiusClients(line).ok());
  }
}

}  // namespace
}  // namespace broadbill::rating
