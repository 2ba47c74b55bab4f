#include "services/invoicing/store/months.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/status/macros.h"

namespace broadbill::invoicing {
namespace {

constexpr const char* kTables[] = {"document", "line", "document_tax"};

absl::Time TimeOf(const Uuid& id) {
  int64_t millis = 0;
  for (size_t i = 0; i < 6; ++i) millis = millis << 8 | id.bytes[i];
  return absl::FromUnixMillis(millis);
}

// The lowest id of a day.
std::string LowestId(absl::CivilDay day) {
  int64_t millis = absl::ToUnixMillis(absl::FromCivil(day, absl::UTCTimeZone()));
  Uuid id;
  for (size_t i = 6; i-- > 0; millis >>= 8) id.bytes[i] = static_cast<uint8_t>(millis & 0xff);
  return id.ToHex();
}

// Attached, not created as a part: that would lock the table against its readers.
absl::Status MakeMonth(db::Tx& tx, absl::CivilMonth month) {
  const CivilDay from(month);
  ASSIGN_OR_RETURN(const db::Result known, tx.Exec("SELECT 1 FROM document_month WHERE "
                                                   "from_date <= $1 AND to_date > $1",
                                                   from));
  if (!known.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(
      tx.ExecScript("SELECT pg_advisory_xact_lock(hashtextextended('broadbill.months', 0))"));
  const CivilDay to(month + 1);
  ASSIGN_OR_RETURN(
      const db::Result fresh,
      tx.Exec("INSERT INTO document_month VALUES ($1, $2) ON CONFLICT DO NOTHING", from, to));
  if (fresh.affected() == 0) return absl::OkStatus();
  for (const char* table : kTables) {
    const std::string part = absl::StrFormat("%s_%04d_%02d", table, month.year(), month.month());
    RETURN_IF_ERROR(tx.ExecScript(absl::StrCat("CREATE TABLE ", part, " (LIKE ", table,
                                               " INCLUDING ALL); ALTER TABLE ", table,
                                               " ATTACH PARTITION ", part, " FOR VALUES FROM ('",
                                               LowestId(from), "') TO ('", LowestId(to), "')")));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MakeMonths(db::Tx& tx, const std::vector<Uuid>& document_ids) {
  std::set<absl::CivilMonth> months;
  for (const Uuid& id : document_ids) {
    months.insert(absl::ToCivilMonth(TimeOf(id), absl::UTCTimeZone()));
  }
  for (const absl::CivilMonth& month : months) RETURN_IF_ERROR(MakeMonth(tx, month));
  return absl::OkStatus();
}

}  // namespace broadbill::invoicing
