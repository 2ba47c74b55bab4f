#include "services/notification/store/queue.h"

#include <algorithm>

#include "libs/status/macros.h"

namespace broadbill::notification {

absl::StatusOr<std::vector<MessageRow>> ClaimDue(db::Pool& pool, int limit, absl::Time now,
                                                 absl::Time lease_end) {
  ASSIGN_OR_RETURN(
      const db::Result result,
      pool.Exec("WITH due AS (SELECT account_id, message_id FROM message WHERE state = 1 AND "
                "recipient <> '' AND due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED) "
                "UPDATE message m SET leased = true, fence = m.fence + 1, due_at = $3 FROM due "
                "WHERE m.account_id = due.account_id AND m.message_id = due.message_id "
                "RETURNING " +
                    db::ColumnList<MessageRow>("m."),
                now, int64_t{limit}, lease_end));
  std::vector<MessageRow> rows = db::ReadRows<MessageRow>(result);
  std::sort(rows.begin(), rows.end(),
            [](const MessageRow& a, const MessageRow& b) { return a.message_id < b.message_id; });
  return rows;
}

absl::StatusOr<bool> RecordTry(db::Tx& tx, const MessageRow& claimed, const MessageRow& after,
                               const DeliveryRow& delivery) {
  ASSIGN_OR_RETURN(
      const db::Result result,
      tx.Exec(
          "WITH mine AS (UPDATE message SET state = $4, error = $5, subject = $6, "
          "file_name = $7, file_size = $8, tries = tries + 1, strikes = $9, delivered_at = $10, "
          "due_at = $11, leased = false "
          "WHERE account_id = $1 AND message_id = $2 AND fence = $3 AND leased AND state = 1 "
          "RETURNING account_id, message_id, tries) "
          "INSERT INTO delivery (account_id, message_id, number, at, ok, smtp_code, detail, "
          "elapsed_ms, text_body, html_body) "
          "SELECT account_id, message_id, tries, $12, $13, $14, $15, $16, $17, $18 FROM mine",
          claimed.account_id, claimed.message_id, claimed.fence, after.state, after.error,
          after.subject, after.file_name, after.file_size, after.strikes, after.delivered_at,
          after.due_at, delivery.at, delivery.ok, delivery.smtp_code, delivery.detail,
          delivery.elapsed_ms, delivery.text_body, delivery.html_body));
  return result.affected() == 1;
}

absl::Status GiveBack(db::Pool& pool, const std::vector<MessageRow>& claimed, absl::Time due_at,
                      const std::string& error) {
  if (claimed.empty()) return absl::OkStatus();
  std::vector<Uuid> accounts, messages;
  std::vector<int64_t> fences;
  for (const MessageRow& row : claimed) {
    accounts.push_back(row.account_id);
    messages.push_back(row.message_id);
    fences.push_back(row.fence);
  }
  return pool
      .Exec(
          "UPDATE message m SET leased = false, due_at = $4, "
          "error = CASE WHEN $5 = '' THEN m.error ELSE $5 END "
          "FROM unnest($1, $2, $3) AS c(account_id, message_id, fence) "
          "WHERE m.account_id = c.account_id AND m.message_id = c.message_id AND "
          "m.fence = c.fence AND m.leased AND m.state = 1",
          accounts, messages, fences, due_at, error)
      .status();
}

}  // namespace broadbill::notification
