#include "services/invoicing/app/rendering.h"

#include <sodium.h>

#include <algorithm>
#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/invoicing/render/pdf.h"

namespace broadbill::invoicing {
namespace {

std::string LongDate(CivilDay day) {
  static const char* const kMonths[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
  return absl::StrCat(kMonths[day.month() - 1], " ", day.day(), ", ", day.year());
}

std::string ShortInterval(CivilDay start, CivilDay end) {
  static const char* const kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const CivilDay last = end - 1;
  return absl::StrCat(kMonths[start.month() - 1], " ", start.day(),
                      start.year() != last.year() ? absl::StrCat(", ", start.year()) : "", " – ",
                      kMonths[last.month() - 1], " ", last.day(), ", ", last.year());
}

RenderParty ToParty(const pb::Party& party) {
  RenderParty out;
  out.name = party.name();
  for (const std::string& line : party.address().lines()) out.address.push_back(line);
  std::string city = party.address().city();
  if (!party.address().region().empty()) city += ", " + party.address().region();
  if (!party.address().postal_code().empty()) city += " " + party.address().postal_code();
  out.address.push_back(city);
  out.tax_id = party.tax_id();
  out.contact = party.email();
  if (!party.phone().empty()) out.contact += (out.contact.empty() ? "" : " · ") + party.phone();
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

// A customer sees one row a tax: what new lines bring and what credits take back, together.
std::vector<RenderTax> RenderTaxes(const Whole& whole, int64_t sign, int exponent) {
  struct Sum {
    std::string name, rate;
    int64_t base = 0, amount = 0;
  };
  std::vector<Sum> sums;
  for (const TaxRow& tax : whole.taxes) {
    const std::string& name = tax.name.empty() ? tax.jurisdiction_name : tax.name;
    const std::string rate = tax.fixed ? "" : tax.rate.ToString() + " %";
    auto same = std::find_if(sums.begin(), sums.end(),
                             [&](const Sum& sum) { return sum.name == name && sum.rate == rate; });
    if (same == sums.end()) same = sums.insert(sums.end(), Sum{name, rate});
    same->base += sign * tax.base;
    same->amount += sign * tax.amount;
  }
  std::vector<RenderTax> out;
  for (const Sum& sum : sums) {
    if (sum.amount == 0) continue;
    out.push_back({sum.name, sum.rate, FormatMinorGrouped(sum.base, exponent),
                   FormatMinorGrouped(sum.amount, exponent)});
  }
  return out;
}

RenderInput ToRender(const Whole& whole) {
  const pb::Document document = WholeToProto(whole);
  const DocumentRow& row = whole.row;
  const auto exponent_or = CurrencyExponent(row.currency);
  const int exponent = exponent_or.ok() ? *exponent_or : 2;
  // A credit note shows what it gives as positive amounts.
  const int64_t sign = row.kind == 2 ? -1 : 1;
  const auto amount = [&](int64_t minor) { return FormatMinorGrouped(sign * minor, exponent); };
  RenderInput in;
  in.title = !whole.posting ? "Draft" : row.kind == 2 ? "Credit note" : "Invoice";
  in.number = whole.posting ? whole.posting->full_number : "";
  const CivilDay date = whole.posting ? whole.posting->invoice_date : row.as_of;
  in.issue_date = LongDate(date);
  in.iso_date = FormatDate(date);
  if (row.kind == 1)
    in.due_date = LongDate(whole.posting ? whole.posting->due_date : date + row.due_days);
  if (row.service_start) in.period = ShortInterval(*row.service_start, *row.service_end);
  in.account_number = document.customer().account_number();
  in.seller = ToParty(document.seller());
  in.customer = ToParty(document.customer());
  if (!document.seller().logo_color().empty()) in.accent = document.seller().logo_color();
  in.letter = document.seller().address().country_code().empty() ||
              document.seller().address().country_code() == "US" ||
              document.seller().address().country_code() == "CA";
  std::map<std::string, size_t> groups;
  for (const LineRow& line : whole.lines) {
    const std::string location = line.location_id ? line.location_id->ToText("loc") : "";
    auto [group, fresh] = groups.emplace(location, in.groups.size());
    if (fresh) in.groups.push_back({LocationText(document, location), {}, ""});
    RenderLine out;
    out.description =
        line.kind == 7 && line.amount <= 0 ? "Credit: " + line.description : line.description;
    if (line.start_date) out.detail = ShortInterval(*line.start_date, *line.end_date);
    const bool derived = line.kind == static_cast<int16_t>(LineKind::kUsage) ||
                         line.kind == static_cast<int16_t>(LineKind::kVoice);
    if (derived) out.detail += (out.detail.empty() ? "" : " · ") + line.derivation;
    out.is_discount = line.kind == static_cast<int16_t>(LineKind::kDiscount);
    if (!line.quantity.IsZero()) {
      out.quantity = line.quantity.ToString();
      const auto price = Fraction::MinorUnits(line.unit_price, exponent).Round();
      out.unit_price = price.ok() ? FormatMinorGrouped(*price, exponent) : "";
    }
    out.amount = amount(line.amount);
    in.groups[group->second].lines.push_back(std::move(out));
  }
  in.taxes = RenderTaxes(whole, sign, exponent);
  in.totals = {{"Subtotal", amount(row.net), false}, {"Taxes and fees", amount(row.tax), false}};
  in.payable = {row.kind == 2 ? "Credited" : "Amount due",
                FormatMoney(sign * row.total, row.currency), true};
  if (row.kind == 1 && whole.posting) {
    if (!document.seller().payment_instructions().empty()) {
      in.payment.push_back(document.seller().payment_instructions());
    }
    in.payment.push_back("Please quote the reference " + in.number + " with your payment by " +
                         in.due_date + ".");
    in.payment_code = absl::StrCat("BROADBILL:", in.number, ":", FormatMinor(row.total, exponent),
                                   ":", row.currency);
  }
  return in;
}

std::string ToCsv(const Whole& whole) {
  const auto exponent = CurrencyExponent(whole.row.currency);
  std::string out =
      "position,description,start_date,end_date,quantity,unit_price,amount,tax_class\n";
  for (const LineRow& line : whole.lines) {
    std::string text = line.description;
    for (size_t at = text.find('"'); at != std::string::npos; at = text.find('"', at + 2)) {
      text.insert(at, "\"");
    }
    absl::StrAppend(&out, line.position, ",\"", text, "\",",
                    line.start_date ? FormatDate(*line.start_date) : "", ",",
                    line.end_date ? FormatDate(*line.end_date) : "", ",", line.quantity.ToString(),
                    ",", line.unit_price.ToString(), ",",
                    FormatMinor(line.amount, exponent.ok() ? *exponent : 2), ",", line.tax_class,
                    "\n");
  }
  return out;
}

std::string Sha256(const std::string& text) {
  std::string out(crypto_hash_sha256_BYTES, '\0');
  crypto_hash_sha256(reinterpret_cast<unsigned char*>(out.data()),
                     reinterpret_cast<const unsigned char*>(text.data()), text.size());
  return absl::BytesToHexString(out);
}

}  // namespace

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
      return RenderPdf(ToRender(whole));
  }
}

struct Kept {
  std::string content, sha256;
};

absl::StatusOr<std::optional<Kept>> FindKept(db::Pool& pool, const Uuid& document, int32_t format) {
  ASSIGN_OR_RETURN(const db::Result row,
                   pool.Exec("SELECT content, sha256 FROM rendering WHERE document_id = $1 AND "
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
  ASSIGN_OR_RETURN(std::optional<Kept> kept, FindKept(*pool_, whole.row.document_id, format));
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
        ASSIGN_OR_RETURN(kept, FindKept(*pool_, whole.row.document_id, format));
      }
    }
  }
  response.set_content(std::move(kept->content));
  response.set_sha256(kept->sha256);
  return response;
}

}  // namespace broadbill::invoicing
