#pragma once

// Named points of a bill run, written to the file of BROADBILL_FAULT_LOG as they are passed: a test
// that kills the process reads there which phase it hit.

namespace broadbill::invoicing::fault {

void Point(const char* name);

}  // namespace broadbill::invoicing::fault
