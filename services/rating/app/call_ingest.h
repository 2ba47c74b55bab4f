#pragma once

// The way of call records: whose lines are their ends, what do decks say, keep each once. Made for
// files of millions of calls: lines and terms are looked up by hash and stay known, decks are
// shared between imports, and rows go straight into the table, in order of their key.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "libs/db/pool.h"
#include "services/rating/app/call_limits.h"
#include "services/rating/app/decks.h"
#include "services/rating/domain/records.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {

// A call that cannot be rated yet.
struct WaitingCall {
  size_t record = 0;  // its place among the records
  std::string reason, message;
  std::optional<Uuid> item_id;
};

class CallIngest {
 public:
  // `decks` may be shared with others. `import_id`: the file that the calls come with.
  CallIngest(db::Tx& tx, absl::Time now, DeckCache& decks,
             std::optional<Uuid> import_id = std::nullopt)
      : tx_(tx), now_(now), decks_(decks), import_id_(import_id) {}

  // `country`: whose dialling rules make numbers of the file's calls known as lines.
  absl::Status Add(const std::vector<CallRecord>& records, const std::string& country);

  int64_t applied() const { return applied_; }
  int64_t duplicates() const { return duplicates_; }
  // Of the last Add.
  const std::vector<WaitingCall>& waiting() const { return waiting_; }

 private:
  struct Terms {
    CivilDay from, to;
    absl::TimeZone zone;
    const DialPlan* plan = nullptr;
    std::string currency;
    std::vector<std::string> codes;
    std::shared_ptr<const LoadedDecks> decks;  // nullptr until a call asks them
  };
  using ItemTerms = absl::InlinedVector<std::unique_ptr<Terms>, 1>;
  struct Line {
    Uuid account_id, item_id;
    CivilDay from, to;
    ItemTerms* terms = nullptr;
  };
  using Lines = absl::InlinedVector<Line, 1>;  // that a value named over time

  // A line at a moment.
  struct Found {
    const Line* line = nullptr;
    Terms* terms = nullptr;  // nullptr: not known yet
  };

  // What a record says, before anyone is asked.
  struct Ends {
    std::string calling, called;  // E.164, or as received
    E164 number;                  // the called one by the file's rules; empty where it is none
  };

  static void Prepare(const CallRecord& record, const DialPlan& plan, Ends& out);
  absl::Status LoadLines(const std::vector<CallRecord>& records, const std::vector<Ends>& ends,
                         size_t begin);
  absl::Status LoadTerms(const std::vector<Uuid>& items);
  Found FindLine(const std::string& value, absl::Time at) const;
  static Terms* TermsAt(const ItemTerms& terms, absl::Time at);
  absl::Status Rate(const CallRecord& record, size_t place, const DialPlan& file_plan, Ends& ends);
  absl::Status Price(const CallRecord& record, const CallFacts& facts, Terms& terms, CallRow& row,
                     WaitingCall& wait);
  // Writes the rated rows that are not there yet.
  absl::Status Keep();
  absl::Status DropKnown();

  db::Tx& tx_;
  const absl::Time now_;
  DeckCache& decks_;
  const std::optional<Uuid> import_id_;
  int64_t applied_ = 0;
  int64_t duplicates_ = 0;
  std::vector<WaitingCall> waiting_;
  std::vector<CallRow> rated_;
  CallSpans spans_;                                // of accounts with new calls
  absl::flat_hash_map<std::string, Lines> lines_;  // those that are no line of ours have none
  absl::flat_hash_map<Uuid, std::unique_ptr<ItemTerms>> terms_;
};

}  // namespace broadbill::rating
