// ./dev bench NAME [--name value]: the last line of output is one JSON object.

#include <iostream>

#include "libs/rpc/host.h"
#include "libs/serve/args.h"
#include "tests/bench/billing.h"
#include "tests/bench/usage.h"
#include "tests/bench/voice.h"

int main(int argc, char** argv) {
  broadbill::rpc::BlockSignals();
  const auto args = broadbill::serve::ParseArgs(argc, argv, {"json", "keep"});
  const std::string name = args.words.empty() ? "" : args.words.front();
  if (name == "billing") return broadbill::bench::Billing(args);
  if (name == "worker") return broadbill::bench::Worker(args);
  if (name == "usage") return broadbill::bench::UsageEvents(args);
  if (name == "voice") return broadbill::bench::Voice(args);
  std::cerr << "broadbill-bench billing [--accounts 100000] [--history 12] [--usage-percent 20]\n"
               "                        [--processes 1] [--workers N] [--data DIR] [--keep] "
               "[--json]\n"
               "broadbill-bench usage [--events 1000000] [--held 0] [--accounts 20000] "
               "[--batch 10000]\n"
               "                      [--senders 2] [--data DIR] [--keep] [--json]\n"
               "broadbill-bench voice [--prefixes 200000] [--calls 1000000] [--records 1000000]\n"
               "                      [--data DIR] [--keep] [--json]\n";
  return 2;
}
