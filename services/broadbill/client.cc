#include "services/broadbill/client.h"

#include <iostream>

#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/suite.h"

namespace broadbill::program {

absl::StatusOr<Client> Connect(const Args& args) {
  const std::string data = args.Get("data", ".data");
  std::string address = args.Get("address");
  if (address.empty()) {
    ASSIGN_OR_RETURN(address, RunningAddress(data));
  }
  ASSIGN_OR_RETURN(const rpc::TokenKey key, InternalKey(data));
  Client client;
  client.channel = rpc::Dial(address, key);
  client.context.principal = {"user:console", {"*"}, ""};
  client.context.deadline = absl::Now() + absl::Hours(1);
  return client;
}

int Fail(const absl::Status& status) {
  std::cerr << "broadbill: " << status.message() << " [" << ReasonOf(status) << "]\n";
  for (const FieldViolation& violation : ViolationsOf(status)) {
    std::cerr << "  " << violation.field << ": " << violation.description << "\n";
  }
  for (const auto& [key, value] : MetadataOf(status)) {
    std::cerr << "  " << key << " = " << value << "\n";
  }
  return 1;
}

}  // namespace broadbill::program
