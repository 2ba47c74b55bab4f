#pragma once

// Decks as rating needs them.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
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

// Decks with all their rates, kept in memory as long as they stay as they are and shared by all who
// rate. Thread-safe.
class DeckCache {
 public:
  // As the transaction sees them.
  absl::StatusOr<std::shared_ptr<const LoadedDecks>> Get(db::Tx& tx,
                                                         const std::vector<std::string>& codes);

 private:
  struct Entry {
    std::vector<std::string> versions;
    std::shared_ptr<const LoadedDecks> decks;
    uint64_t used = 0;
  };
  absl::Mutex mutex_;
  std::map<std::vector<std::string>, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  uint64_t uses_ ABSL_GUARDED_BY(mutex_) = 0;
};

// All prefixes of a number: "1", "16", "161", …
std::vector<std::string> PrefixesOf(std::string_view digits);

// Bundles of voice terms, full, in drawing order; errors name fields below `field`.
absl::StatusOr<std::vector<Bundle>> ReadBundles(
    const google::protobuf::RepeatedPtrField<broadbill::common::v1::VoiceBundle>& bundles,
    const std::string& field);

broadbill::common::v1::Decimal FromMicros(int64_t micros);
broadbill::rating::v1::Rate ToProto(const DeckRate& rate);

}  // namespace broadbill::rating
