#include <curl/curl.h>

#include <catch2/catch.hpp>
#include <memory>

#include "libs/rpc/host.h"
#include "libs/testing/test_database.h"
#include "services/gateway/app/routes.h"
#include "services/gateway/component.h"

namespace broadbill::gateway {
namespace {

struct Answer {
  long status = 0;
  std::string type;
  std::string body;
};

size_t Append(char* data, size_t size, size_t count, void* out) {
  static_cast<std::string*>(out)->append(data, size * count);
  return size * count;
}

struct Fixture {
  Fixture() : host(Options()) {
    key_file = "/tmp/broadbill-gateway-test-key-" + std::to_string(getpid());
    std::remove(key_file.c_str());
    const absl::Status registered =
        Register(host, {.listen = "127.0.0.1:0", .admin_key_file = key_file});
    INFO(registered);
    REQUIRE(registered.ok());
    REQUIRE(host.Start().ok());
    const auto listening = StartHttp(host);
    REQUIRE(listening.ok());
    port = *listening;
    std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(key_file.c_str(), "r"), std::fclose);
    char text[128] = {};
    REQUIRE(std::fgets(text, sizeof text, file.get()) != nullptr);
    key = text;
    key.pop_back();
  }
  ~Fixture() {
    StopHttp(host);
    host.Stop();
    std::remove(key_file.c_str());
  }
  rpc::HostOptions Options() {
    rpc::HostOptions options;
    options.database_url = database.url();
    return options;
  }

  Answer Call(const std::string& verb, const std::string& path, const std::string& body = "",
              const std::string& with_key = "admin") {
    CURL* curl = curl_easy_init();
    Answer answer;
    const std::string url = "http://127.0.0.1:" + std::to_string(port) + path;
    curl_slist* headers = nullptr;
    const std::string bearer = "Authorization: Bearer " + (with_key == "admin" ? key : with_key);
    if (!with_key.empty()) headers = curl_slist_append(headers, bearer.c_str());
    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, verb.c_str());
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Append);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
    if (!body.empty()) {
      curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
      curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
    }
    curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    char* type = nullptr;
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    if (type != nullptr) answer.type = type;
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return answer;
  }

  bool Has(const Answer& answer, const std::string& text) {
    return answer.body.find(text) != std::string::npos;
  }

  testing::TestDatabase database;
  rpc::Host host;
  std::string key_file;
  std::string key;
  int port = 0;
};

}  // namespace

TEST_CASE("every kind of bad request gets a clear problem") {
  Fixture f;
  struct Row {
    const char* verb;
    const char* path;
    std::string body;
    const char* key;
    long status;
    const char* reason;
    const char* says;
  };
  const Row rows[] = {
      {"GET", "/v1/api-keys", "", "", 401, "API_KEY_MISSING", "Authorization"},
      {"GET", "/v1/api-keys", "", "nonsense", 401, "API_KEY_INVALID", "not valid"},
      {"POST", "/v1/api-keys", "{\"api_key\":{\"name\":\"x\"", "admin", 400, "MALFORMED_JSON",
       "not valid JSON"},
      {"POST", "/v1/api-keys", "{\"api_key\":{\"nmae\":\"x\"}}", "admin", 400, "UNKNOWN_FIELD",
       "nmae"},
      {"POST", "/v1/api-keys", "{}", "admin", 400, "INVALID_FIELD", "api_key.name"},
      {"POST", "/v1/api-keys", std::string(2 << 20, ' '), "admin", 413, "REQUEST_TOO_LARGE",
       "at most"},
      {"GET", "/v1/api-keys?page_size=many", "", "admin", 400, "INVALID_FIELD", "page_size"},
      {"GET", "/v1/api-keys?colour=red", "", "admin", 400, "INVALID_FIELD", "colour"},
      {"GET", "/v1/api-keys?page_token=zzz", "", "admin", 400, "INVALID_FIELD", "page_token"},
      {"DELETE", "/v1/api-keys", "", "admin", 405, "METHOD_NOT_ALLOWED", "GET"},
      {"GET", "/v1/nothing/here", "", "admin", 404, "ROUTE_NOT_FOUND", "openapi"},
      {"POST", "/v1/api-keys/key_0000000000000000000000000x:revoke", "{}", "admin", 404,
       "API_KEY_NOT_FOUND", "no such"},
      {"POST", "/v1/api-keys/wrong:revoke", "{}", "admin", 400, "INVALID_FIELD", "api_key_id"},
  };
  for (const Row& row : rows) {
    const Answer answer = f.Call(row.verb, row.path, row.body, row.key);
    INFO(row.verb << " " << row.path << " -> " << answer.status << " " << answer.body);
    CHECK(answer.status == row.status);
    CHECK(answer.type == "application/problem+json");
    CHECK(f.Has(answer, "\"reason\":\"" + std::string(row.reason) + "\""));
    CHECK(f.Has(answer, row.says));
    CHECK(f.Has(answer, "\"trace_id\""));
  }
}

TEST_CASE("keys are made, limited to their permissions, and revoked") {
  Fixture f;
  const Answer made = f.Call("POST", "/v1/api-keys",
                             R"({"api_key":{"name":"reader","permissions":["keys.read"]}})");
  INFO(made.body);
  REQUIRE(made.status == 200);
  const size_t at = made.body.find("bbk_");
  REQUIRE(at != std::string::npos);
  const std::string secret = made.body.substr(at, made.body.find('"', at) - at);
  CHECK(f.Call("GET", "/v1/api-keys", "", secret).status == 200);
  const Answer denied = f.Call("POST", "/v1/api-keys", "{}", secret);
  CHECK(denied.status == 403);
  CHECK(f.Has(denied, "keys.write"));
  const size_t id_at = made.body.find("\"key_") + 1;
  const std::string id = made.body.substr(id_at, 30);
  CHECK(f.Call("POST", "/v1/api-keys/" + id + ":revoke", "{}").status == 200);
  CHECK(f.Call("GET", "/v1/api-keys", "", secret).status == 401);
}

TEST_CASE("the same Idempotency-Key with the same body makes one key") {
  Fixture f;
  const std::string body =
      R"({"api_key":{"name":"once","permissions":["keys.read"]},"request_id":"r-1"})";
  const Answer first = f.Call("POST", "/v1/api-keys", body);
  CHECK(first.status == 200);
  CHECK(f.Call("POST", "/v1/api-keys", body).body == first.body);
}

TEST_CASE("the open pages and the OpenAPI document") {
  Fixture f;
  CHECK(f.Call("GET", "/", "", "").status == 200);
  CHECK(f.Call("GET", "/healthz", "", "").status == 200);
  const Answer openapi = f.Call("GET", "/v1/openapi.json", "", "");
  CHECK(openapi.status == 200);
  CHECK(f.Has(openapi, "\"openapi\":\"3.1.0\""));
  CHECK(f.Has(openapi, "/v1/bill-runs"));
  CHECK(f.Has(f.Call("GET", "/metrics", "", ""), "broadbill_http_requests_total"));
}

TEST_CASE("routes with custom verbs, variables and encoding") {
  const Routes routes({"broadbill.gateway.v1.Gateway", "broadbill.invoicing.v1.Invoicing"});
  const Match revoke = routes.Find("POST", "/v1/api-keys/key%5F1:revoke");
  REQUIRE(revoke.route != nullptr);
  CHECK(revoke.fields.at("api_key_id") == "key_1");
  CHECK(routes.Find("GET", "/v1/api-keys/").route == nullptr);
  CHECK(routes.Find("GET", "").route == nullptr);
  CHECK(routes.Find("GET", "no-slash").route == nullptr);
  CHECK_FALSE(routes.Find("PUT", "/v1/api-keys").allowed.empty());
}

}  // namespace broadbill::gateway
