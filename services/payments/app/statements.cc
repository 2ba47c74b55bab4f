#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/payments/app/payments_app.h"

namespace broadbill::payments {
namespace {

constexpr int kMaxQueries = 1000;

}  // namespace

// What is owed is what AR holds less the customer's credit, so every transfer that touches one of
// them counts, and allocations, which touch both, cancel out.
absl::StatusOr<pb::BatchGetStatementBalancesResponse> PaymentsApp::BatchGetStatementBalances(
    const rpc::Context&, const pb::BatchGetStatementBalancesRequest& request) {
  Violations violations;
  violations.Require(request.queries_size() > 0 && request.queries_size() <= kMaxQueries, "queries",
                     "must be 1 to 1,000");
  std::vector<Uuid> accounts;
  std::vector<CivilDay> from, to;
  for (int i = 0; i < request.queries_size() && i < kMaxQueries; ++i) {
    const auto& query = request.queries(i);
    const std::string field = "queries[" + std::to_string(i) + "].";
    accounts.push_back(
        convert::ReadId("acc", query.account_id(), field + "account_id", violations));
    from.push_back(convert::ReadOptionalDate(query.from_date(), field + "from_date", violations)
                       .value_or(CivilDay(1, 1, 1)));
    to.push_back(convert::ReadDate(query.to_date(), field + "to_date", violations));
  }
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(
      const db::Result rows,
      pool_->Exec("SELECT coalesce(max(t.currency), ''), "
                  "coalesce(sum(t.owed) FILTER (WHERE t.posting_date < q.first), 0)::int8, "
                  "coalesce(sum(t.owed) FILTER (WHERE t.posting_date >= q.first AND t.kind = $4), "
                  "0)::int8, "
                  "coalesce(sum(t.owed) FILTER (WHERE t.posting_date >= q.first AND t.kind = $5), "
                  "0)::int8, "
                  "coalesce(sum(t.owed), 0)::int8 "
                  "FROM unnest($1, $2, $3) WITH ORDINALITY AS q(account, first, after, n) "
                  "LEFT JOIN LATERAL (SELECT posting_date, kind, currency, amount * "
                  "((debit IN ($6, $7))::int - (credit IN ($6, $7))::int) AS owed FROM transfer x "
                  "WHERE x.account_id = q.account AND x.posting_date < q.after) t ON true "
                  "GROUP BY q.n ORDER BY q.n",
                  accounts, from, to, static_cast<int32_t>(pb::Transfer::INVOICE),
                  static_cast<int32_t>(pb::Transfer::PAYMENT), std::string(kReceivable),
                  std::string(kCustomerCredit)));
  pb::BatchGetStatementBalancesResponse response;
  for (int i = 0; i < rows.size(); ++i) {
    pb::StatementBalance* out = response.add_balances();
    const auto previous = rows.Get<int64_t>(i, 1);
    const auto invoices = rows.Get<int64_t>(i, 2);
    const auto paid = rows.Get<int64_t>(i, 3);
    const auto balance = rows.Get<int64_t>(i, 4);
    out->set_account_id(request.queries(i).account_id());
    out->set_currency_code(rows.Get<std::string>(i, 0));
    out->set_previous_minor(previous);
    out->set_invoices_minor(invoices);
    out->set_payments_minor(paid);
    out->set_adjustments_minor(balance - previous - invoices - paid);
    out->set_balance_minor(balance);
  }
  return response;
}

}  // namespace broadbill::payments
