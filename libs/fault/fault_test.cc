#include "libs/fault/fault.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace broadbill::fault {
namespace {

// Runs `body` in a child with the variables set; returns its wait status.
template <class Body>
int InChild(const char* log, const char* kill, const Body& body) {
  const pid_t child = fork();
  if (child == 0) {
    if (log != nullptr) setenv("BROADBILL_FAULT_LOG", log, 1);
    if (kill != nullptr) setenv("BROADBILL_FAULT_KILL", kill, 1);
    body();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

}  // namespace

TEST_CASE("the process dies at the n-th passing of the point, and not before") {
  const std::string log = "/tmp/broadbill-fault-test-" + std::to_string(getpid());
  const int status = InChild(log.c_str(), "draft.computed:2", [] {
    Point("draft", "computed");
    Point("draft", "read");
    Point("", "computed");
    Point("draft", "computed");
    Point("draft", "never");
  });
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGKILL);
  std::ifstream in(log);
  std::string points;
  for (std::string at, thread, point; in >> at >> thread >> point;) points += point + " ";
  CHECK(points == "draft.computed draft.read draft.computed ");
  unlink(log.c_str());
}

TEST_CASE("nothing happens unasked") {
  const int status = InChild(nullptr, nullptr, [] {
    if (Armed()) _exit(1);
    Point("draft", "computed");
  });
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a kill that names no passing is refused") {
  const int status = InChild(nullptr, "draft.computed", [] { Point("draft", "computed"); });
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 2);
}

}  // namespace broadbill::fault
