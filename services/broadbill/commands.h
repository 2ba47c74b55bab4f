#pragma once

#include <map>
#include <string>
#include <vector>

namespace broadbill::program {

// The command line: `broadbill COMMAND [words] [--name=value | --name value | --name]`.
struct Args {
  std::vector<std::string> words;              // after the command
  std::map<std::string, std::string> options;  // without dashes; "true" for bare ones

  std::string Get(const std::string& name, const std::string& otherwise = "") const;
  bool Has(const std::string& name) const { return options.count(name) > 0; }
  // The option as a number; exits with a message when it is none.
  int64_t GetInt(const std::string& name, int64_t otherwise) const;
};

// Dispatches to the commands below; returns the exit status.
int Main(int argc, char** argv);

int Serve(const Args& args);
int Migrate(const Args& args);
int Import(const Args& args);
int CallCommand(const Args& args);
int Bill(const Args& args);
int ApiKey(const Args& args);
int Demo(const Args& args);
int ExportCommand(const Args& args);

}  // namespace broadbill::program
