#include "libs/serve/args.h"

#include <catch2/catch.hpp>

namespace broadbill::serve {

TEST_CASE("words, options with values in both spellings, bare options") {
  const char* const argv[] = {"broadbill", "call", "--data=/tmp/x", "Tax/ListRates", "--dry-run",
                              "--page",    "7",    "--last"};
  const Args args = ParseArgs(8, argv, {"dry-run"});
  CHECK(args.words == std::vector<std::string>{"call", "Tax/ListRates"});
  CHECK(args.Get("data") == "/tmp/x");
  CHECK(args.Get("dry-run") == "true");
  CHECK(args.GetInt("page", 0) == 7);
  CHECK(args.Get("last") == "true");
  CHECK_FALSE(args.Has("other"));
  CHECK(args.Get("other", "otherwise") == "otherwise");
  CHECK(args.GetInt("other", 3) == 3);
}

TEST_CASE("a value may hold equals signs and begin with dashes when joined") {
  const char* const argv[] = {"x", "--mail-from=A=B <c@d.example>", "--note=--x"};
  const Args args = ParseArgs(3, argv, {});
  CHECK(args.Get("mail-from") == "A=B <c@d.example>");
  CHECK(args.Get("note") == "--x");
}

}  // namespace broadbill::serve
