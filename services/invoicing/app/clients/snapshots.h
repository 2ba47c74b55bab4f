#pragma once

// What accounts tells about an account, as the domain sees it.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broadbill/accounts/v1/snapshot.pb.h"
#include "libs/rpc/channel.h"
#include "services/invoicing/domain/bill.h"

namespace broadbill::invoicing {

namespace accounts = broadbill::accounts::v1;

// One call for up to 1,000 accounts, in the order given, with `changes` (none: null) as if they
// were recorded. UNAVAILABLE when accounts does not answer.
absl::StatusOr<accounts::BatchGetBillingSnapshotsResponse> FetchSnapshots(
    rpc::Channel& channel, const std::vector<Uuid>& account_ids,
    const google::protobuf::RepeatedPtrField<accounts::HypotheticalChange>& changes);

// Why the account cannot be billed, in one sentence naming the item: no price in its currency,
// contradicting dates, numbers that are none. "" when it can.
std::string FaultIn(const accounts::BillingSnapshot& in);

Item ToItem(const accounts::SnapshotItem& in);
std::vector<Discount> ToDiscounts(
    const google::protobuf::RepeatedPtrField<accounts::SnapshotDiscount>& in);
Schedules ToSchedules(const accounts::BillingSnapshot& in);
// Seller, customer and locations as they are now, serialized: kept with the document for ever.
std::string PartiesOf(const accounts::BillingSnapshot& snapshot, const accounts::Company& company);

CivilDay ToDay(const google::type::Date& date, CivilDay otherwise);
// Zero when it is empty or no number; peers validated it.
Decimal ToDecimal(const broadbill::common::v1::Decimal& value);

}  // namespace broadbill::invoicing
