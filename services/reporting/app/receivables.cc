#include <set>

#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/reporting/app/reporting_app.h"
#include "services/reporting/domain/aging.h"
#include "services/reporting/store/reports.h"

namespace broadbill::reporting {
namespace {

constexpr size_t kHexSize = 36;

std::string KeyOf(const BalanceAt& row) { return row.account_id.ToHex() + row.currency; }

absl::StatusOr<AccountKey> ReadKey(const std::string& after) {
  AccountKey key;
  if (after.empty()) return key;
  const auto id = Uuid::FromHex(after.substr(0, kHexSize));
  if (!id.ok()) return InvalidField("page_token", "is not a token this method gave");
  key.account_id = *id;
  key.currency = after.substr(std::min(kHexSize, after.size()));
  return key;
}

// One row more than the page was read; leaves the page and says where it ended.
std::string CutPage(int64_t size, std::vector<BalanceAt>& rows) {
  if (static_cast<int64_t>(rows.size()) <= size) return "";
  rows.resize(static_cast<size_t>(size));
  return convert::MakePageToken(KeyOf(rows.back()));
}

void SetAging(const Aging& aging, int64_t credit, const std::string& currency,
              pb::ArAgingRow* out) {
  const auto money = [&](int64_t minor) { return convert::ToMoney(minor, currency); };
  out->set_currency_code(currency);
  *out->mutable_current() = money(aging.buckets[0]);
  *out->mutable_days_1_30() = money(aging.buckets[1]);
  *out->mutable_days_31_60() = money(aging.buckets[2]);
  *out->mutable_days_61_90() = money(aging.buckets[3]);
  *out->mutable_over_90() = money(aging.buckets[4]);
  *out->mutable_total() = money(aging.total());
  *out->mutable_unapplied_credit() = money(credit);
}

absl::Status AddTotals(db::Tx& tx, const AsOf& as_of, pb::ArAgingReport& out) {
  ASSIGN_OR_RETURN(const auto open, OpenTotals(tx, as_of));
  ASSIGN_OR_RETURN(const auto balances, BalanceTotals(tx, as_of));
  std::map<std::string, Aging> agings;
  for (const OpenByDueDate& row : open) agings[row.currency].Add(row.due_date, as_of.day, row.open);
  for (const BalanceTotal& balance : balances) {
    const Aging& aging = agings[balance.currency];
    if (aging.total() == 0 && balance.open_accounts == 0 && balance.credit == 0) continue;
    pb::ArAgingRow* row = out.add_totals();
    SetAging(aging, balance.credit, balance.currency, row);
    row->set_account_count(balance.open_accounts);
  }
  return absl::OkStatus();
}

absl::Status AddAccounts(db::Tx& tx, const AsOf& as_of, const Page& page, pb::ArAgingReport& out) {
  ASSIGN_OR_RETURN(const AccountKey after, ReadKey(page.after));
  ASSIGN_OR_RETURN(auto rows, BalancesAt(tx, as_of, Which::kMoving, after, page.size + 1));
  out.set_next_page_token(CutPage(page.size, rows));
  std::set<Uuid> ids;
  for (const BalanceAt& row : rows) ids.insert(row.account_id);
  ASSIGN_OR_RETURN(const auto open, OpenOf(tx, as_of, std::vector<Uuid>(ids.begin(), ids.end())));
  std::map<std::pair<Uuid, std::string>, Aging> agings;
  for (const OpenByDueDate& row : open) {
    agings[{row.account_id, row.currency}].Add(row.due_date, as_of.day, row.open);
  }
  for (const BalanceAt& row : rows) {
    pb::ArAgingRow* to = out.add_accounts();
    to->set_account_id(row.account_id.ToText("acc"));
    to->set_account_number(row.account_number);
    to->set_name(row.name);
    SetAging(agings[{row.account_id, row.currency}], row.credit, row.currency, to);
  }
  return absl::OkStatus();
}

}  // namespace

CivilDay ReportingApp::Today() const { return DateIn(clock_.Now(), absl::UTCTimeZone()); }

absl::StatusOr<Page> ReadPage(int32_t page_size, const std::string& page_token) {
  Violations violations;
  Page page;
  page.size = convert::ReadPageSize(page_size, 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(page.after, convert::ReadPageToken(page_token));
  return page;
}

absl::StatusOr<pb::ArAgingReport> ReportingApp::ArAging(const pb::GetArAgingRequest& request,
                                                        const Page& page) const {
  Violations violations;
  AsOf as_of;
  as_of.day = convert::ReadOptionalDate(request.as_of(), "as_of", violations).value_or(Today());
  as_of.by_value_date = request.by_value_date();
  as_of.company = convert::ReadOptionalId("co", request.company_id(), "company_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  // One snapshot for totals and accounts: they always add up.
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin(db::Isolation::kRepeatableRead));
  pb::ArAgingReport out;
  *out.mutable_as_of() = convert::ToProto(as_of.day);
  RETURN_IF_ERROR(AddTotals(tx, as_of, out));
  if (request.by_account()) RETURN_IF_ERROR(AddAccounts(tx, as_of, page, out));
  return out;
}

absl::StatusOr<pb::AccountBalancesReport> ReportingApp::AccountBalances(
    const pb::GetAccountBalancesRequest& request, const Page& page) const {
  Violations violations;
  AsOf as_of;
  as_of.day = convert::ReadOptionalDate(request.as_of(), "as_of", violations).value_or(Today());
  as_of.company = convert::ReadOptionalId("co", request.company_id(), "company_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const AccountKey after, ReadKey(page.after));
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin(db::Isolation::kRepeatableRead));
  const Which which = request.nonzero_only() ? Which::kNonzero : Which::kAll;
  ASSIGN_OR_RETURN(auto rows, BalancesAt(tx, as_of, which, after, page.size + 1));
  ASSIGN_OR_RETURN(const auto totals, BalanceTotals(tx, as_of));
  pb::AccountBalancesReport out;
  *out.mutable_as_of() = convert::ToProto(as_of.day);
  out.set_next_page_token(CutPage(page.size, rows));
  for (const BalanceAt& row : rows) {
    pb::AccountBalanceRow* to = out.add_rows();
    to->set_account_id(row.account_id.ToText("acc"));
    to->set_account_number(row.account_number);
    to->set_name(row.name);
    *to->mutable_balance() = convert::ToMoney(row.receivable - row.credit, row.currency);
    *to->mutable_open() = convert::ToMoney(row.receivable, row.currency);
    *to->mutable_unapplied_credit() = convert::ToMoney(row.credit, row.currency);
  }
  for (const BalanceTotal& total : totals) {
    *out.add_totals() = convert::ToMoney(total.receivable - total.credit, total.currency);
  }
  return out;
}

absl::StatusOr<pb::ArAgingReport> ReportingApp::GetArAging(const rpc::Context&,
                                                           const pb::GetArAgingRequest& request) {
  ASSIGN_OR_RETURN(const Page page, ReadPage(request.page_size(), request.page_token()));
  return ArAging(request, page);
}

absl::StatusOr<pb::AccountBalancesReport> ReportingApp::GetAccountBalances(
    const rpc::Context&, const pb::GetAccountBalancesRequest& request) {
  ASSIGN_OR_RETURN(const Page page, ReadPage(request.page_size(), request.page_token()));
  return AccountBalances(request, page);
}

}  // namespace broadbill::reporting
