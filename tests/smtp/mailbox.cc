#include "tests/smtp/mailbox.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

extern char** environ;  // NOLINT: POSIX

namespace broadbill::testing {
namespace {

namespace fs = std::filesystem;

// Tests run in the root of the tree.
constexpr char kScript[] = "tests/smtp/mailbox.py";

[[noreturn]] void Give(const std::string& why) {
  std::fprintf(stderr, "no mail server: %s\n", why.c_str());
  std::_Exit(2);
}

pid_t Spawn(const std::vector<std::string>& args, int input, int output) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, input, 0);
  posix_spawn_file_actions_adddup2(&files, output, 1);
  std::vector<char*> argv;
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, argv[0], &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) Give(absl::StrCat("cannot start ", args[0]));
  return pid;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// What stands between `from` and `to` in the text; "" when either is missing.
std::string Between(const std::string& text, const std::string& from, const std::string& to) {
  const size_t begin = text.find(from);
  if (begin == std::string::npos) return "";
  const size_t end = text.find(to, begin + from.size());
  if (end == std::string::npos) return "";
  return text.substr(begin + from.size(), end - begin - from.size());
}

MailPart ToPart(const std::string& text) {
  const size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos) return {text, ""};
  MailPart part{text.substr(0, end + 2), text.substr(end + 4)};
  if (absl::StrContains(part.headers, "Content-Transfer-Encoding: base64")) {
    std::string decoded;
    part.content = absl::Base64Unescape(part.content, &decoded) ? decoded : "not base64";
  }
  return part;
}

}  // namespace

Mailbox::Mailbox(const std::vector<std::string>& options, int port) {
  static std::atomic<int> count{0};
  folder_ = absl::StrCat("/tmp/broadbill-mail-", getpid(), "-", ++count);
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) Give("no pipes");
  std::vector<std::string> args = {kScript,    "--listen", absl::StrCat("127.0.0.1:", port),
                                   "--folder", folder_,    "--until-eof"};
  args.insert(args.end(), options.begin(), options.end());
  pid_ = Spawn(args, in[0], out[1]);
  lifeline_ = in[1];
  close(in[0]);
  close(out[1]);
  std::string line;
  for (char c = 0; read(out[0], &c, 1) == 1 && c != '\n';) line += c;
  close(out[0]);
  if (line.rfind("listening ", 0) != 0) Give("mailbox.py did not start (python3-aiosmtpd?)");
  port_ = std::atoi(line.substr(line.rfind(':') + 1).c_str());
}

Mailbox::~Mailbox() {
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
  close(lifeline_);
  std::error_code ec;
  fs::remove_all(folder_, ec);
}

std::string Mailbox::url() const { return absl::StrCat("smtp://127.0.0.1:", port_); }

std::vector<std::string> Mailbox::Messages() const {
  std::vector<fs::path> paths;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder_, ec)) {
    if (entry.path().extension() == ".eml") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> out;
  for (const fs::path& path : paths) out.push_back(ReadFile(path));
  return out;
}

std::string ReadMail::Header(const std::string& name) const {
  return Between("\r\n" + headers, "\r\n" + name + ": ", "\r\n");
}

ReadMail ParseMail(const std::string& message) {
  ReadMail out;
  const size_t end = message.find("\r\n\r\n");
  out.headers = absl::StrReplaceAll(message.substr(0, end + 2), {{"\r\n ", " "}});
  const std::string boundary = Between(out.headers, "boundary=\"", "\"");
  if (boundary.empty()) {
    out.parts.push_back(ToPart(message));
    return out;
  }
  const std::string mark = "--" + boundary;
  size_t at = message.find(mark + "\r\n", end);
  while (at != std::string::npos) {
    const size_t begin = at + mark.size() + 2;
    const size_t next = message.find("\r\n" + mark, begin - 2);
    if (next == std::string::npos) break;
    out.parts.push_back(ToPart(message.substr(begin, next + 2 - begin)));
    at = message.compare(next + 2 + mark.size(), 2, "--") == 0 ? std::string::npos : next + 2;
  }
  return out;
}

}  // namespace broadbill::testing
