#include "libs/serve/serve.h"
#include "services/payments/component.h"

int main(int argc, char** argv) {
  return broadbill::serve::Main(argc, argv, {"payments", &broadbill::payments::Register, {}, {}});
}
