#include <iostream>

#include "services/broadbill/commands.h"

namespace broadbill::program {

int Demo(const Args&) {
  std::cerr << "broadbill: the demo is not part of this build\n";
  return 1;
}

}  // namespace broadbill::program
