#include "services/invoicing/app/rendering.h"

#include <sodium.h>

#include <algorithm>
#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/convert/convert.h"
#include "libs/csv/writer.h"
#include "libs/money/money.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/invoicing/render/epc.h"
#include "services/invoicing/render/pdf.h"

namespace broadbill::invoicing {
namespace {

RenderParty ToParty(const pb::Party& party) {
  RenderParty out;
  out.name = party.name();
  for (const std::string& line : party.address().lines()) out.address.push_back(line);
  const auto& address = party.address();
  // "Duluth, MN 55802" where regions have codes, "24103 Kiel" elsewhere.
  const bool american = address.country_code().empty() || address.country_code() == "US" ||
                        address.country_code() == "CA";
  std::string city = american ? address.city() : address.postal_code();
  const std::string& second = american ? address.region() : address.city();
  const auto append = [&](const char* between, const std::string& text) {
    if (!text.empty()) city += (city.empty() ? "" : between) + text;
  };
  append(american ? ", " : " ", second);
  append(american ? " " : ", ", american ? address.postal_code() : address.region());
  out.address.push_back(city);
  out.tax_id = party.tax_id();
  out.contact = party.email();
  for (const std::string& more : {party.phone(), party.website()}) {
    if (!more.empty()) out.contact += (out.contact.empty() ? "" : "  ·  ") + more;
  }
  return out;
}

std::string LocationText(const pb::Document& document, const std::string& location_id) {
  for (const pb::DocumentLocation& location : document.locations()) {
    if (location.location_id() != location_id) continue;
    std::string out = location.name();
    for (const std::string& line : location.address().lines()) {
      out += (out.empty() ? "" : " · ") + line;
    }
    return out + (location.address().city().empty() ? "" : ", " + location.address().city());
  }
  return "";
}

// Makes the drawing of one document in the customer's language.
class Drawing {
 public:
  Drawing(const Whole& whole, std::string corrects)
      : whole_(whole),
        row_(whole.row),
        document_(WholeToProto(whole)),
        texts_(Texts::Of(whole.row.language)),
        exponent_(CurrencyExponent(whole.row.currency).value_or(2)),
        sign_(whole.row.kind == 2 ? -1 : 1),
        corrects_(std::move(corrects)) {}

  RenderInput Make() {
    in_.texts = &texts_;
    const pb::Party& seller = document_.seller();
    in_.seller = ToParty(seller);
    in_.customer = ToParty(document_.customer());
    in_.logo_text = seller.logo_text();
    if (!seller.logo_color().empty()) in_.accent = seller.logo_color();
    const std::string& country = seller.address().country_code();
    in_.letter = country.empty() || country == "US" || country == "CA";
    Head();
    Statement();
    Lines();
    Taxes();
    Totals();
    if (!credit_note() && whole_.posting) Payment();
    if (!whole_.posting) in_.note = texts_.Get(Word::kProFormaNote);
    return std::move(in_);
  }

 private:
  bool credit_note() const { return row_.kind == 2; }
  // A credit note shows what it gives as positive amounts.
  std::string Amount(int64_t minor) const { return texts_.Number(sign_ * minor, exponent_); }
  std::string Owed(int64_t minor) const { return texts_.Number(minor, exponent_); }

  void Head() {
    const CivilDay date = whole_.posting ? whole_.posting->invoice_date : row_.as_of;
    in_.title = texts_.Get(!whole_.posting             ? Word::kProForma
                           : credit_note()             ? Word::kCreditNote
                           : document_.has_statement() ? Word::kStatement
                                                       : Word::kInvoice);
    if (!whole_.posting) in_.mark = texts_.Get(whole_.is_void ? Word::kVoid : Word::kProFormaMark);
    in_.number = whole_.posting ? whole_.posting->full_number : "";
    in_.iso_date = FormatDate(date);
    const auto fact = [&](Word label, const std::string& value) {
      if (!value.empty()) in_.facts.emplace_back(texts_.Get(label), value);
    };
    fact(Word::kAccount, document_.customer().account_number());
    fact(Word::kDate, texts_.LongDate(date));
    if (row_.service_start) {
      fact(Word::kPeriod, texts_.Interval({*row_.service_start, *row_.service_end}));
    }
    fact(Word::kCorrects, corrects_);
    if (credit_note()) return;
    fact(Word::kDue,
         texts_.LongDate(whole_.posting ? whole_.posting->due_date : date + row_.due_days));
  }

  void Statement() {
    if (!document_.has_statement()) return;
    const StatementMinor balances = ToMinor(document_.statement(), row_.currency);
    const auto add = [&](Word label, int64_t minor, bool strong = false) {
      in_.statement.push_back({texts_.Get(label), Owed(minor), strong});
    };
    add(Word::kPrevious, balances.previous);
    add(Word::kPayments, balances.payments);
    if (balances.adjustments != 0) add(Word::kAdjustments, balances.adjustments);
    add(Word::kThisDocument, row_.total);
    add(Word::kNewBalance, balances.now, true);
  }

  void Lines() {
    std::map<std::string, size_t> groups;
    for (const LineRow& line : whole_.lines) {
      if (IsRounding(line)) continue;
      const std::string location = line.location_id ? line.location_id->ToText("loc") : "";
      auto [group, fresh] = groups.emplace(location, in_.groups.size());
      if (fresh) in_.groups.push_back({LocationText(document_, location), {}});
      in_.groups[group->second].lines.push_back(ToLine(line));
    }
  }

  RenderLine ToLine(const LineRow& line) const {
    RenderLine out;
    const bool credit = line.kind == static_cast<int16_t>(LineKind::kCredit);
    // On a credit note everything is a credit; elsewhere the word tells it from a charge.
    out.description = credit && line.amount <= 0 && !credit_note()
                          ? texts_.Get(Word::kCredit, {{"text", line.description}})
                          : line.description;
    if (line.start_date) out.detail = texts_.Interval({*line.start_date, *line.end_date});
    const bool derived = line.kind == static_cast<int16_t>(LineKind::kUsage) ||
                         line.kind == static_cast<int16_t>(LineKind::kVoice);
    if (derived) out.detail += (out.detail.empty() ? "" : " · ") + line.derivation;
    out.is_discount = line.kind == static_cast<int16_t>(LineKind::kDiscount);
    if (!line.quantity.IsZero()) {
      out.quantity = texts_.Plain(line.quantity.ToString());
      const auto price = Fraction::MinorUnits(line.unit_price, exponent_).Round();
      // Finer than the currency: as it is.
      const bool exact =
          price.ok() && Fraction::Of(*price) == Fraction::MinorUnits(line.unit_price, exponent_);
      out.unit_price = exact ? Owed(*price) : texts_.Plain(line.unit_price.ToString());
    }
    out.amount = Amount(line.amount);
    return out;
  }

  // A customer sees one row a tax: what new lines bring and what credits take back, together.
  void Taxes() {
    struct Sum {
      std::string name, rate;
      int64_t base = 0, amount = 0;
    };
    std::vector<Sum> sums;
    for (const TaxRow& tax : whole_.taxes) {
      if (!tax.category.empty() && tax.category != "S") AddTaxNote(tax);
      const std::string& name = tax.name.empty() ? tax.jurisdiction_name : tax.name;
      const std::string rate = tax.fixed ? "" : texts_.Percent(tax.rate.ToString());
      auto same = std::find_if(sums.begin(), sums.end(), [&](const Sum& sum) {
        return sum.name == name && sum.rate == rate;
      });
      if (same == sums.end()) same = sums.insert(sums.end(), Sum{name, rate});
      same->base += tax.base;
      same->amount += tax.amount;
    }
    for (const Sum& sum : sums) {
      if (sum.amount == 0) continue;
      in_.taxes.push_back({sum.name, sum.rate, Amount(sum.base), Amount(sum.amount)});
    }
  }

  // Why VAT is not charged must stand on the document.
  void AddTaxNote(const TaxRow& tax) {
    const int64_t net = tax.base + tax.exempt;
    if (net == 0) return;
    const std::map<std::string, Word> words = {{"E", Word::kExemptE}, {"AE", Word::kExemptAE},
                                               {"K", Word::kExemptK}, {"G", Word::kExemptG},
                                               {"Z", Word::kExemptZ}, {"O", Word::kExemptO}};
    std::string category = tax.category;
    if (tax.exempt_reason.rfind("VATEX-EU-IC", 0) == 0) category = "K";
    if (tax.exempt_reason.rfind("VATEX-EU-G", 0) == 0) category = "G";
    const auto word = words.find(category);
    if (word == words.end()) return;
    const bool code = tax.exempt_reason.rfind("VATEX", 0) == 0 || tax.exempt_reason.empty();
    in_.tax_notes.push_back(absl::StrCat(
        texts_.Get(word->second), code ? "" : " (" + tax.exempt_reason + ")", ": ", Amount(net)));
  }

  void Totals() {
    const int64_t rounding = RoundingOf(whole_);
    const auto add = [&](Word label, const std::string& amount, bool strong = false) {
      in_.totals.push_back({texts_.Get(label), amount, strong});
    };
    add(Word::kSubtotal, Amount(row_.net - rounding));
    add(Word::kTaxTotal, Amount(row_.tax));
    if (rounding != 0) add(Word::kRounding, Amount(rounding));
    due_ = sign_ * row_.total;
    Word label = credit_note() ? Word::kCredited : Word::kAmountDue;
    if (document_.has_statement()) {
      add(Word::kTotal, Amount(row_.total), true);
      due_ = ToMinor(document_.statement(), row_.currency).now;
      label = due_ < 0 ? Word::kInCredit : Word::kAmountDue;
    }
    in_.payable = {texts_.Get(label), texts_.Money(due_ < 0 ? -due_ : due_, row_.currency), true};
  }

  void Payment() {
    if (due_ <= 0) return;
    const pb::Party& seller = document_.seller();
    const std::string& number = document_.payment_reference();
    if (!seller.payment_instructions().empty()) {
      in_.payment.push_back(seller.payment_instructions());
    }
    if (!seller.iban().empty()) {
      std::string account = texts_.Get(Word::kTransfer, {{"iban", seller.iban()}});
      if (!seller.bic().empty()) account += " (BIC " + seller.bic() + ")";
      in_.payment.push_back(std::move(account));
    }
    in_.payment.push_back(texts_.Get(
        Word::kQuote, {{"number", number}, {"date", texts_.LongDate(whole_.posting->due_date)}}));
    in_.barcode = number;
    if (row_.currency == "EUR") {
      in_.payment_code = EpcPayload({seller.name(), seller.iban(), seller.bic(), due_, number});
    }
  }

  const Whole& whole_;
  const DocumentRow& row_;
  const pb::Document document_;
  const Texts& texts_;
  const int exponent_;
  const int64_t sign_;
  const std::string corrects_;
  int64_t due_ = 0;  // what the customer is asked for
  RenderInput in_;
};

absl::StatusOr<std::string> RenderAsPdf(db::Tx& tx, const Whole& whole) {
  pb::Document parties;
  parties.ParseFromString(whole.row.parties.data);
  if (parties.template_version() > kTemplateVersion) {
    return FailedPreconditionError(
        "TEMPLATE_UNKNOWN",
        absl::StrCat("the document looks as version ", parties.template_version(),
                     " of the templates, which this program does not have"));
  }
  ASSIGN_OR_RETURN(const auto corrected, CorrectedBy(tx, whole));
  std::string corrects;
  // A document that takes back from many names the last ones.
  for (size_t i = corrected.size() - std::min<size_t>(3, corrected.size()); i < corrected.size();
       ++i) {
    corrects += (corrects.empty() ? "" : ", ") + corrected[i].first;
  }
  RenderInput input = Drawing(whole, std::move(corrects)).Make();
  if (!parties.seller().logo_sha256().empty()) {
    ASSIGN_OR_RETURN(const db::Result logo, tx.Exec("SELECT content FROM logo WHERE sha256 = $1",
                                                    parties.seller().logo_sha256()));
    if (!logo.empty()) input.logo_png = logo.Get<db::Bytes>(0, 0).data;
  }
  tx.Rollback();  // drawing needs no connection
  return RenderPdf(input);
}

// Columns: README.md.
std::string ToCsv(const Whole& whole) {
  const pb::Document document = WholeToProto(whole);
  const int exponent = CurrencyExponent(whole.row.currency).value_or(2);
  std::map<Uuid, int64_t> taxes;
  std::map<Uuid, int32_t> positions;
  for (const TaxRow& tax : whole.taxes) {
    if (tax.inclusive) continue;
    for (size_t i = 0; i < tax.line_ids.size(); ++i) taxes[tax.line_ids[i]] += tax.line_amounts[i];
  }
  for (const LineRow& line : whole.lines) positions[line.line_id] = line.position;
  std::string out;
  csv::AppendRow({"document",     "kind",
                  "state",        "invoice_date",
                  "due_date",     "account_number",
                  "customer",     "currency",
                  "position",     "line_kind",
                  "description",  "start_date",
                  "end_date",     "quantity",
                  "unit_price",   "net",
                  "tax",          "tax_class",
                  "account_code", "location",
                  "belongs_to",   "corrects_document",
                  "derivation"},
                 out);
  const auto day = [](const std::optional<CivilDay>& date) {
    return date ? FormatDate(*date) : std::string();
  };
  const bool posted = whole.posting.has_value();
  for (const LineRow& line : whole.lines) {
    const auto parent =
        line.parent_line_id ? positions.find(*line.parent_line_id) : positions.end();
    csv::AppendRow({posted ? whole.posting->full_number : document.document_id(),
                    pb::Document::Kind_Name(document.kind()),
                    pb::Document::State_Name(document.state()),
                    posted ? FormatDate(whole.posting->invoice_date) : "",
                    posted && whole.row.kind == 1 ? FormatDate(whole.posting->due_date) : "",
                    document.customer().account_number(),
                    document.customer().name(),
                    whole.row.currency,
                    std::to_string(line.position),
                    pb::Line::Kind_Name(static_cast<pb::Line::Kind>(line.kind)),
                    line.description,
                    day(line.start_date),
                    day(line.end_date),
                    line.quantity.ToString(),
                    line.unit_price.ToString(),
                    FormatMinor(line.amount, exponent),
                    FormatMinor(taxes[line.line_id], exponent),
                    line.tax_class,
                    line.account_code,
                    line.location_id ? LocationText(document, line.location_id->ToText("loc")) : "",
                    parent == positions.end() ? "" : std::to_string(parent->second),
                    line.corrects_document_id ? line.corrects_document_id->ToText("doc") : "",
                    line.derivation},
                   out);
  }
  return out;
}

}  // namespace

std::string Sha256(const std::string& text) {
  std::string out(crypto_hash_sha256_BYTES, '\0');
  crypto_hash_sha256(reinterpret_cast<unsigned char*>(out.data()),
                     reinterpret_cast<const unsigned char*>(text.data()), text.size());
  return absl::BytesToHexString(out);
}

StatementMinor ToMinor(const pb::StatementBalances& statement, const std::string& currency) {
  const auto exponent = CurrencyExponent(currency);
  const auto minor = [&](const google::type::Money& money) {
    const auto value = FromUnitsNanos(money.units(), money.nanos(), exponent.ok() ? *exponent : 2);
    return value.ok() ? *value : 0;
  };
  return {minor(statement.previous_balance()), minor(statement.payments()),
          minor(statement.adjustments()), minor(statement.new_balance())};
}

namespace {

struct FileKind {
  const char* content_type;
  const char* extension;
};

FileKind KindOf(pb::RenderDocumentRequest::Format format) {
  switch (format) {
    case pb::RenderDocumentRequest::CSV:
      return {"text/csv; charset=utf-8", ".csv"};
    case pb::RenderDocumentRequest::UBL:
      return {"application/xml", ".xml"};
    default:
      return {"application/pdf", ".pdf"};
  }
}

absl::StatusOr<std::string> Render(db::Tx& tx, const Whole& whole,
                                   pb::RenderDocumentRequest::Format format) {
  switch (format) {
    case pb::RenderDocumentRequest::CSV:
      return ToCsv(whole);
    case pb::RenderDocumentRequest::UBL:
      return RenderUbl(tx, whole);
    default:
      return RenderAsPdf(tx, whole);
  }
}

struct Kept {
  std::string content, sha256;
};

absl::StatusOr<std::optional<Kept>> FindKept(db::Tx& tx, const Uuid& document, int32_t format) {
  ASSIGN_OR_RETURN(const db::Result row,
                   tx.Exec("SELECT content, sha256 FROM rendering WHERE document_id = $1 AND "
                           "format = $2",
                           document, format));
  if (row.empty()) return std::optional<Kept>();
  return std::optional<Kept>({row.Get<db::Bytes>(0, 0).data, row.Get<std::string>(0, 1)});
}

}  // namespace

absl::StatusOr<pb::RenderDocumentResponse> InvoicingApp::RenderDocument(
    const rpc::Context&, const pb::RenderDocumentRequest& request) {
  const auto format = request.format() == pb::RenderDocumentRequest::FORMAT_UNSPECIFIED
                          ? pb::RenderDocumentRequest::PDF
                          : request.format();
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const Whole whole, FindWhole(tx, request.document_id()));
  pb::RenderDocumentResponse response;
  const FileKind kind = KindOf(format);
  response.set_content_type(kind.content_type);
  response.set_file_name((whole.posting ? whole.posting->full_number : "draft") + kind.extension);
  ASSIGN_OR_RETURN(std::optional<Kept> kept, FindKept(tx, whole.row.document_id, format));
  if (!kept) {
    ASSIGN_OR_RETURN(std::string content, Render(tx, whole, format));
    tx.Rollback();
    kept = Kept{content, Sha256(content)};
    // The bytes first delivered of a posted document are kept, also when two render it at once;
    // drafts may still change.
    if (whole.posting) {
      ASSIGN_OR_RETURN(const db::Result mine,
                       pool_->Exec("INSERT INTO rendering VALUES ($1, $2, $3, $4, $5) "
                                   "ON CONFLICT DO NOTHING",
                                   whole.row.document_id, static_cast<int32_t>(format),
                                   db::Bytes{content}, kept->sha256, clock_.Now()));
      if (mine.affected() == 0) {
        ASSIGN_OR_RETURN(db::Tx again, pool_->Begin());
        ASSIGN_OR_RETURN(kept, FindKept(again, whole.row.document_id, format));
      }
    }
  }
  response.set_content(std::move(kept->content));
  response.set_sha256(kept->sha256);
  return response;
}

}  // namespace broadbill::invoicing
