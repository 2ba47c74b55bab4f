#include "services/invoicing/render/texts.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "libs/money/money.h"

namespace broadbill::invoicing {
namespace {

constexpr size_t kWords = static_cast<size_t>(Word::kCount);
constexpr char kNoBreak[] = "\u00a0";
constexpr char kRightToLeftMark[] = "\u200f";

// In the order of Word.
constexpr const char* kEnglish[kWords] = {
    "Invoice",
    "Credit note",
    "Statement",
    "Pro forma",
    "PRO FORMA",
    "This is a draft for your information, not an invoice. Its amounts may still change.",
    "VOID",
    "Bill to",
    "Account",
    "Date",
    "Period",
    "Due",
    "Corrects",
    "Reason",
    "Amount due",
    "Credited",
    "Nothing to pay, in credit",
    "Description",
    "Qty",
    "Price",
    "Amount",
    "Taxes and fees",
    "Rate",
    "Base",
    "Tax",
    "Subtotal",
    "Taxes and fees",
    "Rounding",
    "Total",
    "Account summary",
    "Previous balance",
    "Payments",
    "Adjustments",
    "This document",
    "New balance",
    "How to pay",
    "Please quote the reference {number} with your payment by {date}.",
    "By bank transfer to {iban}",
    "Scan to pay",
    "Page {page} of {pages}",
    "Tax ID",
    "Credit: {text}",
    "Exempt from VAT",
    "Reverse charge: the customer owes the VAT",
    "VAT-free intra-community supply",
    "VAT-free export",
    "Zero rated",
    "Not subject to VAT",
};
constexpr const char* kGerman[kWords] = {
    "Rechnung",
    "Gutschrift",
    "Kontoauszug",
    "Pro-forma-Rechnung",
    "PRO FORMA",
    "Dies ist ein Entwurf zu Ihrer Information und keine Rechnung. Beträge können sich noch "
    "ändern.",
    "UNGÜLTIG",
    "Rechnungsempfänger",
    "Kundennummer",
    "Datum",
    "Zeitraum",
    "Fällig",
    "Korrigiert",
    "Grund",
    "Zu zahlen",
    "Gutgeschrieben",
    "Nichts zu zahlen, Guthaben",
    "Beschreibung",
    "Menge",
    "Preis",
    "Betrag",
    "Steuern und Abgaben",
    "Satz",
    "Netto",
    "Steuer",
    "Zwischensumme",
    "Steuern und Abgaben",
    "Rundung",
    "Gesamtbetrag",
    "Kontoübersicht",
    "Bisheriger Saldo",
    "Zahlungen",
    "Anpassungen",
    "Dieser Beleg",
    "Neuer Saldo",
    "So bezahlen Sie",
    "Bitte geben Sie bei Ihrer Zahlung bis zum {date} den Verwendungszweck {number} an.",
    "Per Überweisung auf {iban}",
    "Zum Bezahlen scannen",
    "Seite {page} von {pages}",
    "USt-IdNr.",
    "Gutschrift: {text}",
    "Umsatzsteuerfrei",
    "Steuerschuldnerschaft des Leistungsempfängers",
    "Steuerfreie innergemeinschaftliche Leistung",
    "Steuerfreie Ausfuhr",
    "Nullsteuersatz",
    "Nicht umsatzsteuerbar",
};
constexpr const char* kFrench[kWords] = {
    "Facture",
    "Avoir",
    "Relevé de compte",
    "Facture pro forma",
    "PRO FORMA",
    "Ceci est un projet pour votre information et non une facture. Les montants peuvent changer.",
    "ANNULÉ",
    "Facturé à",
    "N° client",
    "Date",
    "Période",
    "Échéance",
    "Rectifie",
    "Motif",
    "À payer",
    "Montant crédité",
    "Rien à payer, solde créditeur",
    "Désignation",
    "Qté",
    "Prix",
    "Montant",
    "Taxes",
    "Taux",
    "Base",
    "Taxe",
    "Sous-total",
    "Taxes",
    "Arrondi",
    "Total",
    "Récapitulatif du compte",
    "Solde précédent",
    "Paiements",
    "Ajustements",
    "Ce document",
    "Nouveau solde",
    "Comment payer",
    "Veuillez indiquer la référence {number} avec votre paiement avant le {date}.",
    "Par virement sur {iban}",
    "Scannez pour payer",
    "Page {page} sur {pages}",
    "N° TVA",
    "Avoir : {text}",
    "Exonéré de TVA",
    "Autoliquidation de la TVA par le client",
    "Livraison intracommunautaire exonérée",
    "Exportation exonérée",
    "Taux zéro",
    "Hors champ de la TVA",
};
constexpr const char* kSpanish[kWords] = {
    "Factura",
    "Factura rectificativa",
    "Estado de cuenta",
    "Factura proforma",
    "PROFORMA",
    "Este es un borrador para su información, no una factura. Los importes aún pueden cambiar.",
    "ANULADO",
    "Facturar a",
    "N.º de cliente",
    "Fecha",
    "Periodo",
    "Vencimiento",
    "Rectifica",
    "Motivo",
    "Total a pagar",
    "Abonado",
    "Nada que pagar, saldo a favor",
    "Descripción",
    "Cant.",
    "Precio",
    "Importe",
    "Impuestos",
    "Tipo",
    "Base",
    "Cuota",
    "Subtotal",
    "Impuestos",
    "Redondeo",
    "Total",
    "Resumen de la cuenta",
    "Saldo anterior",
    "Pagos",
    "Ajustes",
    "Este documento",
    "Nuevo saldo",
    "Cómo pagar",
    "Indique la referencia {number} con su pago antes del {date}.",
    "Por transferencia a {iban}",
    "Escanee para pagar",
    "Página {page} de {pages}",
    "NIF-IVA",
    "Abono: {text}",
    "Exento de IVA",
    "Inversión del sujeto pasivo",
    "Entrega intracomunitaria exenta",
    "Exportación exenta",
    "Tipo cero",
    "No sujeto a IVA",
};
constexpr const char* kArabic[kWords] = {
    "فاتورة",
    "إشعار دائن",
    "كشف حساب",
    "فاتورة أولية",
    "فاتورة أولية",
    "هذه مسودة لعلمكم وليست فاتورة، وقد تتغير مبالغها.",
    "ملغاة",
    "فاتورة إلى",
    "رقم الحساب",
    "التاريخ",
    "الفترة",
    "تاريخ الاستحقاق",
    "تصحيح للمستند",
    "السبب",
    "المبلغ المستحق",
    "المبلغ الدائن",
    "لا شيء للدفع، رصيدكم الدائن",
    "الوصف",
    "الكمية",
    "السعر",
    "المبلغ",
    "الضرائب والرسوم",
    "النسبة",
    "الأساس",
    "الضريبة",
    "المجموع الفرعي",
    "الضرائب والرسوم",
    "التقريب",
    "الإجمالي",
    "ملخص الحساب",
    "الرصيد السابق",
    "المدفوعات",
    "التسويات",
    "هذا المستند",
    "الرصيد الجديد",
    "طريقة الدفع",
    "يرجى ذكر المرجع {number} عند الدفع قبل {date}.",
    "بالتحويل المصرفي إلى {iban}",
    "امسح للدفع",
    "صفحة {page} من {pages}",
    "الرقم الضريبي",
    "دائن: {text}",
    "معفى من ضريبة القيمة المضافة",
    "احتساب عكسي: الضريبة على العميل",
    "توريد داخل الاتحاد معفى من الضريبة",
    "تصدير معفى من الضريبة",
    "خاضع لنسبة الصفر",
    "غير خاضع لضريبة القيمة المضافة",
};
constexpr const char* kHebrew[kWords] = {
    "חשבונית",
    "חשבונית זיכוי",
    "דף חשבון",
    "חשבון עסקה",
    "טיוטה",
    "זוהי טיוטה לידיעתכם ואינה חשבונית. הסכומים עשויים להשתנות.",
    "מבוטל",
    "לכבוד",
    "מספר לקוח",
    "תאריך",
    "תקופה",
    "לתשלום עד",
    "מתקן את",
    "סיבה",
    "לתשלום",
    "סכום הזיכוי",
    "אין מה לשלם, יתרת זכות",
    "תיאור",
    "כמות",
    "מחיר",
    "סכום",
    "מסים ואגרות",
    "שיעור",
    "בסיס",
    "מס",
    "סכום ביניים",
    "מסים ואגרות",
    "עיגול",
    "סה״כ",
    "סיכום החשבון",
    "יתרה קודמת",
    "תשלומים",
    "התאמות",
    "מסמך זה",
    "יתרה חדשה",
    "אופן התשלום",
    "נא לציין את האסמכתה {number} בתשלום עד {date}.",
    "בהעברה בנקאית אל {iban}",
    "סרקו לתשלום",
    "עמוד {page} מתוך {pages}",
    "מספר עוסק",
    "זיכוי: {text}",
    "פטור ממע״מ",
    "היפוך חיוב: הלקוח חייב במע״מ",
    "אספקה תוך־קהילתית פטורה",
    "יצוא פטור ממע״מ",
    "שיעור אפס",
    "לא חייב במע״מ",
};

constexpr const char* kMonths[][12] = {
    {"January", "February", "March", "April", "May", "June", "July", "August", "September",
     "October", "November", "December"},
    {"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober",
     "November", "Dezember"},
    {"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre",
     "octobre", "novembre", "décembre"},
    {"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre",
     "octubre", "noviembre", "diciembre"},
    {"يناير", "فبراير", "مارس", "أبريل", "مايو", "يونيو", "يوليو", "أغسطس", "سبتمبر", "أكتوبر",
     "نوفمبر", "ديسمبر"},
    {"ינואר", "פברואר", "מרץ", "אפריל", "מאי", "יוני", "יולי", "אוגוסט", "ספטמבר", "אוקטובר",
     "נובמבר", "דצמבר"}};

// The sign of a currency that everybody reads; empty: the code is clearer.
std::string SignOf(const std::string& currency) {
  static const std::map<std::string, std::string> kSigns = {
      {"EUR", "€"}, {"USD", "$"}, {"GBP", "£"}, {"JPY", "¥"}, {"ILS", "₪"}, {"INR", "₹"}};
  const auto found = kSigns.find(currency);
  return found == kSigns.end() ? "" : found->second;
}

}  // namespace

Texts::Texts(std::string language, bool right_to_left, std::string decimal, std::string group,
             bool sign_first, std::string date_format, const char* const* months,
             const char* const* words)
    : language_(std::move(language)),
      right_to_left_(right_to_left),
      decimal_(std::move(decimal)),
      group_(std::move(group)),
      sign_first_(sign_first),
      date_format_(std::move(date_format)),
      months_(months) {
  for (size_t i = 0; i < kWords; ++i) words_[i] = words[i];
}

const Texts& Texts::Of(const std::string& tag) {
  static const std::map<std::string, Texts> kAll = [] {
    std::map<std::string, Texts> all;
    const auto add = [&](Texts texts) { all.emplace(texts.language(), std::move(texts)); };
    add({"en", false, ".", ",", true, "", kMonths[0], kEnglish});
    add({"de", false, ",", ".", false, "d.m.y", kMonths[1], kGerman});
    add({"fr", false, ",", kNoBreak, false, "d/m/y", kMonths[2], kFrench});
    add({"es", false, ",", ".", false, "d/m/y", kMonths[3], kSpanish});
    add({"ar", true, ".", ",", false, "d/m/y", kMonths[4], kArabic});
    add({"he", true, ".", ",", false, "d.m.y", kMonths[5], kHebrew});
    return all;
  }();
  const auto found = kAll.find(absl::AsciiStrToLower(tag.substr(0, tag.find_first_of("-_"))));
  return found == kAll.end() ? kAll.at("en") : found->second;
}

std::string Texts::Get(Word word, const std::map<std::string, std::string>& places) const {
  std::string out = Get(word);
  for (const auto& [name, value] : places) {
    out = absl::StrReplaceAll(out, {{"{" + name + "}", value}});
  }
  return out;
}

std::string Texts::LongDate(CivilDay day) const {
  const char* month = months_[day.month() - 1];
  if (language_ == "en") return absl::StrCat(month, " ", day.day(), ", ", day.year());
  if (language_ == "de") return absl::StrCat(day.day(), ". ", month, " ", day.year());
  if (language_ == "fr") {
    return absl::StrCat(day.day(), day.day() == 1 ? "er " : " ", month, " ", day.year());
  }
  if (language_ == "es") return absl::StrCat(day.day(), " de ", month, " de ", day.year());
  if (language_ == "he") return absl::StrCat(day.day(), " ב", month, " ", day.year());
  return absl::StrCat(day.day(), " ", month, " ", day.year());
}

std::string Texts::Interval(const DateInterval& days) const {
  const CivilDay last = days.end - 1;
  if (date_format_.empty()) {
    const auto part = [&](CivilDay day) {
      return absl::StrCat(std::string(months_[day.month() - 1]).substr(0, 3), " ", day.day());
    };
    const bool one_year = days.start.year() == last.year();
    return absl::StrCat(part(days.start), one_year ? "" : absl::StrCat(", ", days.start.year()),
                        " – ", part(last), ", ", last.year());
  }
  const std::string separator = date_format_.substr(1, 1);
  const auto numeric = [&](CivilDay day) {
    return absl::StrFormat("%02d%s%02d%s%d", day.day(), separator, day.month(), separator,
                           day.year());
  };
  return absl::StrCat(right_to_left_ ? kRightToLeftMark : "", numeric(days.start), " – ",
                      numeric(last));
}

std::string Texts::Number(int64_t minor, int exponent) const {
  std::string out;
  for (const char c : FormatMinorGrouped(minor, exponent)) {
    if (c == '.') {
      out += decimal_;
    } else if (c == ',') {
      out += group_;
    } else {
      out += c;
    }
  }
  return out;
}

std::string Texts::Plain(const std::string& decimal) const {
  return absl::StrReplaceAll(decimal, {{".", decimal_}});
}

std::string Texts::Percent(const std::string& decimal) const {
  return Plain(decimal) + kNoBreak + "%";
}

std::string Texts::Money(int64_t minor, const std::string& currency) const {
  const auto exponent = CurrencyExponent(currency);
  const std::string sign = SignOf(currency);
  const std::string number = Number(minor < 0 ? -minor : minor, exponent.ok() ? *exponent : 2);
  const std::string minus = minor < 0 ? "-" : "";
  if (sign_first_ && !sign.empty()) return minus + sign + number;
  return minus + number + kNoBreak + (sign.empty() ? currency : sign);
}

}  // namespace broadbill::invoicing
