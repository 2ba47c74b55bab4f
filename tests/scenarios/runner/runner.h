#pragma once

#include <functional>
#include <string>

namespace broadbill::scenarios {

class World;

// Runs one scenario text; prints each failed expectation with its line and the difference. Returns
// the number of failures (a line that cannot be read counts as one and ends the scenario). `then`
// may look at what the scenario left behind.
int RunScenario(const std::string& name, const std::string& text,
                const std::function<void(World&)>& then = nullptr);

}  // namespace broadbill::scenarios
