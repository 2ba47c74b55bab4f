#include "tests/bench/history.h"

#include <set>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/db/rows.h"
#include "libs/status/macros.h"
#include "services/invoicing/store/coverage.h"
#include "services/invoicing/store/months.h"

namespace broadbill::bench {
namespace {

// Everything that grows with every document, in two halves of about the same work.
constexpr const char* kTables[2][7] = {
    {"invoicing.line", "invoicing.document", "payments.item", "reporting.document",
     "reporting.item", nullptr},
    {"invoicing.document_tax", "invoicing.posting", "payments.transfer", "reporting.entry",
     "notification.message", nullptr}};
// Of these and their references come new ids; accounts, items, locations and companies stay.
const std::set<std::string> kNewIds = {"document_id", "line_id",        "parent_line_id",
                                       "transfer_id", "transaction_id", "message_id",
                                       "event_id",    "run_id"};
constexpr int kCoverageRows = 20000;  // at once

CivilDay AddMonths(CivilDay first_of_month, int months) {
  const absl::CivilMonth month = absl::CivilMonth(first_of_month) + months;
  return CivilDay(month.year(), month.month(), 1);
}

int64_t MillisOf(CivilDay day) {
  return absl::ToUnixMillis(absl::FromCivil(absl::CivilHour(day) + 12, absl::UTCTimeZone()));
}

// An id of another time: the first 48 bits of a UUIDv7 are its milliseconds.
std::string Shifted(const std::string& id, int64_t millis) {
  return absl::StrCat("(lpad(to_hex(", millis, "::int8), 12, '0') || substr(replace(", id,
                      "::text, '-', ''), 13))::uuid");
}
Uuid Shifted(Uuid id, int64_t millis) {
  for (size_t i = 0; i < 6; ++i) {
    id.bytes[i] = static_cast<unsigned char>((millis >> (40 - 8 * i)) & 0xff);
  }
  return id;
}

class History {
 public:
  History(const std::string& url, CivilDay first) : url_(url), first_(first) {
    db::Pool::Options options;
    options.url = url;
    options.application = "bench-history";
    pool_ = std::make_unique<db::Pool>(options);
  }

  absl::Status Run(int months) {
    ASSIGN_OR_RETURN(const db::Result count, pool_->Exec("SELECT count(*) FROM invoicing.posting"));
    postings_ = count.Get<int64_t>(0, 0);
    RETURN_IF_ERROR(MakeMonths(months));
    // The originals are those of the first month: what is older than its second.
    for (int month = 1; month <= months; ++month) {
      absl::Status half;
      std::thread other([&] { half = CopyTables(kTables[1], month); });
      const absl::Status own = CopyTables(kTables[0], month);
      other.join();
      RETURN_IF_ERROR(own);
      RETURN_IF_ERROR(half);
    }
    RETURN_IF_ERROR(ContinueSeries(months));
    return ExtendCoverage(months);
  }

 private:
  absl::Status MakeMonths(int months) {
    db::Pool::Options options;
    options.url = url_;
    options.schema = "invoicing";
    db::Pool pool(options);
    std::vector<Uuid> ids;
    for (int month = 1; month <= months; ++month) {
      ids.push_back(Shifted(Uuid(), MillisOf(AddMonths(first_, month))));
    }
    return db::RunTx(pool, [&](db::Tx& tx) { return invoicing::MakeMonths(tx, ids); });
  }

  absl::Status CopyTables(const char* const* tables, int month) {
    for (; *tables != nullptr; ++tables) RETURN_IF_ERROR(CopyTable(*tables, month));
    return absl::OkStatus();
  }

  std::string Expression(const std::string& table, const std::string& column,
                         const std::string& type, int month) const {
    const int64_t millis = MillisOf(AddMonths(first_, month));
    if (type == "uuid") return kNewIds.count(column) > 0 ? Shifted(column, millis) : column;
    if (type == "uuid[]") {
      return absl::StrCat("ARRAY(SELECT ", Shifted("x", millis), " FROM unnest(", column, ") x)");
    }
    const std::string later = absl::StrCat(column, " + interval '", month, " months'");
    if (type == "date") return absl::StrCat("(", later, ")::date");
    if (type == "timestamp with time zone") return later;
    if (table != "invoicing.posting") return column;
    const std::string number = absl::StrCat("number + ", postings_ * month);
    if (column == "number") return number;
    if (column != "full_number") return column;
    // Six digits or as many as it takes: lpad alone would cut the seventh off.
    return absl::StrCat("substring(full_number from '^.*-') || lpad((", number,
                        ")::text, greatest(6, length((", number, ")::text)), '0')");
  }

  absl::Status CopyTable(const std::string& table, int month) {
    ASSIGN_OR_RETURN(const db::Result columns,
                     pool_->Exec("SELECT attname::text, format_type(atttypid, NULL) FROM "
                                 "pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 "
                                 "AND NOT attisdropped ORDER BY attnum",
                                 table));
    std::vector<std::string> names;
    std::vector<std::string> values;
    std::string id;
    for (int i = 0; i < columns.size(); ++i) {
      names.push_back(columns.Get<std::string>(i, 0));
      values.push_back(Expression(table, names.back(), columns.Get<std::string>(i, 1), month));
    }
    for (const char* key : {"message_id", "transfer_id", "document_id"}) {
      for (const std::string& name : names) {
        if (name == key && id.empty()) id = name;
      }
    }
    const std::string bound =
        Shifted("'00000000-0000-0000-0000-000000000000'", MillisOf(AddMonths(first_, 1)) - 1);
    return db::ExecAlone(url_, absl::StrCat("INSERT INTO ", table, " (", absl::StrJoin(names, ", "),
                                            ") SELECT ", absl::StrJoin(values, ", "), " FROM ",
                                            table, " WHERE ", id, " < ", bound));
  }

  absl::Status ContinueSeries(int months) {
    return db::ExecAlone(
        url_, absl::StrCat("UPDATE invoicing.series s SET next_number = (SELECT max(number) + 1 "
                           "FROM invoicing.posting p WHERE p.series = s.series), last_date = "
                           "(last_date + interval '",
                           months, " months')::date"));
  }

  // Each item's first piece once more for every month.
  absl::Status ExtendCoverage(int months) {
    Uuid after_account;
    Uuid after_item;
    while (true) {
      ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
      ASSIGN_OR_RETURN(const db::Result rows,
                       tx.Exec("SELECT account_id, item_id, pieces FROM invoicing.item_coverage "
                               "WHERE (account_id, item_id) > ($1, $2) ORDER BY account_id, "
                               "item_id LIMIT $3",
                               after_account, after_item, int64_t{kCoverageRows}));
      if (rows.empty()) return absl::OkStatus();
      std::vector<Uuid> accounts, items;
      std::vector<DateSet> sets;
      std::vector<int64_t> days;
      std::vector<db::Bytes> pieces;
      for (int i = 0; i < rows.size(); ++i) {
        accounts.push_back(rows.Get<Uuid>(i, 0));
        items.push_back(rows.Get<Uuid>(i, 1));
        const auto all = Extended(invoicing::DecodePieces(rows.Raw(i, 2)), months);
        // As the runs of these months would have left it: settled up to the last one.
        invoicing::Settled settled = invoicing::SettledOf(rows.Raw(i, 2));
        if (!all.empty()) settled.through = all.back().base.start;
        sets.push_back(invoicing::CoveredDays(all));
        days.push_back(sets.back().days());
        pieces.push_back({invoicing::EncodePieces(all, settled)});
      }
      after_account = accounts.back();
      after_item = items.back();
      RETURN_IF_ERROR(
          tx.Exec("UPDATE invoicing.item_coverage c SET covered = u.s, covered_days = u.d, "
                  "pieces = u.p FROM unnest($1, $2, $3, $4, $5) AS u(a, i, s, d, p) WHERE "
                  "c.account_id = u.a AND c.item_id = u.i",
                  accounts, items, sets, days, pieces)
              .status());
      RETURN_IF_ERROR(tx.Commit());
    }
  }

  static std::vector<invoicing::Piece> Extended(std::vector<invoicing::Piece> pieces, int months) {
    if (pieces.empty()) return pieces;
    const invoicing::Piece first = pieces.front();
    for (int month = 1; month <= months; ++month) {
      invoicing::Piece piece = first;
      const int64_t millis = MillisOf(AddMonths(first.base.start, month));
      piece.base = {AddMonths(first.base.start, month), AddMonths(first.base.end, month)};
      piece.days = piece.base;
      piece.line_id = Shifted(first.line_id, millis);
      piece.document_id = Shifted(first.document_id, millis);
      pieces.push_back(std::move(piece));
    }
    return pieces;
  }

  const std::string url_;
  const CivilDay first_;
  std::unique_ptr<db::Pool> pool_;
  int64_t postings_ = 0;
};

}  // namespace

absl::Status CopyHistory(const std::string& database_url, CivilDay first_month, int months) {
  return History(database_url, first_month).Run(months);
}

}  // namespace broadbill::bench
