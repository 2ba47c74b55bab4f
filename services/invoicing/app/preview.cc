#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/whole.h"
#include "services/invoicing/app/work.h"

namespace broadbill::invoicing {
namespace {

constexpr int kHorizon = 400;  // days within which the next bill is looked for

pb::Document ToDocument(const Draft& draft) {
  return ToProto(*draft.document, nullptr, false, draft.lines, draft.taxes);
}

// The totals of drafts, and the part of them that is taken back, taxes included.
struct Sums {
  int64_t total = 0;
  int64_t credited = 0;
};

Sums SumUp(const std::vector<Draft>& drafts) {
  Sums out;
  for (const Draft& draft : drafts) {
    if (!draft.document.has_value()) continue;
    out.total += draft.document->total;
    std::map<Uuid, int64_t> taxes;
    for (const TaxRow& tax : draft.taxes) {
      for (size_t i = 0; i < tax.line_ids.size() && !tax.inclusive; ++i) {
        taxes[tax.line_ids[i]] += tax.line_amounts[i];
      }
    }
    for (const LineRow& line : draft.lines) {
      if (IsCredit(line)) out.credited += line.amount + taxes[line.line_id];
    }
  }
  return out;
}

void AddExceptions(const Draft& draft, pb::PreviewAccountResponse& response) {
  for (const Problem& problem : draft.problems) {
    pb::RunException* out = response.add_exceptions();
    out->set_account_id(draft.account_id.ToText("acc"));
    out->set_reason(problem.reason);
    out->set_message(problem.message);
  }
}

}  // namespace

absl::StatusOr<pb::PreviewAccountResponse> InvoicingApp::PreviewAccount(
    const rpc::Context&, const pb::PreviewAccountRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const CivilDay as_of = convert::ReadOptionalDate(request.as_of(), "as_of", violations)
                             .value_or(DateIn(clock_.Now(), absl::UTCTimeZone()));
  RETURN_IF_ERROR(violations.ToStatus());
  const bool changes = request.changes_size() > 0;
  DraftContext context{as_of, std::nullopt, 0};
  context.at_once = changes;
  ASSIGN_OR_RETURN(const auto supposed, assembler_.Suppose(account, request.changes()));
  context.snapshots = &supposed;
  ASSIGN_OR_RETURN(const auto drafts, assembler_.MakeDrafts({account}, context));
  pb::PreviewAccountResponse response;
  for (const Draft& draft : drafts) {
    if (draft.document.has_value()) *response.add_documents() = ToDocument(draft);
    AddExceptions(draft, response);
  }
  if (changes && !drafts.empty()) {
    DraftContext without = context;
    without.snapshots = nullptr;
    ASSIGN_OR_RETURN(const auto anyway, assembler_.MakeDrafts({account}, without));
    const Sums with = SumUp(drafts);
    const Sums before = SumUp(anyway);
    const std::string& currency = drafts.front().currency;
    *response.mutable_due_today() = convert::ToMoney(with.total - before.total, currency);
    *response.mutable_credited() = convert::ToMoney(with.credited - before.credited, currency);
  }
  context.after = &drafts;
  ASSIGN_OR_RETURN(const auto next, assembler_.NextBill(context, kHorizon));
  if (!next.has_value()) return response;
  *response.mutable_next_bill_date() = convert::ToProto(*next);
  context.as_of = *next;
  context.at_once = false;
  ASSIGN_OR_RETURN(const auto later, assembler_.MakeDrafts({account}, context));
  for (const Draft& draft : later) {
    const bool bill = draft.document.has_value() && !response.has_next_bill();
    if (bill) *response.mutable_next_bill() = ToDocument(draft);
  }
  return response;
}

}  // namespace broadbill::invoicing
