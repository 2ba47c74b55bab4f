#include "tests/bench/worker.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "libs/status/error.h"

namespace broadbill::bench {

absl::StatusOr<std::unique_ptr<WorkerProcess>> WorkerProcess::Start(
    const std::vector<std::string>& arguments) {
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) return UnavailableError("BENCH", "no pipe");
  std::vector<char*> argv;
  std::string self = "/proc/self/exe";
  argv.push_back(self.data());
  std::vector<std::string> given = arguments;
  for (std::string& argument : given) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, self.c_str(), &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  close(out[1]);
  char first = 0;
  const bool up = error == 0 && read(out[0], &first, 1) == 1;
  close(out[0]);
  if (error != 0) return UnavailableError("BENCH", "cannot start a worker process");
  std::unique_ptr<WorkerProcess> process(new WorkerProcess(pid));
  if (!up) return UnavailableError("BENCH", "a worker process did not come up");
  return process;
}

WorkerProcess::~WorkerProcess() {
  kill(pid_, SIGTERM);
  int status = 0;
  waitpid(pid_, &status, 0);
}

}  // namespace broadbill::bench
