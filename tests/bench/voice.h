#pragma once

#include "libs/serve/args.h"

namespace broadbill::bench {

// Rating in memory on one core: from the dialled string to the amount, on a deck of 200,000
// prefixes, against reading the same calls with one look-up in a table of the deck's size. Then
// files of call records through the import into rated rows (--records 0: not).
int Voice(const serve::Args& args);

}  // namespace broadbill::bench
