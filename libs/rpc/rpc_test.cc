#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "absl/time/clock.h"
#include "echo_test.pb.h"
#include "libs/rpc/executor.h"
#include "libs/rpc/host.h"
#include "libs/rpc/log.h"
#include "libs/status/error.h"

namespace broadbill::rpc {
namespace {

namespace pb = broadbill::rpctest::v1;

class Numbers : public StreamSource<pb::CountResponse> {
 public:
  explicit Numbers(int count) : count_(count) {}
  absl::StatusOr<StreamStep> Next(pb::CountResponse& out) override {
    waited_ = !waited_;
    if (waited_) return StreamStep::kWait;
    if (number_ == count_) return StreamStep::kEnd;
    out.set_number(++number_);
    return StreamStep::kMessage;
  }

 private:
  const int count_;
  int number_ = 0;
  bool waited_ = false;
};

class EchoApp {
 public:
  absl::StatusOr<pb::SayResponse> Say(const Context& context, const pb::SayRequest& request) {
    if (request.fail() == "field") return InvalidField("text", "must not be rude");
    if (request.fail() == "precondition") {
      return WithMetadata(FailedPreconditionError("NOT_NOW", "not now"), "when", "later");
    }
    absl::SleepFor(delay);
    ++said;
    pb::SayResponse response;
    response.set_text(request.text());
    response.set_principal(context.principal.id);
    response.set_trace_id(context.trace.trace_id);
    return response;
  }
  absl::StatusOr<std::unique_ptr<StreamSource<pb::CountResponse>>> Watch(
      const Context&, const pb::CountRequest& request) {
    return std::make_unique<Numbers>(request.count());
  }

  absl::Duration delay = absl::ZeroDuration();
  std::atomic<int> said{0};
};

constexpr char kSay[] = "broadbill.rpctest.v1.Echo/Say";
constexpr char kTalk[] = "broadbill.rpctest.v1.Echo/Talk";
constexpr char kWatch[] = "broadbill.rpctest.v1.Echo/Watch";

struct Fixture {
  Fixture() : host(Options()) {
    Service service("broadbill.rpctest.v1.Echo");
    service.Unary("Say", &app, &EchoApp::Say);
    service.Stream("Watch", &app, &EchoApp::Watch);
    service.Exchange("Talk", &app, &EchoApp::Say);
    host.Add(std::move(service));
    REQUIRE(host.Start().ok());
  }
  HostOptions Options() {
    HostOptions options;
    options.key = key;
    return options;
  }
  std::shared_ptr<Channel> Tcp(const TokenKey& with) {
    return Dial("127.0.0.1:" + std::to_string(host.port()), with);
  }

  TokenKey key = TokenKey::Random();
  EchoApp app;
  Host host;
};

}  // namespace

TEST_CASE("a call reaches its function in process and over TCP, with principal and trace") {
  Fixture f;
  pb::SayRequest request;
  request.set_text("hello");
  Context context = BackgroundContext("tester");
  for (const auto& channel : {f.host.ChannelTo("rpctest"), f.Tcp(f.key)}) {
    const auto response = channel->Call<pb::SayResponse>(kSay, request, context);
    REQUIRE(response.ok());
    CHECK(response->text() == "hello");
    CHECK(response->principal() == "service:tester");
    CHECK(response->trace_id() == context.trace.trace_id);
  }
}

TEST_CASE("errors keep code, reason, metadata and violations over the wire") {
  Fixture f;
  pb::SayRequest request;
  request.set_fail("field");
  const auto channel = f.Tcp(f.key);
  auto response = channel->Call<pb::SayResponse>(kSay, request, BackgroundContext("tester"));
  CHECK(response.status().code() == absl::StatusCode::kInvalidArgument);
  REQUIRE(ViolationsOf(response.status()).size() == 1);
  CHECK(ViolationsOf(response.status())[0].field == "text");
  request.set_fail("precondition");
  response = channel->Call<pb::SayResponse>(kSay, request, BackgroundContext("tester"));
  CHECK(ReasonOf(response.status()) == "NOT_NOW");
  CHECK(MetadataOf(response.status()).at("when") == "later");
}

TEST_CASE("calls in the process meet the same checks as those over the wire") {
  Fixture f;
  const auto channel = f.host.ChannelTo("rpctest");
  pb::SayRequest request;
  request.set_account_id("acc_1");
  Context context = BackgroundContext("tester");
  const auto call = [&] { return channel->Call<pb::SayResponse>(kSay, request, context).status(); };
  context.principal.permissions = {"echo.count"};
  CHECK(ReasonOf(call()) == "PERMISSION_DENIED");
  context.principal.permissions = {"echo.*"};
  context.principal.account_id = "acc_2";
  CHECK(ReasonOf(call()) == "ACCOUNT_SCOPE");
  context.principal.account_id = "acc_1";
  CHECK(call().ok());
  context.deadline = absl::Now() - absl::Seconds(1);
  CHECK(call().code() == absl::StatusCode::kDeadlineExceeded);
  context.deadline = absl::InfiniteFuture();
  request.set_fail("field");
  CHECK(ViolationsOf(call()).size() == 1);
  request.set_text(std::string(2 << 20, 'x'));
  CHECK(ReasonOf(call()) == "REQUEST_TOO_LARGE");
  f.host.Stop();
  CHECK(call().code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("who may not, cannot") {
  Fixture f;
  pb::SayRequest request;
  request.set_account_id("acc_1");
  Context context = BackgroundContext("tester");
  const auto call = [&](const TokenKey& key) {
    return f.Tcp(key)->Call<pb::SayResponse>(kSay, request, context).status();
  };
  CHECK(call(TokenKey::Random()).code() == absl::StatusCode::kUnauthenticated);
  context.principal.permissions = {"echo.count"};
  CHECK(ReasonOf(call(f.key)) == "PERMISSION_DENIED");
  context.principal.permissions = {"echo.*"};
  CHECK(call(f.key).ok());
  context.principal.account_id = "acc_2";
  CHECK(ReasonOf(call(f.key)) == "ACCOUNT_SCOPE");
  context.principal.account_id = "acc_1";
  CHECK(call(f.key).ok());
}

TEST_CASE("a request over its bound and an unbound method are refused") {
  Fixture f;
  pb::SayRequest request;
  request.set_text(std::string(2 << 20, 'x'));
  const Context context = BackgroundContext("tester");
  CHECK(ReasonOf(f.Tcp(f.key)->Call<pb::SayResponse>(kSay, request, context).status()) ==
        "REQUEST_TOO_LARGE");
  CHECK(
      f.Tcp(f.key)
          ->Call<pb::CountResponse>("broadbill.rpctest.v1.Echo/Count", pb::CountRequest(), context)
          .status()
          .code() == absl::StatusCode::kUnimplemented);
}

TEST_CASE("a stream delivers all messages, across waits, and can be left early") {
  Fixture f;
  pb::CountRequest request;
  request.set_count(3);
  pb::CountResponse response;
  std::vector<int> seen;
  const auto channel = f.Tcp(f.key);
  CHECK(channel
            ->ReadStream(kWatch, request, response, BackgroundContext("tester"),
                         [&] {
                           seen.push_back(response.number());
                           return true;
                         })
            .ok());
  CHECK(seen == std::vector<int>{1, 2, 3});
  request.set_count(1000000);
  CHECK(channel
            ->ReadStream(kWatch, request, response, BackgroundContext("tester"),
                         [&] { return response.number() < 2; })
            .ok());
}

TEST_CASE("an exchange answers every message in order, in process and over TCP") {
  Fixture f;
  pb::SayRequest request;
  pb::SayResponse response;
  for (const auto& channel : {f.host.ChannelTo("rpctest"), f.Tcp(f.key)}) {
    int sent = 0;
    std::vector<std::string> seen;
    const absl::Status status = channel->Exchange(
        kTalk, request, response, 4, BackgroundContext("tester"),
        [&] {
          if (sent == 100) return false;
          request.set_text(std::to_string(sent++));
          return true;
        },
        [&] {
          CHECK(response.principal() == "service:tester");
          seen.push_back(response.text());
          return true;
        });
    CHECK(status.ok());
    REQUIRE(seen.size() == 100);
    for (size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == std::to_string(i));
  }
}

TEST_CASE("an exchange ends with the error of a message; what was answered before stays answered") {
  Fixture f;
  pb::SayRequest request;
  pb::SayResponse response;
  Context context = BackgroundContext("tester");
  int sent = 0;
  int seen = 0;
  const auto talk = [&](const std::function<void(int)>& make) {
    sent = 0;
    seen = 0;
    return f.Tcp(f.key)->Exchange(
        kTalk, request, response, 1, context,
        [&] {
          request.Clear();
          request.set_text("x");
          make(++sent);
          return sent <= 5;
        },
        [&] { return ++seen > 0; });
  };
  absl::Status status = talk([&](int n) { request.set_fail(n == 3 ? "field" : ""); });
  CHECK(ViolationsOf(status).size() == 1);
  CHECK(seen == 2);
  status = talk([&](int n) { request.set_text(std::string(n == 2 ? 2 << 20 : 1, 'x')); });
  CHECK(ReasonOf(status) == "REQUEST_TOO_LARGE");
  CHECK(seen == 1);
  context.principal.account_id = "acc_1";
  status = talk([&](int n) { request.set_account_id(n == 2 ? "acc_2" : "acc_1"); });
  CHECK(ReasonOf(status) == "ACCOUNT_SCOPE");
  CHECK(seen == 1);
  context.principal.permissions = {"echo.count"};
  CHECK(ReasonOf(talk([](int) {})) == "PERMISSION_DENIED");
  CHECK(seen == 0);
}

TEST_CASE("who sends faster than the handler works is held up, and the server keeps one message") {
  Fixture f;
  f.app.delay = absl::Milliseconds(5);
  pb::SayRequest request;
  request.set_text(std::string(1000000, 'x'));
  pb::SayResponse response;
  int sent = 0;
  int most = 0;
  const absl::Status status = f.Tcp(f.key)->Exchange(
      kTalk, request, response, 1000, BackgroundContext("tester"),
      [&] {
        most = std::max(most, sent - f.app.said.load());
        return ++sent <= 100;
      },
      [] { return true; });
  CHECK(status.ok());
  CHECK(f.app.said == 100);
  // One being answered, and what the transport's windows hold of messages of 1 MB.
  CHECK(most < 20);
}

TEST_CASE("an exchange in the middle ends when the host stops") {
  auto f = std::make_unique<Fixture>();
  std::atomic<int> seen{0};
  std::thread talker([&] {
    pb::SayRequest request;
    pb::SayResponse response;
    const auto status = f->Tcp(f->key)->Exchange(
        kTalk, request, response, 1, BackgroundContext("tester"), [&] { return true; },
        [&] { return ++seen > 0; });
    CHECK_FALSE(status.ok());
  });
  while (seen == 0) absl::SleepFor(absl::Milliseconds(5));
  f->host.Stop(absl::Milliseconds(50));
  talker.join();
}

TEST_CASE("a waiting stream ends when the host stops") {
  auto f = std::make_unique<Fixture>();
  pb::CountRequest request;
  request.set_count(1000000);
  std::atomic<int> seen{0};
  std::thread reader([&] {
    pb::CountResponse response;
    const auto status = f->Tcp(f->key)->ReadStream(
        kWatch, request, response, BackgroundContext("tester"), [&] { return ++seen > 0; });
    CHECK_FALSE(status.ok());
  });
  while (seen == 0) absl::SleepFor(absl::Milliseconds(5));
  f->host.Stop(absl::Milliseconds(50));
  reader.join();
}

TEST_CASE("tokens are refused when changed or expired") {
  const TokenKey key = TokenKey::Random();
  const std::string token = key.Sign(ServicePrincipal("tax"));
  REQUIRE(key.Verify(token).ok());
  CHECK(key.Verify(token)->id == "service:tax");
  std::string forged = token;
  forged[3] = forged[3] == 'A' ? 'B' : 'A';
  CHECK_FALSE(key.Verify(forged).ok());
  CHECK_FALSE(key.Verify(key.Sign(ServicePrincipal("tax"), -absl::Seconds(2))).ok());
  const auto copy = TokenKey::FromHex(key.ToHex());
  REQUIRE(copy.ok());
  CHECK(copy->Verify(token).ok());
  CHECK_FALSE(TokenKey::FromHex("zz").ok());
}

TEST_CASE("traceparent is continued when valid and replaced when not") {
  const std::string given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const Trace trace = Trace::Continue(given);
  CHECK(trace.trace_id == "0af7651916cd43dd8448eb211c80319c");
  CHECK(trace.sampled);
  CHECK(trace.span_id != "b7ad6b7169203331");
  CHECK_FALSE(Trace::Continue(given.substr(0, 53) + "00").sampled);
  CHECK(Trace::Continue("00-zz").trace_id.size() == 32);
}

TEST_CASE("the executor refuses past its bound") {
  Executor executor(1, 1);
  std::atomic<bool> release{false};
  std::atomic<bool> started{false};
  REQUIRE(executor.Submit([&] {
    started = true;
    while (!release) absl::SleepFor(absl::Milliseconds(1));
  }));
  while (!started) absl::SleepFor(absl::Milliseconds(1));
  CHECK(executor.Submit([] {}));
  CHECK_FALSE(executor.Submit([] {}));
  release = true;
  executor.Stop();
}

TEST_CASE("log text is valid JSON whatever it holds") {
  CHECK(JsonEscape("a\"b\\\n") == "a\\\"b\\\\\\u000a");
  CHECK(JsonEscape("\xff ok \xc3\xa9") == "\xef\xbf\xbd ok \xc3\xa9");
  // An overlong form and a surrogate are no characters.
  const std::string none = "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd";
  CHECK(JsonEscape("\xe0\x80\xaf") == none);
  CHECK(JsonEscape("\xed\xa0\x80") == none);
}

}  // namespace broadbill::rpc
