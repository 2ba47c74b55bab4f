#pragma once

// The HTTP shape of every RPC, read from the descriptors' google.api.http options
// (https://google.aip.dev/127): a new RPC of any service appears here by itself.

#include <google/protobuf/descriptor.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace broadbill::gateway {

struct Route {
  std::string verb;  // "GET"
  std::string path;  // "/v1/invoices/{invoice_id}:post"
  std::string body;  // "" none, "*" the whole request, or a field's name
  const google::protobuf::MethodDescriptor* method = nullptr;

  // "broadbill.invoicing.v1.Invoicing/PostDocument"
  std::string rpc() const;
};

struct Match {
  const Route* route = nullptr;
  std::map<std::string, std::string> fields;  // path variables, decoded
  std::vector<std::string> allowed;           // when no route: verbs this path knows
};

class Routes {
 public:
  // The routes of the named proto services; names that are not linked are skipped.
  explicit Routes(const std::vector<std::string>& services);

  // `path` percent-encoded, without query.
  Match Find(std::string_view verb, std::string_view path) const;
  const std::vector<Route>& all() const { return routes_; }

 private:
  struct Node {
    std::map<std::string, size_t, std::less<>> literals;  // next nodes
    size_t variable = 0;                                  // 0: none
    std::map<std::string, size_t, std::less<>> routes;    // by "VERB :custom"
  };

  void AddRoute(const google::protobuf::MethodDescriptor* method, std::string verb,
                std::string path, std::string body);

  std::vector<Route> routes_;
  std::vector<std::vector<std::string>> variables_;  // names, in order, by route
  std::vector<Node> nodes_;
};

// Percent-decoding; '+' stays '+' in paths and means a blank in queries.
std::string PercentDecode(std::string_view text, bool plus_is_blank);

}  // namespace broadbill::gateway
