#include <algorithm>

#include "absl/strings/str_cat.h"
#include "broadbill/payments/v1/events.pb.h"
#include "libs/calendar/period.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/money/allocate.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/clients/snapshots.h"
#include "services/invoicing/app/invoicing_app.h"
#include "services/invoicing/app/work.h"

namespace broadbill::invoicing {
namespace {

namespace payments = broadbill::payments::v1;

constexpr int kPartsMost = 120;

bool IsSource(const std::string& text) {
  return text.size() <= 60 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
         });
}

// How a charge is spread: `times` charges `every` months apart, of the whole amount or in parts.
struct Spread {
  int times = 1;
  int every = 1;
  bool split = false;
};

Spread ReadSpread(const pb::PendingCharge& in, Violations& violations) {
  Spread out;
  const auto read = [&](int count, int every, const std::string& field, const char* name) {
    violations.Require(count >= 2 && count <= kPartsMost, field + "." + name, "must be 2 to 120");
    violations.Require(every >= 0 && every <= 12, field + ".every_months", "must be 0 to 12");
    out.times = std::clamp(count, 1, kPartsMost);
    out.every = std::max(1, every);
  };
  if (in.has_repeat()) {
    read(in.repeat().times(), in.repeat().every_months(), "charge.repeat", "times");
  } else if (in.has_instalments()) {
    read(in.instalments().parts(), in.instalments().every_months(), "charge.instalments", "parts");
    out.split = true;
  }
  return out;
}

// The fields that need nobody else; what is wrong is added to `violations`.
ChargeRow ReadCharge(const pb::PendingCharge& in, Violations& violations) {
  ChargeRow row;
  const bool deposit = in.kind() == pb::Line::DEPOSIT;
  const bool fee = in.kind() == pb::Line::LATE_FEE;
  violations.Require(
      deposit || fee || in.kind() == pb::Line::ONE_TIME || in.kind() == pb::Line::KIND_UNSPECIFIED,
      "charge.kind", "must be ONE_TIME, LATE_FEE or DEPOSIT");
  row.kind = static_cast<int16_t>(in.kind() == pb::Line::KIND_UNSPECIFIED ? pb::Line::ONE_TIME
                                                                          : in.kind());
  row.source = !in.source().empty() ? in.source() : fee ? kLateFeeSource : "staff";
  row.source_id = in.source_id();
  violations.Require(IsSource(row.source), "charge.source",
                     "must be a to z, 0 to 9, _ and ., at most 60 characters");
  violations.Require(in.source_id().size() <= 200, "charge.source_id",
                     "must be at most 200 characters");
  row.item_id = convert::ReadOptionalId("sub", in.item_id(), "charge.item_id", violations);
  row.location_id =
      convert::ReadOptionalId("loc", in.location_id(), "charge.location_id", violations);
  row.description = in.description();
  violations.Require(!in.description().empty() && in.description().size() <= 200,
                     "charge.description", "is required, at most 200 characters");
  row.quantity = in.has_quantity()
                     ? convert::ReadDecimal(in.quantity(), "charge.quantity", violations)
                     : Decimal::FromInt(1);
  violations.Require(row.quantity > Decimal(), "charge.quantity", "must be more than 0");
  violations.Require(in.has_unit_price(), "charge.unit_price", "is required");
  if (in.has_unit_price()) {
    row.unit_price = convert::ReadDecimal(in.unit_price(), "charge.unit_price", violations);
  }
  violations.Require(!deposit || row.unit_price > Decimal(), "charge.unit_price",
                     "must be more than 0 for a deposit; ApplyDeposit gives it back");
  row.tax_class = deposit && in.tax_class().empty() ? kUntaxed : in.tax_class();
  violations.Require(!row.tax_class.empty() && row.tax_class.size() <= 40, "charge.tax_class",
                     "is required, at most 40 characters; 'none' is never taxed");
  violations.Require(!deposit || row.tax_class == kUntaxed, "charge.tax_class",
                     "must be 'none' for a deposit");
  row.account_code = in.account_code();
  violations.Require(!in.account_code().empty() && in.account_code().size() <= 40,
                     "charge.account_code", "is required, at most 40 characters");
  row.bill_alone = in.bill_alone();
  row.state = pb::PendingCharge::PENDING;
  return row;
}

// What the account itself has to know.
void CheckAccount(const accounts::BillingSnapshot& snapshot, const pb::PendingCharge& in,
                  Violations& violations) {
  const auto any = [](const auto& list, const auto& holds) {
    return std::any_of(list.begin(), list.end(), holds);
  };
  violations.Require(
      in.item_id().empty() ||
          any(snapshot.items(), [&](const auto& item) { return item.item_id() == in.item_id(); }),
      "charge.item_id", "is no subscription of the account");
  violations.Require(
      in.location_id().empty() ||
          any(snapshot.locations(),
              [&](const auto& location) { return location.location_id() == in.location_id(); }),
      "charge.location_id", "is no location of the account");
}

// The charge, or its parts with their dates and amounts.
absl::StatusOr<std::vector<ChargeRow>> Parts(const ChargeRow& whole, const Spread& spread,
                                             int exponent, absl::Time now) {
  ASSIGN_OR_RETURN(
      const int64_t amount,
      (Fraction::MinorUnits(whole.unit_price, exponent) * Fraction::Of(whole.quantity)).Round());
  if (spread.times == 1) return std::vector<ChargeRow>{whole};
  if (spread.split && std::abs(amount) < spread.times) {
    return InvalidField("charge.instalments.parts", "are more than the amount has minor units");
  }
  const std::vector<int64_t> shares =
      Allocate(amount, std::vector<int64_t>(static_cast<size_t>(spread.times), 1));
  const CivilDay first = whole.due_date;
  std::vector<ChargeRow> out;
  for (int k = 0; k < spread.times; ++k) {
    ChargeRow row = whole;
    row.charge_id = Uuid::Make(now);
    row.series = whole.source_id;
    row.part = k + 1;
    row.parts = spread.times;
    row.source_id = absl::StrCat(whole.source_id, "/", row.part, " of ", row.parts);
    row.description = absl::StrCat(whole.description, " (", row.part, " of ", row.parts, ")");
    const absl::CivilMonth month = absl::CivilMonth(first) + k * spread.every;
    row.due_date = DayOfMonth(month.year(), month.month(), first.day());
    if (spread.split) {
      row.quantity = Decimal::FromInt(1);
      ASSIGN_OR_RETURN(row.unit_price,
                       Decimal::Parse(FormatMinor(shares[static_cast<size_t>(k)], exponent)));
    }
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace

pb::PendingCharge ToProto(const ChargeRow& row) {
  pb::PendingCharge out;
  out.set_charge_id(row.charge_id.ToText("chg"));
  out.set_account_id(row.account_id.ToText("acc"));
  out.set_source(row.source);
  out.set_source_id(row.source_id);
  out.set_kind(static_cast<pb::Line::Kind>(row.kind));
  if (row.item_id) out.set_item_id(row.item_id->ToText("sub"));
  if (row.location_id) out.set_location_id(row.location_id->ToText("loc"));
  out.set_description(row.description);
  *out.mutable_quantity() = convert::ToProto(row.quantity);
  *out.mutable_unit_price() = convert::ToProto(row.unit_price);
  out.set_tax_class(row.tax_class);
  out.set_account_code(row.account_code);
  *out.mutable_due_date() = convert::ToProto(row.due_date);
  out.set_bill_alone(row.bill_alone);
  out.set_state(static_cast<pb::PendingCharge::State>(row.state));
  if (row.document_id) out.set_document_id(row.document_id->ToText("doc"));
  *out.mutable_created_at() = convert::ToProto(row.created_at);
  out.set_part(row.part);
  out.set_parts(row.parts);
  if (row.corrects_line_id) out.set_corrects_line_id(row.corrects_line_id->ToText("lin"));
  return out;
}

absl::StatusOr<pb::PendingCharge> InvoicingApp::CreatePendingCharge(
    const rpc::Context& context, const pb::CreatePendingChargeRequest& request) {
  const pb::PendingCharge& in = request.charge();
  Violations violations;
  ChargeRow whole = ReadCharge(in, violations);
  const Spread spread = ReadSpread(in, violations);
  whole.account_id = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const auto due = convert::ReadOptionalDate(in.due_date(), "charge.due_date", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const auto snapshots, FetchSnapshots(*peers_.accounts, {whole.account_id}));
  if (snapshots.snapshots_size() == 0) {
    return NotFoundError("ACCOUNT_NOT_FOUND", "there is no such account");
  }
  const accounts::BillingSnapshot& snapshot = snapshots.snapshots(0);
  CheckAccount(snapshot, in, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const absl::TimeZone zone, LoadZone(snapshot.time_zone()));
  whole.due_date = due.value_or(DateIn(clock_.Now(), zone));
  whole.charge_id = Uuid::Make(clock_.Now());
  whole.created_at = clock_.Now();
  if (whole.source_id.empty()) whole.source_id = whole.charge_id.ToText("chg");
  ASSIGN_OR_RETURN(const int exponent, CurrencyExponent(snapshot.currency_code()));
  ASSIGN_OR_RETURN(const auto rows, Parts(whole, spread, exponent, clock_.Now()));
  return convert::Write<pb::PendingCharge>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::PendingCharge> {
        ASSIGN_OR_RETURN(
            const int64_t fresh,
            db::Insert(tx, rows, "ON CONFLICT (account_id, source, source_id) DO NOTHING"));
        if (fresh == static_cast<int64_t>(rows.size())) return ToProto(rows.front());
        // The same source and id again: the charge that is there.
        ASSIGN_OR_RETURN(
            const auto known,
            db::Select<ChargeRow>(tx, "WHERE account_id = $1 AND source = $2 AND source_id = $3",
                                  whole.account_id, whole.source, rows.front().source_id));
        if (fresh == 0 && !known.empty()) return ToProto(known.front());
        return AlreadyExistsError("CHARGE_EXISTS", "a part of this series exists already");
      });
}

absl::StatusOr<pb::ListPendingChargesResponse> InvoicingApp::ListPendingCharges(
    const rpc::Context&, const pb::ListPendingChargesRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const int32_t size = convert::ReadPageSize(request.page_size(), 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string token, convert::ReadPageToken(request.page_token()));
  Uuid after;
  if (!token.empty()) {
    ASSIGN_OR_RETURN(after, Uuid::FromHex(token));
  }
  const std::vector<int16_t> states(request.states().begin(), request.states().end());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(auto rows, db::Select<ChargeRow>(
                                  tx,
                                  "WHERE account_id = $1 AND charge_id > $2 AND (cardinality($3) "
                                  "= 0 OR state = ANY($3)) ORDER BY charge_id LIMIT $4",
                                  account, after, states, int64_t{size} + 1));
  pb::ListPendingChargesResponse response;
  if (rows.size() > static_cast<size_t>(size)) {
    rows.resize(static_cast<size_t>(size));
    response.set_next_page_token(convert::MakePageToken(rows.back().charge_id.ToHex()));
  }
  for (const ChargeRow& row : rows) *response.add_charges() = ToProto(row);
  return response;
}

absl::StatusOr<pb::PendingCharge> InvoicingApp::CancelPendingCharge(
    const rpc::Context& context, const pb::CancelPendingChargeRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const Uuid charge = convert::ReadId("chg", request.charge_id(), "charge_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  const char* const kOne = "WHERE account_id = $1 AND charge_id = $2";
  return convert::Write<pb::PendingCharge>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::PendingCharge> {
        ASSIGN_OR_RETURN(const auto rows, db::Select<ChargeRow>(tx, kOne, account, charge));
        if (rows.empty()) return NotFoundError("CHARGE_NOT_FOUND", "there is no such charge");
        const ChargeRow& row = rows.front();
        const std::string series = request.all_parts() ? row.series : "";
        ASSIGN_OR_RETURN(
            const db::Result cancelled,
            tx.Exec("UPDATE pending_charge SET state = 3 WHERE account_id = $1 AND state = 1 AND "
                    "(charge_id = $2 OR ($3 <> '' AND source = $4 AND series = $3))",
                    account, charge, series, row.source));
        if (cancelled.affected() == 0) {
          return FailedPreconditionError("CHARGE_STATE", "only a pending charge can be cancelled");
        }
        ASSIGN_OR_RETURN(const auto now, db::Select<ChargeRow>(tx, kOne, account, charge));
        return ToProto(now.front());
      });
}

absl::Status InvoicingApp::OnPaymentsEvents(db::Tx& tx, const std::vector<feed::Event>& events) {
  std::vector<ChargeRow> rows;
  for (const feed::Event& event : events) {
    payments::Event message;
    if (!message.ParseFromString(event.body) || !message.has_late_fee_assessed()) continue;
    const auto& fee = message.late_fee_assessed();
    ASSIGN_OR_RETURN(const int exponent, CurrencyExponent(fee.currency_code()));
    ASSIGN_OR_RETURN(const Decimal price,
                     Decimal::Parse(FormatMinor(fee.amount_minor(), exponent)));
    ChargeRow row;
    row.account_id = event.account_id;
    row.charge_id = Uuid::Make(clock_.Now());
    row.source = kLateFeeSource;
    row.source_id = fee.source_id();
    row.kind = pb::Line::LATE_FEE;
    row.description = fee.description().empty() ? "Late fee on " + fee.number() : fee.description();
    row.quantity = Decimal::FromInt(1);
    row.unit_price = price;
    row.tax_class = fee.tax_class().empty() ? "late_fee" : fee.tax_class();
    row.account_code = fee.account_code().empty() ? "4900" : fee.account_code();
    row.due_date = CivilDay(fee.fee_date().year(), fee.fee_date().month(), fee.fee_date().day());
    row.bill_alone = fee.bill_alone();
    row.state = pb::PendingCharge::PENDING;
    row.created_at = clock_.Now();
    rows.push_back(std::move(row));
  }
  return db::CopyNew(tx, rows).status();
}

}  // namespace broadbill::invoicing
