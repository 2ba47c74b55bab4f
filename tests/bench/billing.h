#pragma once

#include "libs/serve/args.h"

namespace broadbill::bench {

// A posted bill run over all accounts of a generated provider, against COPY of the same rows.
int Billing(const serve::Args& args);

// A further process of such a run, started by it: works at runs until it is told to end.
int Worker(const serve::Args& args);

}  // namespace broadbill::bench
