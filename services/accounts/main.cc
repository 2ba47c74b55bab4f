#include "libs/serve/serve.h"
#include "services/accounts/component.h"

int main(int argc, char** argv) {
  return broadbill::serve::Main(argc, argv, {"accounts", &broadbill::accounts::Register, {}, {}});
}
