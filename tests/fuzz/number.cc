// Dialled strings to E.164.

#include "services/rating/domain/number.h"

#include "tests/fuzz/fuzz.h"

namespace broadbill::rating {

FUZZ_TARGET(number) {
  using fuzz::Require;
  static constexpr const char* kCountries[] = {"US", "DE", "GB", "HU", "RU", "IT", "AU",
                                               "CL", "HK", "KZ", "NG", "KE", "JP", "BR"};
  fuzz::Bytes bytes(input);
  const DialPlan* const plan = FindDialPlan(kCountries[bytes.Take(1) % std::size(kCountries)]);
  Require(plan != nullptr, "the country is known");
  const std::string_view dialled = bytes.rest();
  IsEmergency(dialled, *plan);
  IsTollFree(dialled);
  E164 number;
  const bool ok = Normalise(dialled, *plan, number);
  const auto text = ToE164(dialled, *plan);
  Require(ok == text.has_value(), "both forms know the number");
  if (!ok) return;
  Require(number.text() == *text, "both forms are the same number");
  Require(text->size() >= 7 && text->size() <= 15, "a number has 7 to 15 digits");
  Require(text->find_first_not_of("0123456789") == std::string::npos, "a number is of digits");
  Require((*text)[0] != '0', "no calling code begins with 0");
  IsTollFree(*text);
  // In any country the number with its plus sign is itself.
  for (const char* country : kCountries) {
    Require(ToE164("+" + *text, *FindDialPlan(country)) == text, "+number is the number");
  }
  for (size_t size = 1; size <= text->size(); ++size) {
    const uint64_t from = PackDigits(text->substr(0, size));
    Require(from <= number.key() && number.key() - from < uint64_t{1} << (64 - 4 * size),
            "a key lies behind those of its prefixes");
  }
}

}  // namespace broadbill::rating
