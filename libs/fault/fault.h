#pragma once

// Named points at which a test can kill the process.
//
//   BROADBILL_FAULT_LOG=/path          each passing is appended: "<unix µs> <thread> <point>\n"
//   BROADBILL_FAULT_KILL=point:n       SIGKILL to itself at the n-th passing of the point
//
// Points are named by what has just happened: "draft.computed", "post.commit_sent".

#include <string_view>

namespace broadbill::fault {

// True when either variable was set at the process's start.
bool Armed();

// Point("draft", "computed") is the point "draft.computed". An empty `part` names none.
void Point(std::string_view part, std::string_view step);

}  // namespace broadbill::fault
