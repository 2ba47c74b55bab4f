#include "libs/serve/args.h"

#include <cstdlib>
#include <iostream>

#include "absl/strings/numbers.h"

namespace broadbill::serve {

std::string Args::Get(const std::string& name, const std::string& otherwise) const {
  const auto found = options.find(name);
  return found == options.end() ? otherwise : found->second;
}

int64_t Args::GetInt(const std::string& name, int64_t otherwise) const {
  if (!Has(name)) return otherwise;
  int64_t value = 0;
  if (absl::SimpleAtoi(Get(name), &value)) return value;
  std::cerr << "--" << name << " must be a number, was '" << Get(name) << "'\n";
  std::exit(2);
}

Args ParseArgs(int argc, const char* const* argv, const std::set<std::string>& bare) {
  Args args;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word.rfind("--", 0) != 0) {
      args.words.push_back(std::move(word));
      continue;
    }
    word.erase(0, 2);
    const size_t equals = word.find('=');
    if (equals != std::string::npos) {
      args.options[word.substr(0, equals)] = word.substr(equals + 1);
    } else if (bare.count(word) == 0 && i + 1 < argc) {
      args.options[word] = argv[++i];
    } else {
      args.options[word] = "true";
    }
  }
  return args;
}

}  // namespace broadbill::serve
