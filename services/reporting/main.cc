#include "libs/serve/serve.h"
#include "services/reporting/component.h"

int main(int argc, char** argv) {
  return broadbill::serve::Main(argc, argv, {"reporting", &broadbill::reporting::Register, {}, {}});
}
