#include "services/accounts/app/import_links.h"

#include <algorithm>
#include <set>

#include "libs/status/macros.h"
#include "services/accounts/app/read.h"
#include "services/accounts/app/resolve.h"

namespace broadbill::accounts {
namespace {

constexpr size_t kChunk = 5000;

// Whether the subscription reaches itself by following what it ends with.
bool EndsWithItself(const Uuid& start, const FindOther& other) {
  Uuid at = start;
  std::set<Uuid> seen;
  while (seen.insert(at).second) {
    const Bundle* bundle = other(at);
    if (bundle == nullptr || !bundle->row.coterminous_with.has_value()) return false;
    at = *bundle->row.coterminous_with;
  }
  return true;
}

// The accounts of these subscriptions with all they have, the file's subscriptions included.
absl::StatusOr<std::map<Uuid, Holdings>> LoadHolders(db::Tx& tx,
                                                     const std::vector<CoterminousLink>& links,
                                                     const std::vector<Bundle>& bundles) {
  std::set<Uuid> ids;
  for (const CoterminousLink& link : links) ids.insert(bundles[link.row].row.account_id);
  const std::vector<Uuid> accounts(ids.begin(), ids.end());
  std::map<Uuid, Holdings> out;
  ASSIGN_OR_RETURN(const auto rows,
                   db::Select<AccountRow>(tx, "WHERE account_id = ANY($1)", accounts));
  for (const AccountRow& row : rows) out[row.account_id].account = row;
  ASSIGN_OR_RETURN(const auto known, LoadBundles(tx, accounts, {}));
  for (const Bundle& bundle : known) out[bundle.row.account_id].bundles.push_back(bundle);
  for (const Bundle& bundle : bundles) {
    const auto holder = out.find(bundle.row.account_id);
    if (holder != out.end()) holder->second.bundles.push_back(bundle);
  }
  return out;
}

}  // namespace

absl::StatusOr<Payers> LoadPayers(db::Tx& tx, const Uuid& company) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec("SELECT a.account_number, a.account_id, a.currency, coalesce(p.account_number, '') "
              "FROM account a LEFT JOIN account p ON p.account_id = a.parent_account_id "
              "WHERE a.company_id = $1",
              company));
  Payers out;
  for (int i = 0; i < rows.size(); ++i) {
    const std::string parent = rows.Get<std::string>(i, 3);
    out.by_number[rows.Get<std::string>(i, 0)] = {rows.Get<Uuid>(i, 1), rows.Get<std::string>(i, 2),
                                                  parent};
    if (!parent.empty()) ++out.children[parent];
  }
  return out;
}

void LinkParents(const std::vector<ParentLink>& links, Payers& payers,
                 std::vector<csv::RowError>& errors, std::vector<AccountRow>& accounts) {
  for (const ParentLink& link : links) {
    payers.by_number[link.number].parent = link.parent;
    ++payers.children[link.parent];
  }
  for (const ParentLink& link : links) {
    const auto refuse = [&](const char* reason, const std::string& message) {
      errors.push_back({link.line, "parent", link.parent, reason, message});
    };
    const auto payer = payers.by_number.find(link.parent);
    AccountRow& row = accounts[link.row];
    if (payer == payers.by_number.end()) {
      refuse("UNKNOWN_REFERENCE", "there is no such account");
    } else if (!payer->second.parent.empty()) {
      refuse("INVALID_VALUE", "is a child itself; a payer pays for itself");
    } else if (payers.children.count(link.number) > 0) {
      refuse("INVALID_VALUE", "the account pays for others; a child has no children");
    } else if (payer->second.currency != row.currency) {
      refuse("CURRENCY_MISMATCH", "is billed in " + payer->second.currency);
    } else {
      row.parent_account_id = payer->second.account_id;
    }
  }
}

absl::Status LinkCoterminous(db::Tx& tx, const std::vector<CoterminousLink>& links,
                             const Plans& plans, std::vector<Bundle>& bundles,
                             std::vector<csv::RowError>& errors) {
  if (links.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(auto holders, LoadHolders(tx, links, bundles));
  const auto refuse = [&](const CoterminousLink& link, const std::string& message) {
    errors.push_back({link.line, "coterminous_with", link.with, "INVALID_VALUE", message});
  };
  for (const CoterminousLink& link : links) {
    SubscriptionRow& row = bundles[link.row].row;
    auto& own = holders[row.account_id].bundles;
    const auto found = std::find_if(own.begin(), own.end(), [&](const Bundle& bundle) {
      return bundle.row.external_id == link.with;
    });
    if (found == own.end()) {
      refuse(link, "the account has no such subscription");
      continue;
    }
    row.coterminous_with = found->row.subscription_id;
    for (Bundle& bundle : own) {
      if (bundle.row.subscription_id == row.subscription_id) {
        bundle.row.coterminous_with = row.coterminous_with;
      }
    }
  }
  for (const CoterminousLink& link : links) {
    const Bundle& bundle = bundles[link.row];
    const Holdings& holdings = holders[bundle.row.account_id];
    if (!bundle.row.coterminous_with.has_value()) continue;
    if (EndsWithItself(bundle.row.subscription_id, Among(holdings.bundles))) {
      refuse(link, "ends with itself, through others");
      continue;
    }
    Violations violations;
    CheckCoterminous(bundle, holdings, plans, violations);
    for (const FieldViolation& found : ViolationsOf(violations.ToStatus())) {
      refuse(link, found.description);
    }
  }
  std::stable_sort(errors.begin(), errors.end(),
                   [](const csv::RowError& a, const csv::RowError& b) { return a.line < b.line; });
  return absl::OkStatus();
}

absl::Status CheckHistories(db::Tx& tx, const std::vector<ChangeRow>& changes,
                            const std::map<Uuid, int64_t>& lines,
                            std::vector<csv::RowError>& errors) {
  ASSIGN_OR_RETURN(const Plans plans, LoadPlans(tx));
  std::map<Uuid, std::vector<const ChangeRow*>> fresh;
  for (const ChangeRow& row : changes) fresh[row.subscription_id].push_back(&row);
  std::vector<Uuid> ids;
  for (const auto& [id, rows] : fresh) ids.push_back(id);
  for (size_t i = 0; i < ids.size(); i += kChunk) {
    const std::vector<Uuid> part(
        ids.begin() + static_cast<std::ptrdiff_t>(i),
        ids.begin() + static_cast<std::ptrdiff_t>(std::min(ids.size(), i + kChunk)));
    ASSIGN_OR_RETURN(std::vector<Bundle> bundles, LoadBundles(tx, {}, part));
    for (Bundle& bundle : bundles) {
      const Uuid& id = bundle.row.subscription_id;
      for (const ChangeRow* row : fresh[id]) AddChange(*row, bundle);
      const absl::Status status = CheckHistory(ToHistory(bundle), LimitsIn(plans));
      if (status.ok()) continue;
      errors.push_back({lines.at(id), "effective_date", "", ReasonOf(status),
                        std::string(StdView(status.message()))});
    }
  }
  return absl::OkStatus();
}

}  // namespace broadbill::accounts
