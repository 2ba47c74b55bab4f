#pragma once

// The command line: `PROGRAM [words] [--name=value | --name value | --name]`.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace broadbill::serve {

struct Args {
  std::vector<std::string> words;              // what does not begin with --, in order
  std::map<std::string, std::string> options;  // without dashes; "true" for bare ones

  std::string Get(const std::string& name, const std::string& otherwise = "") const;
  bool Has(const std::string& name) const { return options.count(name) > 0; }
  // The option as a number; ends the process with a message when it is none.
  int64_t GetInt(const std::string& name, int64_t otherwise) const;
};

// `bare` names the options that take no value.
Args ParseArgs(int argc, const char* const* argv, const std::set<std::string>& bare);

}  // namespace broadbill::serve
