#pragma once

// The way of call records: whose lines are their ends, what do decks say, keep each once. Made for
// files of millions of calls: lines and terms are looked up by hash and stay known, decks are
// shared between imports, calls are rated many together, and while some are rated those before go
// into the table (CallWriter).

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "libs/db/pool.h"
#include "services/rating/app/call_writer.h"
#include "services/rating/app/decks.h"
#include "services/rating/domain/call.h"
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
      : tx_(tx), now_(now), decks_(decks), import_id_(import_id), writer_(tx) {}

  // `country`: whose dialling rules make numbers of the file's calls known as lines.
  absl::Status Add(const std::vector<CallRecord>& records, const std::string& country);

  int64_t applied() const { return writer_.kept(); }
  int64_t duplicates() const { return writer_.duplicates(); }
  // Of the last Add.
  const std::vector<WaitingCall>& waiting() const { return waiting_; }

 private:
  struct Terms {
    CivilDay from, to;
    std::string currency;
    std::vector<std::string> codes;
    CallTerms rates;                           // without decks until a call asks them
    std::shared_ptr<const LoadedDecks> decks;  // those of `rates`
  };
  using ItemTerms = absl::InlinedVector<std::unique_ptr<Terms>, 1>;
  struct Line {
    Uuid account_id, item_id;
    CivilDay from, to;
    absl::Time surely_from, surely_to;  // between them it is the line whatever the zone is
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
    E164 calling, called;  // by the file's rules; empty where it is none
    // Lines of ours by that name, at whatever time; nullptr: none.
    const Lines* caller = nullptr;
    const Lines* callee = nullptr;
    const Lines* account = nullptr;
  };

  // Whose a call is, and which way it goes.
  struct Owner {
    const Line* line = nullptr;
    Terms* terms = nullptr;
    CallFacts facts;
    size_t record = 0;
  };

  absl::Status RateAll(const std::vector<CallRecord>& records, const DialPlan& plan);
  absl::Status LoadLines(const std::vector<CallRecord>& records, std::vector<Ends>& ends);
  absl::Status AskForAll(size_t records);
  absl::Status Ask(std::vector<std::string>& values);
  absl::Status AddLines(const std::vector<SubjectRow>& rows);
  absl::Status LoadTerms(const std::vector<Uuid>& items);
  const Lines* LinesOf(const E164& number, const std::string& raw) const;
  static Found FindLine(const Lines* lines, absl::Time at);
  static Terms* TermsAt(const ItemTerms& terms, absl::Time at);
  // False: the call waits.
  bool FindOwner(const CallRecord& record, const DialPlan& file_plan, const Ends& ends, Owner& out);
  absl::Status TakeDecks(Terms& terms);
  // Rates the calls of `owners_`.
  absl::Status RateOwned(const std::vector<CallRecord>& records, const std::vector<Ends>& ends);
  void Keep(const CallRecord& record, const Ends& ends, const Owner& owner, const CallPrice& price);
  void Wait(size_t record, const Line* line, std::string reason, std::string message);

  db::Tx& tx_;
  const absl::Time now_;
  DeckCache& decks_;
  const std::optional<Uuid> import_id_;
  std::vector<WaitingCall> waiting_;
  std::map<std::vector<std::string>, std::shared_ptr<const LoadedDecks>> decks_of_;  // by codes
  absl::flat_hash_map<std::string, Lines> lines_;
  absl::flat_hash_map<Uuid, std::unique_ptr<ItemTerms>> terms_;
  bool asked_all_ = false;
  // Values that were asked for: numbers by E164::key, others as they are.
  absl::flat_hash_set<uint64_t> asked_numbers_;
  absl::flat_hash_set<std::string> asked_names_;
  // Of the calls at hand; kept for their memory.
  std::vector<Owner> owners_;
  std::vector<CallJob> jobs_;
  std::vector<CallPrice> prices_;
  CallRow row_;
  CallBatch* batch_ = nullptr;
  std::array<CallBatch, 2> batches_;  // one is made while the other is written
  CallWriter writer_;
};

}  // namespace broadbill::rating
