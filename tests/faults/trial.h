#pragma once

// One installation that is loaded once, billed month by month, killed on the way, and reset to what
// it was before the first month.

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broadbill/invoicing/v1/bill_run.pb.h"
#include "libs/calendar/date.h"
#include "libs/rpc/channel.h"
#include "tests/faults/process.h"
#include "tests/faults/state.h"

namespace broadbill::faults {

struct KillReport {
  std::string how;              // "at random, after 0.31 s" or "at draft.commit_sent, passing 2"
  std::string phase;            // what was under way
  bool billing = true;          // false: billed, payments were being collected
  std::string elsewhere;        // what other threads were doing
  double recovery_seconds = 0;  // from the restart until it had committed something again
  std::string result;
};

class Trial {
 public:
  // `patience` is how long a month may take.
  Trial(std::string program, std::string data_dir, absl::Duration patience);
  ~Trial();

  // Loads `accounts` customers of the demo's provider with their changes, discounts, usage, calls
  // and taxes through the public imports, and keeps that as the beginning of every trial.
  absl::Status Load(int64_t accounts);
  // Back to the beginning.
  absl::Status Reset();

  // When and how the process is killed while a month is billed: asked before each start of the
  // process; nothing more once it answers false.
  struct Kill {
    absl::Duration after = absl::InfiniteDuration();  // of being up
    std::string point;                                // or "point:n"
    // PostgreSQL crashes as well: with the program, or before it, and comes back under it.
    enum class Postgres { kStays, kDiesToo, kRestarts } postgres = Postgres::kStays;
  };
  using NextKill = std::function<bool(Kill&)>;

  // Bills `as_of` in mode POST, bills it again (which must make nothing), collects what autopay is
  // to collect, waits until all consumers have caught up. Kills are appended to `kills`.
  absl::Status BillMonth(CivilDay as_of, const NextKill& next, std::vector<KillReport>& kills);
  // What must hold now: the invariants and Payments/VerifyLedger. "" when it does.
  absl::StatusOr<std::string> Verify();
  absl::StatusOr<State> Read();
  // How long the two runs of a month took when they were last undisturbed.
  absl::Duration undisturbed() const { return undisturbed_; }

 private:
  struct Run {
    std::string id;  // "" until its creation was answered
    bool done = false;
  };
  struct Progress {
    Run run, again;
    bool collecting = false;  // everything is billed
    absl::Time billed_at;
    int collections = 0;  // calls of RunCollections that were answered
  };
  absl::Status CreatePolicy();
  absl::Status StartProcess(CivilDay today, const std::string& kill_point);
  // As far as it gets before the process dies: UNAVAILABLE then.
  absl::Status Advance(CivilDay as_of, Progress& progress);
  absl::StatusOr<broadbill::invoicing::v1::BillRun> Create(CivilDay as_of,
                                                           const std::string& request_id);
  absl::Status Bill(CivilDay as_of, const std::string& request_id, Run& run);
  absl::Status OrDied(const absl::Status& status);
  // Advance again and again while the program lives and finds its database gone for a moment.
  absl::Status AdvanceThroughRestart(CivilDay as_of, Progress& progress);
  absl::Status WaitBilled(const std::string& run_id);
  absl::Status WaitCaughtUp();
  KillReport Report(const Kill& kill) const;
  // When the current process had first committed something.
  absl::Time FirstCommit() const;
  absl::Status OpenPool();

  const std::string program_, data_dir_;
  const absl::Duration patience_;
  Process process_;
  std::shared_ptr<rpc::Channel> channel_;
  std::shared_ptr<db::Pool> pool_;
  int starts_ = 0;
  absl::Duration undisturbed_;
};

}  // namespace broadbill::faults
