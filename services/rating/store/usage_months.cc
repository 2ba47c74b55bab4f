#include "services/rating/store/usage_months.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

constexpr int kMonthsBefore = 36, kMonthsAfter = 3;

std::string First(absl::CivilMonth month) {
  return absl::StrFormat("%04d-%02d-01 00:00+00", month.year(), month.month());
}

// Attached, not created as a part: that would lock the table against its readers.
absl::Status MakeMonth(db::Tx& tx, const std::string& table, absl::CivilMonth month) {
  const std::string part = absl::StrFormat("%s_%04d_%02d", table, month.year(), month.month());
  ASSIGN_OR_RETURN(const db::Result known, tx.Exec("SELECT to_regclass($1::text) IS NULL", part));
  if (!known.Get<bool>(0, 0)) return absl::OkStatus();
  RETURN_IF_ERROR(
      tx.ExecScript("SELECT pg_advisory_xact_lock(hashtextextended('broadbill.usage_months', 0))"));
  const std::string from = First(month), to = First(month + 1);
  // Asked again, now that nobody else makes it.
  ASSIGN_OR_RETURN(
      const db::Result fresh,
      tx.Exec("SELECT to_regclass($1::text) IS NULL AND NOT EXISTS (SELECT FROM " + table +
                  "_other WHERE at >= $2::text::timestamptz AND at < "
                  "$3::text::timestamptz)",
              part, from, to));
  if (!fresh.Get<bool>(0, 0)) return absl::OkStatus();
  return tx.ExecScript(absl::StrCat("CREATE TABLE ", part, " (LIKE ", table,
                                    " INCLUDING ALL); ALTER TABLE ", table, " ATTACH PARTITION ",
                                    part, " FOR VALUES FROM ('", from, "') TO ('", to, "')"));
}

}  // namespace

absl::Status MakeUsageMonths(db::Tx& tx, const char* table,
                             const std::set<absl::CivilMonth>& months, absl::Time now) {
  const absl::CivilMonth today = absl::ToCivilMonth(now, absl::UTCTimeZone());
  for (const absl::CivilMonth& month : months) {
    if (month < today - kMonthsBefore || month > today + kMonthsAfter) continue;
    RETURN_IF_ERROR(MakeMonth(tx, table, month));
  }
  return absl::OkStatus();
}

}  // namespace broadbill::rating
