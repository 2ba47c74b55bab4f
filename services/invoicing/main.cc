#include "libs/serve/serve.h"
#include "services/invoicing/component.h"

int main(int argc, char** argv) {
  return broadbill::serve::Main(argc, argv, {"invoicing", &broadbill::invoicing::Register, {}, {}});
}
