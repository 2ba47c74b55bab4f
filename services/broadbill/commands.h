#pragma once

#include "libs/serve/args.h"

namespace broadbill::program {

using serve::Args;

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
