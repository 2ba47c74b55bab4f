#include "services/invoicing/app/fault.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

namespace broadbill::invoicing::fault {

void Point(const char* name) {
  static const int file = [] {
    const char* path = std::getenv("BROADBILL_FAULT_LOG");
    return path == nullptr ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  }();
  if (file < 0) return;
  const std::string line = std::string(name) + "\n";
  const ssize_t written = write(file, line.data(), line.size());
  (void)written;
}

}  // namespace broadbill::invoicing::fault
