#include "services/broadbill/services.h"

namespace broadbill::program {

const std::vector<std::string>& ProtoServices() {
  static const auto* const names =
      new std::vector<std::string>{"broadbill.accounts.v1.Accounts",
                                   "broadbill.rating.v1.Rating",
                                   "broadbill.tax.v1.Tax",
                                   "broadbill.invoicing.v1.Invoicing",
                                   "broadbill.payments.v1.Payments",
                                   "broadbill.notification.v1.Notification",
                                   "broadbill.reporting.v1.Reporting",
                                   "broadbill.gateway.v1.Gateway",
                                   "broadbill.common.v1.Feed"};
  return *names;
}

}  // namespace broadbill::program
