#pragma once

// The suite that real files are loaded into, through its public RPCs only.

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broadbill/common/v1/import_result.pb.h"
#include "libs/calendar/date.h"
#include "tests/scenarios/runner/world.h"

namespace broadbill::conformance {

using ImportResult = broadbill::common::v1::ImportResult;

class Suite {
 public:
  // Only these services run. Today is 2026-11-25.
  explicit Suite(const std::set<std::string>& services);

  // Loads a file by kind ("tax-rates-sst"); `fields` are further fields of the request.
  absl::StatusOr<ImportResult> Import(const std::string& kind, const std::string& name,
                                      const std::string& content,
                                      const std::map<std::string, std::string>& fields = {},
                                      bool dry_run = false);
  // A count of a result by name; −1 when it has none.
  static int64_t Count(const ImportResult& result, const std::string& name);
  // "line column" of every error.
  static std::vector<std::string> Places(const ImportResult& result);

  // An account with one subscription that has a RADIUS user name, a DID or a trunk; returns its
  // (account id, subscription id).
  std::pair<std::string, std::string> Subscribe(const std::string& name, const std::string& kind,
                                                const std::string& identifier,
                                                const std::vector<std::string>& decks = {});

  template <class Response>
  absl::StatusOr<Response> Call(const std::string& method,
                                const google::protobuf::Message& request) {
    return world_.Call<Response>(method, request);
  }
  void Settle();
  scenarios::World& world() { return world_; }

 private:
  scenarios::World world_;
  std::map<std::vector<std::string>, std::string> plans_;  // by decks
};

}  // namespace broadbill::conformance
