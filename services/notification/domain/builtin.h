#pragma once

// The templates that come with the program, in English: one per family of messages. A template code
// belongs to the family that it equals or begins with ("reminder_2" to "reminder").

#include <set>
#include <string>
#include <vector>

#include "services/notification/domain/template.h"

namespace broadbill::notification {

inline constexpr char kInvoice[] = "invoice";
inline constexpr char kCreditNote[] = "credit_note";
inline constexpr char kReceipt[] = "receipt";
inline constexpr char kPriceChange[] = "price_change";
inline constexpr char kPaymentDeclined[] = "payment_declined";
inline constexpr char kReminder[] = "reminder";
inline constexpr char kUsageThreshold[] = "usage_threshold";

// In order of code.
const std::vector<TemplateText>& BuiltInTemplates();

// The built-in of the code's family; nullptr when there is none. A code is at most 60 characters of
// lower_snake.
const TemplateText* FamilyOf(const std::string& code);

// The names that may stand in templates of this family.
const std::set<std::string>& Placeholders(const std::string& family);

// Messages that a customer cannot mute: documents.
bool IsDocument(const std::string& family);

}  // namespace broadbill::notification
