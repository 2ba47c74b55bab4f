// What libFuzzer calls, for the one target that is linked.

#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const broadbill::fuzz::Target& target = broadbill::fuzz::Targets().front();
  target.run({reinterpret_cast<const char*>(data), size});
  return 0;
}
