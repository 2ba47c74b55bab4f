#pragma once

// Decks as rating needs them.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broadbill/common/v1/usage_terms.pb.h"
#include "broadbill/rating/v1/calls.pb.h"
#include "libs/db/pool.h"
#include "services/rating/domain/call.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {

// Decks in order of priority with all their rates, or only those of `prefixes`.
struct LoadedDecks {
  std::vector<DeckRow> rows;  // one per deck asked; code only where there is none
  std::unique_ptr<DeckIndex> index;
};
absl::StatusOr<LoadedDecks> LoadDecks(db::Tx& tx, const std::vector<std::string>& codes);
absl::StatusOr<LoadedDecks> LoadDecks(db::Tx& tx, const std::vector<std::string>& codes,
                                      const std::vector<std::string>& prefixes);

// All prefixes of a number: "1", "16", "161", …
std::vector<std::string> PrefixesOf(std::string_view digits);

// Bundles of voice terms, full, in drawing order; errors name fields below `field`.
absl::StatusOr<std::vector<Bundle>> ReadBundles(
    const google::protobuf::RepeatedPtrField<broadbill::common::v1::VoiceBundle>& bundles,
    const std::string& field);

broadbill::common::v1::Decimal FromMicros(int64_t micros);
broadbill::rating::v1::Rate ToProto(const DeckRate& rate);

}  // namespace broadbill::rating
