#pragma once

// What the commands that talk to a running suite share.

#include <memory>

#include "absl/status/statusor.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/context.h"
#include "services/broadbill/commands.h"

namespace broadbill::program {

struct Client {
  std::shared_ptr<rpc::Channel> channel;
  rpc::Context context;
};

// To the suite on --data (default .data) or --address.
absl::StatusOr<Client> Connect(const Args& args);

// Prints the error with its reason and fields on standard error; returns 1.
int Fail(const absl::Status& status);

}  // namespace broadbill::program
