#include "services/notification/domain/format.h"

#include <array>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/money/money.h"

namespace broadbill::notification {
namespace {

struct Rules {
  const char* before_month;  // between day and month
  const char* before_year;   // between month and year
  std::array<const char*, 12> months;
  const char* group;    // between thousands
  const char* decimal;  // before decimals
  bool sign_first;      // "€ 1,00" instead of "1,00 €"
};

constexpr char kNoBreak[] = "\u00a0";

const std::map<std::string, Rules>& AllRules() {
  static const auto* const rules = new std::map<std::string, Rules>{
      {"de",
       {". ",
        " ",
        {"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September",
         "Oktober", "November", "Dezember"},
        ".",
        ",",
        false}},
      {"es",
       {" de ",
        " de ",
        {"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre",
         "octubre", "noviembre", "diciembre"},
        ".",
        ",",
        false}},
      {"fr",
       {" ",
        " ",
        {"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre",
         "octobre", "novembre", "décembre"},
        "\u202f",
        ",",
        false}},
      {"it",
       {" ",
        " ",
        {"gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto",
         "settembre", "ottobre", "novembre", "dicembre"},
        ".",
        ",",
        false}},
      {"nl",
       {" ",
        " ",
        {"januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september",
         "oktober", "november", "december"},
        ".",
        ",",
        true}},
      {"pt",
       {" de ",
        " de ",
        {"janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro",
         "outubro", "novembro", "dezembro"},
        ".",
        ",",
        false}}};
  return *rules;
}

std::string PrimaryOf(const std::string& language) {
  return absl::AsciiStrToLower(language.substr(0, language.find('-')));
}

bool IsEnglish(const std::string& language) {
  return language.empty() || PrimaryOf(language) == "en";
}

std::string EnglishDate(CivilDay day, const std::string& language) {
  static const char* const kMonths[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
  const std::string region =
      language.size() > 3 ? absl::AsciiStrToUpper(language.substr(3)) : std::string("US");
  const char* month = kMonths[day.month() - 1];
  if (region == "US" || region == "CA")
    return absl::StrCat(month, " ", day.day(), ", ", day.year());
  return absl::StrCat(day.day(), " ", month, " ", day.year());
}

}  // namespace

std::string LongDate(CivilDay day, const std::string& language) {
  if (IsEnglish(language)) return EnglishDate(day, language);
  const auto found = AllRules().find(PrimaryOf(language));
  if (found == AllRules().end()) return FormatDate(day);
  const Rules& rules = found->second;
  return absl::StrCat(day.day(), rules.before_month,
                      rules.months[static_cast<size_t>(day.month() - 1)], rules.before_year,
                      day.year());
}

std::string Amount(int64_t minor, const std::string& currency, const std::string& language) {
  const auto found = AllRules().find(PrimaryOf(language));
  const auto exponent = CurrencyExponent(currency);
  if (found == AllRules().end() || !exponent.ok()) return FormatMoney(minor, currency);
  const Rules& rules = found->second;
  std::string digits;
  for (const char c : FormatMinorGrouped(minor, *exponent)) {
    if (c == ',') {
      digits += rules.group;
    } else if (c == '.') {
      digits += rules.decimal;
    } else {
      digits += c;
    }
  }
  const std::string sign = currency == "EUR" ? "€" : currency;
  return rules.sign_first ? absl::StrCat(sign, kNoBreak, digits)
                          : absl::StrCat(digits, kNoBreak, sign);
}

}  // namespace broadbill::notification
