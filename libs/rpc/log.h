#pragma once

// Structured logs: one JSON object a line on standard error, with time, level, message and fields.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace broadbill::rpc {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Lines below `level` are dropped; the default is kInfo.
void SetLogLevel(LogLevel level);

using LogField = std::pair<std::string_view, std::string>;

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

// `text` as the inside of a JSON string, without quotes; invalid UTF-8 becomes U+FFFD.
std::string JsonEscape(std::string_view text);

}  // namespace broadbill::rpc
