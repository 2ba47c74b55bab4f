#include "libs/serve/serve.h"
#include "services/rating/component.h"

int main(int argc, char** argv) {
  return broadbill::serve::Main(argc, argv, {"rating", &broadbill::rating::Register, {}, {}});
}
