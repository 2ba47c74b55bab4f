#include "libs/serve/serve.h"
#include "services/notification/component.h"

int main(int argc, char** argv) {
  return broadbill::serve::Main(argc, argv,
                                {"notification", &broadbill::notification::Register, {}, {}});
}
