#include "libs/serve/serve.h"
#include "services/tax/component.h"

int main(int argc, char** argv) {
  return broadbill::serve::Main(argc, argv, {"tax", &broadbill::tax::Register, {}, {}});
}
