#pragma once

// Subscriptions and their changes as they come in, checked against what an account has. Recording a
// change and previewing it run the same code.

#include <optional>
#include <string>
#include <vector>

#include "services/accounts/app/accounts_app.h"

namespace broadbill::accounts {

// What an input may refer to: one account with all that hangs on it.
struct Holdings {
  AccountRow account;
  std::vector<LocationRow> locations;
  std::vector<Bundle> bundles;
};

// Who records something, and when.
struct Entry {
  std::string who;
  absl::Time now;
  CivilDay today;  // in the account's zone
};

IdentifierRow ReadIdentifier(const pb::Identifier& in, const Uuid& account, const Uuid& item,
                             CivilDay start, absl::Time now, Violations& violations);
DiscountRow ReadDiscount(const pb::Discount& in, const Uuid& account, std::optional<Uuid> item,
                         absl::Time now, Violations& violations);
absl::StatusOr<Bundle> ReadSubscription(const pb::Subscription& in, const Holdings& holdings,
                                        const Plans& plans, const Entry& entry);
absl::StatusOr<ChangeRow> ReadChange(const pb::SubscriptionChange& in, const Bundle& bundle,
                                     const Holdings& holdings, const Plans& plans,
                                     const Entry& entry);
// The subscription that `bundle` ends with has to be one of the account's, and to have periods that
// those of `bundle` divide.
void CheckCoterminous(const Bundle& bundle, const Holdings& holdings, const Plans& plans,
                      Violations& violations);
// Adds a change at its place by date and entry.
void AddChange(const ChangeRow& row, Bundle& bundle);

}  // namespace broadbill::accounts
