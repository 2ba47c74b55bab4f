#pragma once

// What the rows of a file say about each other: payers, subscriptions that end together, histories.

#include <map>
#include <string>
#include <vector>

#include "libs/csv/reader.h"
#include "services/accounts/app/accounts_app.h"

namespace broadbill::accounts {

struct Payer {
  Uuid account_id;
  std::string currency;
  std::string parent;  // number of who pays for it; "" = it pays itself
};

// Accounts of a company, those of the file included.
struct Payers {
  std::map<std::string, Payer> by_number;
  std::map<std::string, int> children;  // by the number of the payer
};

absl::StatusOr<Payers> LoadPayers(db::Tx& tx, const Uuid& company);

struct ParentLink {
  size_t row = 0;  // of the file's accounts
  int64_t line = 0;
  std::string number, parent;
};

// Sets the parents; what is wrong goes to `errors`.
void LinkParents(const std::vector<ParentLink>& links, Payers& payers,
                 std::vector<csv::RowError>& errors, std::vector<AccountRow>& accounts);

struct CoterminousLink {
  size_t row = 0;  // of the file's subscriptions
  int64_t line = 0;
  std::string with;  // external id
};

absl::Status LinkCoterminous(db::Tx& tx, const std::vector<CoterminousLink>& links,
                             const Plans& plans, std::vector<Bundle>& bundles,
                             std::vector<csv::RowError>& errors);

// Every changed subscription's whole history makes sense with `changes` in it. `lines` has the
// file's last line about each.
absl::Status CheckHistories(db::Tx& tx, const std::vector<ChangeRow>& changes,
                            const std::map<Uuid, int64_t>& lines,
                            std::vector<csv::RowError>& errors);

}  // namespace broadbill::accounts
