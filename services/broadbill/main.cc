#include "libs/rpc/host.h"
#include "services/broadbill/commands.h"

int main(int argc, char** argv) {
  // First of all: threads that gRPC starts must inherit the blocked signals.
  broadbill::rpc::BlockSignals();
  return broadbill::program::Main(argc, argv);
}
