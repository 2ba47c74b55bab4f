#include <cstdio>
#include <fstream>
#include <sstream>

#include "libs/rpc/host.h"
#include "libs/rpc/log.h"
#include "tests/scenarios/runner/runner.h"

int main(int argc, char** argv) {
  broadbill::rpc::BlockSignals();
  broadbill::rpc::SetLogLevel(broadbill::rpc::LogLevel::kError);
  int failed = 0;
  int passed = 0;
  for (int i = 1; i < argc; ++i) {
    std::ifstream in(argv[i]);
    if (!in) {
      std::printf("FAIL %s: cannot be read\n", argv[i]);
      ++failed;
      continue;
    }
    std::stringstream text;
    text << in.rdbuf();
    const int failures = broadbill::scenarios::RunScenario(argv[i], text.str());
    std::printf("%s %s\n", failures == 0 ? "pass" : "FAIL", argv[i]);
    std::fflush(stdout);
    ++(failures == 0 ? passed : failed);
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
