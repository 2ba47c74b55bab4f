#include <google/protobuf/arena.h>

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/deposits.h"
#include "services/invoicing/app/invoicing_app.h"
#include "services/invoicing/store/months.h"

namespace broadbill::invoicing {
namespace {

std::string SeriesOf(const Ready& document, CivilDay date) {
  return absl::StrCat(document.company_id.ToText("co"), "/", document.kind == 2 ? "CN" : "INV", "/",
                      date.year());
}

// What each line contains of an inclusive tax.
void AddShares(const std::vector<LineRow>& lines, const TaxRow& tax, pb::PostedTax* to) {
  for (size_t i = 0; i < tax.line_ids.size(); ++i) {
    const auto at = std::find_if(lines.begin(), lines.end(), [&](const LineRow& line) {
      return line.line_id == tax.line_ids[i];
    });
    if (at == lines.end()) continue;
    pb::PostedTaxShare* share = to->add_shares();
    share->set_line(static_cast<int32_t>(at - lines.begin()));
    share->set_amount_minor(tax.line_amounts[i]);
  }
}

// Late fees of a document with the taxes on them; credit lines of late fees count negative.
int64_t LateFees(const std::vector<LineRow>& lines, const std::vector<TaxRow>& taxes) {
  int64_t sum = 0;
  for (const LineRow& line : lines) {
    if (line.source != kLateFeeSource) continue;
    sum += line.amount;
    for (const TaxRow& tax : taxes) {
      for (size_t i = 0; i < tax.line_ids.size() && !tax.inclusive; ++i) {
        if (tax.line_ids[i] == line.line_id) sum += tax.line_amounts[i];
      }
    }
  }
  return sum;
}

// All but the number and the dates.
void SetPosted(const DocumentRow& document, const pb::Document& parties,
               const std::vector<LineRow>& lines, const std::vector<TaxRow>& taxes,
               pb::DocumentPosted& out) {
  out.set_document_id(document.document_id.ToText("doc"));
  out.set_kind(static_cast<pb::Document::Kind>(document.kind));
  out.set_account_id(document.account_id.ToText("acc"));
  out.set_account_number(parties.customer().account_number());
  out.set_company_id(document.company_id.ToText("co"));
  if (document.run_id) out.set_bill_run_id(document.run_id->ToText("run"));
  if (document.corrects_document_id) {
    out.set_corrects_document_id(document.corrects_document_id->ToText("doc"));
  }
  out.set_currency_code(document.currency);
  const auto exponent = CurrencyExponent(document.currency);
  out.set_currency_exponent(exponent.ok() ? *exponent : 2);
  out.set_net_minor(document.net);
  out.set_tax_minor(document.tax);
  out.set_total_minor(document.total);
  for (const LineRow& line : lines) {
    pb::PostedLine* to = out.add_lines();
    to->set_line_id(line.line_id.ToText("lin"));
    to->set_kind(static_cast<pb::Line::Kind>(line.kind));
    if (line.item_id) to->set_item_id(line.item_id->ToText("sub"));
    to->set_account_code(line.account_code);
    to->set_tax_class(line.tax_class);
    if (line.start_date) {
      *to->mutable_interval() = convert::ToProto(DateInterval{*line.start_date, *line.end_date});
    }
    to->set_amount_minor(line.amount);
    to->set_description(line.description);
    if (line.corrects_line_id) to->set_corrects_line_id(line.corrects_line_id->ToText("lin"));
    to->set_source(line.source);
    to->set_source_id(line.source_id);
  }
  for (const TaxRow& tax : taxes) {
    pb::PostedTax* to = out.add_taxes();
    to->set_rule_id(tax.rule_id);
    to->set_jurisdiction_id(tax.jurisdiction_id);
    to->set_jurisdiction_code(tax.jurisdiction_code);
    to->set_jurisdiction_name(tax.jurisdiction_name);
    to->set_tax_code(tax.tax_code);
    to->set_name(tax.name);
    *to->mutable_rate() = convert::ToProto(tax.rate);
    to->set_base_minor(tax.base);
    to->set_exempt_minor(tax.exempt);
    to->set_exempt_reason(tax.exempt_reason);
    to->set_amount_minor(tax.amount);
    to->set_inclusive(tax.inclusive);
    if (tax.inclusive) AddShares(lines, tax, to);
  }
  out.set_customer_name(parties.customer().name());
  out.set_customer_email(parties.customer().email());
  out.set_language(document.language);
  out.set_customer_class(parties.customer().customer_class());
  out.set_late_fees_minor(LateFees(lines, taxes));
}

// A block of a series' numbers and the date they carry.
struct Block {
  int64_t next = 0;
  CivilDay date;
};

// The next numbers of a series, gap-free and never going back in date: what would be dated before
// the series' last document takes that document's date, or is refused when the date was asked for.
absl::StatusOr<Block> TakeNumbers(db::Tx& tx, const std::string& series, int64_t count,
                                  CivilDay date, PostingDate rule) {
  RETURN_IF_ERROR(
      tx.Exec("INSERT INTO series VALUES ($1, 1, $2) ON CONFLICT DO NOTHING", series, date)
          .status());
  ASSIGN_OR_RETURN(
      const db::Result row,
      tx.Exec("SELECT next_number, last_date FROM series WHERE series = $1 FOR UPDATE", series));
  const CivilDay last = row.Get<CivilDay>(0, 1);
  if (date < last && rule == PostingDate::kExact) {
    return FailedPreconditionError(
        "SERIES_DATE", absl::StrCat("the series ", series, " has documents up to ",
                                    FormatDate(last), "; an earlier date cannot be posted"));
  }
  date = std::max(date, last);
  RETURN_IF_ERROR(tx.Exec("UPDATE series SET next_number = next_number + $2, last_date = $3 "
                          "WHERE series = $1",
                          series, count, date)
                      .status());
  return Block{row.Get<int64_t>(0, 0), date};
}

// Each logo once; nearly always it is there already.
absl::Status SaveLogos(db::Tx& tx, const std::vector<Draft>& drafts) {
  std::map<std::string, std::shared_ptr<const Logo>> logos;
  for (const Draft& draft : drafts) {
    if (draft.logo != nullptr) logos[draft.logo->sha256] = draft.logo;
  }
  for (const auto& [sha256, logo] : logos) {
    ASSIGN_OR_RETURN(const db::Result there,
                     tx.Exec("SELECT 1 FROM logo WHERE sha256 = $1", sha256));
    if (!there.empty()) continue;
    RETURN_IF_ERROR(tx.Exec("INSERT INTO logo VALUES ($1, $2) ON CONFLICT DO NOTHING", sha256,
                            db::Bytes{logo->png})
                        .status());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SaveDrafts(db::Tx& tx, const std::vector<Draft>& drafts) {
  std::vector<const CoverageUpdate*> coverage;
  std::vector<Replacing> replacing;
  db::CopyBuffer<DocumentRow> documents;
  db::CopyBuffer<LineRow> lines;
  db::CopyBuffer<TaxRow> taxes;
  std::vector<UsageBilledRow> usage;
  std::vector<Uuid> charges;
  std::vector<Uuid> charge_documents;
  for (const Draft& draft : drafts) {
    for (const CoverageUpdate& update : draft.coverage) coverage.push_back(&update);
    if (!draft.document.has_value()) continue;
    documents.Add(*draft.document);
    replacing.push_back({draft.document->document_id, &draft.coverage});
    for (const LineRow& line : draft.lines) lines.Add(line);
    for (const TaxRow& tax : draft.taxes) taxes.Add(tax);
    usage.insert(usage.end(), draft.usage.begin(), draft.usage.end());
    for (const Uuid& charge : draft.charges) {
      charges.push_back(charge);
      charge_documents.push_back(draft.document->document_id);
    }
  }
  std::vector<Uuid> ids;
  for (const Replacing& one : replacing) ids.push_back(one.document_id);
  RETURN_IF_ERROR(MakeMonths(tx, ids));
  RETURN_IF_ERROR(SaveLogos(tx, drafts));
  RETURN_IF_ERROR(CheckSeen(tx, drafts));
  RETURN_IF_ERROR(SaveLinks(tx, drafts));
  RETURN_IF_ERROR(SaveCoverage(tx, coverage));
  RETURN_IF_ERROR(SaveReplaced(tx, replacing));
  RETURN_IF_ERROR(documents.Send(tx));
  RETURN_IF_ERROR(lines.Send(tx));
  RETURN_IF_ERROR(taxes.Send(tx));
  RETURN_IF_ERROR(db::InsertArrays(tx, usage,
                                   "ON CONFLICT (account_id, item_id, meter, period_start) "
                                   "DO UPDATE SET billed_minor = excluded.billed_minor")
                      .status());
  RETURN_IF_ERROR(SaveDepositReturns(tx, drafts));
  if (charges.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const db::Result billed,
                   tx.Exec("UPDATE pending_charge c SET state = 2, document_id = u.d "
                           "FROM unnest($1, $2) AS u(c, d) "
                           "WHERE c.charge_id = u.c AND c.state = 1",
                           charges, charge_documents));
  if (billed.affected() == static_cast<int64_t>(charges.size())) return absl::OkStatus();
  return AbortedError("CHARGE_MOVED", "a pending charge was billed or cancelled meanwhile");
}

void DraftEvents(const std::vector<Draft>& drafts, bool held_only, absl::Time now,
                 std::vector<db::FeedEvent>& events) {
  for (const Draft& draft : drafts) {
    if (!draft.document.has_value() || (held_only && !draft.document->held)) continue;
    const DocumentRow& document = *draft.document;
    pb::Document parties;
    parties.ParseFromString(document.parties.data);
    pb::Event event;
    event.set_account_id(document.account_id.ToText("acc"));
    event.set_event_id(Uuid::Make(now).ToText("evt"));
    *event.mutable_at() = convert::ToProto(now);
    pb::DocumentDrafted* out = event.mutable_document_drafted();
    out->set_document_id(document.document_id.ToText("doc"));
    out->set_kind(static_cast<pb::Document::Kind>(document.kind));
    out->set_account_id(document.account_id.ToText("acc"));
    out->set_company_id(document.company_id.ToText("co"));
    if (document.run_id) out->set_bill_run_id(document.run_id->ToText("run"));
    out->set_currency_code(document.currency);
    out->set_net_minor(document.net);
    out->set_tax_minor(document.tax);
    out->set_total_minor(document.total);
    *out->mutable_as_of() = convert::ToProto(document.as_of);
    out->set_customer_name(parties.customer().name());
    events.push_back({event.GetTypeName(), document.account_id, event.SerializeAsString()});
  }
}

Ready MakeReady(const DocumentRow& document, const std::vector<LineRow>& lines,
                const std::vector<TaxRow>& taxes, absl::Time now) {
  pb::Document parties;
  parties.ParseFromString(document.parties.data);
  Ready out;
  out.account_id = document.account_id;
  out.document_id = document.document_id;
  out.company_id = document.company_id;
  out.kind = document.kind;
  out.due_days = document.due_days;
  out.due_from = document.due_from;
  out.number_prefix = parties.seller().account_number();
  google::protobuf::Arena arena;
  auto* event = google::protobuf::Arena::CreateMessage<pb::Event>(&arena);
  event->set_account_id(document.account_id.ToText("acc"));
  event->set_event_id(Uuid::Make(now).ToText("evt"));
  SetPosted(document, parties, lines, taxes, *event->mutable_document_posted());
  event->SerializeToString(&out.event);
  return out;
}

absl::StatusOr<std::vector<Ready>> ReadBack(db::Tx& tx, const std::vector<DocumentRow>& documents,
                                            absl::Time now) {
  std::vector<Uuid> ids;
  std::vector<Uuid> accounts;
  for (const DocumentRow& document : documents) {
    ids.push_back(document.document_id);
    accounts.push_back(document.account_id);
  }
  // By pairs: two arrays on one index would be looked up in all their combinations.
  ASSIGN_OR_RETURN(
      const auto line_rows,
      db::Select<LineRow>(tx,
                          "WHERE (account_id, document_id) IN (SELECT * FROM unnest($1, $2)) "
                          "ORDER BY document_id, position",
                          accounts, ids));
  ASSIGN_OR_RETURN(
      const auto tax_rows,
      db::Select<TaxRow>(tx,
                         "WHERE (account_id, document_id) IN (SELECT * FROM unnest($1, $2)) "
                         "ORDER BY document_id, position",
                         accounts, ids));
  std::map<Uuid, std::vector<LineRow>> lines;
  std::map<Uuid, std::vector<TaxRow>> taxes;
  for (const LineRow& row : line_rows) lines[row.document_id].push_back(row);
  for (const TaxRow& row : tax_rows) taxes[row.document_id].push_back(row);
  std::vector<Ready> out;
  for (const DocumentRow& document : documents) {
    out.push_back(
        MakeReady(document, lines[document.document_id], taxes[document.document_id], now));
  }
  return out;
}

absl::Status PostReady(db::Tx& tx, const std::vector<Ready>& documents, CivilDay earliest,
                       PostingDate rule, absl::Time now, std::vector<db::FeedEvent>& events) {
  std::map<std::string, int64_t> counts;
  for (const Ready& document : documents) ++counts[SeriesOf(document, earliest)];
  std::map<std::string, Block> blocks;
  for (const auto& [series, count] : counts) {
    ASSIGN_OR_RETURN(blocks[series], TakeNumbers(tx, series, count, earliest, rule));
  }
  db::CopyBuffer<PostingRow> postings;
  for (const Ready& document : documents) {
    PostingRow row;
    row.series = SeriesOf(document, earliest);
    Block& block = blocks[row.series];
    row.number = block.next++;
    row.account_id = document.account_id;
    row.document_id = document.document_id;
    row.invoice_date = block.date;
    row.due_date = std::max(block.date, document.due_from.value_or(block.date)) + document.due_days;
    row.full_number =
        absl::StrFormat("%s%s-%d-%06d", document.number_prefix, document.kind == 2 ? "CN" : "INV",
                        block.date.year(), row.number);
    row.posted_at = now;
    postings.Add(row);
    pb::Event rest;
    *rest.mutable_at() = convert::ToProto(now);
    pb::DocumentPosted* posted = rest.mutable_document_posted();
    posted->set_number(row.full_number);
    posted->set_payment_reference(row.full_number);
    *posted->mutable_invoice_date() = convert::ToProto(row.invoice_date);
    *posted->mutable_due_date() = convert::ToProto(row.due_date);
    events.push_back({rest.GetTypeName(), document.account_id, document.event});
    rest.AppendToString(&events.back().body);
  }
  return postings.Send(tx);
}

absl::Status PostDocuments(db::Tx& tx, const std::vector<DocumentRow>& documents, CivilDay earliest,
                           PostingDate rule, absl::Time now, std::vector<db::FeedEvent>& events) {
  if (documents.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<Ready> ready, ReadBack(tx, documents, now));
  return PostReady(tx, ready, earliest, rule, now, events);
}

}  // namespace broadbill::invoicing
