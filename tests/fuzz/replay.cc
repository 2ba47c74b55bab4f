// Runs every kept input through its target: fuzz_replay CORPUS. A folder of the corpus is one
// target's, so that none is without inputs and no input without a target.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "tests/fuzz/fuzz.h"

namespace broadbill::fuzz {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  Require(in.good(), "the file can be read: " + path.string());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

int Replay(const std::filesystem::path& corpus) {
  for (const auto& folder : std::filesystem::directory_iterator(corpus)) {
    const std::string name = folder.path().filename().string();
    const bool known = std::any_of(Targets().begin(), Targets().end(),
                                   [&](const Target& target) { return target.name == name; });
    Require(known, "a folder of inputs has a target: " + name);
  }
  for (const Target& target : Targets()) {
    int inputs = 0;
    for (const auto& file : std::filesystem::directory_iterator(corpus / target.name)) {
      const std::string input = ReadFile(file.path());
      std::cout << target.name << "/" << file.path().filename().string() << std::endl;
      target.run(input);
      target.run(std::string_view(input).substr(0, input.size() / 2));  // cut while being written
      ++inputs;
    }
    Require(inputs > 0, "a target has inputs: " + target.name);
  }
  return 0;
}

}  // namespace
}  // namespace broadbill::fuzz

int main(int argc, char** argv) {
  broadbill::fuzz::Require(argc == 2, "fuzz_replay is given the folder of the corpus");
  return broadbill::fuzz::Replay(argv[1]);
}
