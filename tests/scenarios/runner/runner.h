#pragma once

#include <string>

namespace broadbill::scenarios {

// Runs one scenario text; prints each failed expectation with its line and the difference. Returns
// the number of failures (a line that cannot be read counts as one and ends the scenario).
int RunScenario(const std::string& name, const std::string& text);

}  // namespace broadbill::scenarios
