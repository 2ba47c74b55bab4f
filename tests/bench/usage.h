#pragma once

#include "libs/serve/args.h"

namespace broadbill::bench {

// Ingestion of usage events over the stream: new ones, some duplicates, all duplicates, with rows
// held already.
int UsageEvents(const serve::Args& args);

}  // namespace broadbill::bench
