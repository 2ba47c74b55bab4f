#pragma once

#include "libs/serve/args.h"

namespace broadbill::bench {

// A posted bill run over all accounts of a generated provider, against COPY of the same rows.
int Billing(const serve::Args& args);

}  // namespace broadbill::bench
