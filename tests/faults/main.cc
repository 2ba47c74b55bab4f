// Kills `broadbill serve` while it bills and compares what comes out with an undisturbed run.
//
//   broadbill_faults --program build/dev/bin/broadbill [--accounts 600] [--random 20] [--restarts
//   4]
//                    [--per-month 8] [--points 1] [--seed N] [--data DIR]
//
// Of the random kills --restarts find PostgreSQL crashed as well, in turns with the program and a
// moment before it. --points 0 leaves the kills at named points out.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/rpc/host.h"
#include "libs/serve/args.h"
#include "tests/faults/trial.h"

namespace broadbill::faults {
namespace {

// Every point of a run at which the process dies, twice each: within a draft chunk, around its
// commit, within posting, around its commit, while a run is created (the caller gets no answer and
// asks again), while a consumer applies what was posted.
constexpr const char* kPoints[] = {
    "CreateBillRun.written",
    "CreateBillRun.commit_sent",
    "CreateBillRun.committed",
    "draft.claimed",
    "draft.computed",
    "draft.written",
    "draft.commit_sent",
    "draft.committed",
    "post.read",
    "post.written",
    "post.commit_sent",
    "post.committed",
    "finish.written",
    "finish.commit_sent",
    "payments_follows_invoicing.read",
    "payments_follows_invoicing.written",
    "payments_follows_invoicing.commit_sent",
    "payments_follows_invoicing.committed",
    "invoicing_follows_payments.written",
};
constexpr size_t kPerPoint = 2;

CivilDay Month(int index) {
  const absl::CivilMonth month = absl::CivilMonth(2026, 3) + index;
  return CivilDay(month.year(), month.month(), 1);
}

class Faults {
 public:
  struct Options {
    int random = 20;
    int restarts = 4;
    size_t per_month = 8;
    bool points = true;
  };
  Faults(Trial& trial, uint64_t seed, const Options& options)
      : trial_(trial), random_(seed), random_kills_(options.random), options_(options) {}

  bool Run(int64_t accounts) {
    return Step("load", trial_.Load(accounts)) && Undisturbed() && AtRandom() &&
           (!options_.points || AtPoints()) && Summary();
  }

 private:
  bool Step(const std::string& what, const absl::Status& status) {
    if (status.ok()) return true;
    std::printf("FAILED %s: %s\n", what.c_str(), std::string(status.message()).c_str());
    return false;
  }

  bool Undisturbed() {
    const int months = random_kills_ > 0 ? kMonths : 1;
    for (int month = 0; month < months; ++month) {
      std::vector<KillReport> none;
      const auto never = [](Trial::Kill&) { return false; };
      if (!Step("undisturbed run", trial_.BillMonth(Month(month), never, none))) return false;
      if (month == 0) seconds_ = absl::ToDoubleSeconds(trial_.undisturbed());
      const auto state = trial_.Read();
      if (!Step("state", state.status())) return false;
      expected_.push_back(*state);
      if (!Sound("undisturbed")) return false;
    }
    const State& first = expected_.front();
    std::printf(
        "undisturbed: %.2f s a month, first month %zu documents, %zu lines, %zu taxes, "
        "%zu transfers, %zu exceptions\n",
        seconds_, first.at("documents").size(), first.at("lines").size(), first.at("taxes").size(),
        first.at("transfers").size(), first.at("exceptions").size());
    const bool some = !first.at("documents").empty() && !first.at("usage billed").empty();
    return some || Step("undisturbed run", absl::InternalError("it billed nothing"));
  }

  bool Sound(const std::string& what) {
    const auto broken = trial_.Verify();
    if (!Step(what, broken.status())) return false;
    return broken->empty() || Step(what, absl::InternalError("\n" + *broken));
  }

  // Checks a disturbed month and writes its kills' rows.
  bool Judge(int month, std::vector<KillReport>& kills) {
    const auto state = trial_.Read();
    if (!Step("state", state.status())) return false;
    const std::string differences = Differences(expected_[static_cast<size_t>(month)], *state);
    const bool sound = Sound("after kills");
    for (KillReport& kill : kills) {
      kill.result = differences.empty() && sound ? "identical" : "DIFFERS";
      ++hits_[kill.phase];
      crashes_ += absl::StrContains(kill.how, "PostgreSQL") ? 1 : 0;
      std::printf("%4d  %-42s %-38s %6.2f  %s%s%s\n", ++count_, kill.how.c_str(),
                  kill.phase.c_str(), kill.recovery_seconds, kill.result.c_str(),
                  kill.elsewhere.empty() ? "" : "; elsewhere: ", kill.elsewhere.c_str());
    }
    std::fflush(stdout);
    if (!differences.empty()) {
      return Step("comparison", absl::InternalError("\n" + differences));
    }
    return sound;
  }

  static void Header() {
    std::printf("%4s  %-42s %-38s %6s  %s\n", "kill", "moment", "phase hit", "rec. s", "result");
  }

  static int Billing(const std::vector<KillReport>& kills) {
    return static_cast<int>(
        std::count_if(kills.begin(), kills.end(), [](const auto& kill) { return kill.billing; }));
  }

  // Spread over the random kills: every few of them PostgreSQL goes too.
  Trial::Kill::Postgres Postgres(int kill) const {
    const int before = kill * options_.restarts / std::max(1, random_kills_);
    const int after = (kill + 1) * options_.restarts / std::max(1, random_kills_);
    if (before == after) return Trial::Kill::Postgres::kStays;
    return after % 2 == 0 ? Trial::Kill::Postgres::kRestarts : Trial::Kill::Postgres::kDiesToo;
  }

  // Kills at random moments, some to a month, until there were enough.
  bool AtRandom() {
    if (random_kills_ == 0) return true;
    std::printf("\nAt random moments\n");
    Header();
    int left = random_kills_;
    while (left > 0) {
      if (!Step("reset", trial_.Reset())) return false;
      for (int month = 0; month < kMonths && left > 0; ++month) {
        std::vector<KillReport> kills;
        const auto next = [&](Trial::Kill& kill) {
          const int billed = Billing(kills);
          if (billed >= left || kills.size() >= options_.per_month) return false;
          // Short enough that most lives end before the month is billed.
          const double longest = seconds_ * 5 / static_cast<double>(options_.per_month);
          kill.after = absl::Seconds(std::uniform_real_distribution<>(0, longest)(random_));
          kill.postgres = Postgres(random_kills_ - left + billed);
          return true;
        };
        if (!Step("disturbed run", trial_.BillMonth(Month(month), next, kills))) return false;
        if (!Judge(month, kills)) return false;
        left -= Billing(kills);
      }
    }
    return true;
  }

  bool AtPoints() {
    std::printf("\nAt every point\n");
    Header();
    for (const char* point : kPoints) {
      // A point that the first life has passed for good (a run's creation) needs another trial.
      for (size_t hits = 0; hits < kPerPoint;) {
        if (!Step("reset", trial_.Reset())) return false;
        std::vector<KillReport> kills;
        const auto next = [&](Trial::Kill& kill) {
          if (hits + kills.size() >= kPerPoint) return false;
          const bool once = absl::StartsWith(point, "Create") || absl::StartsWith(point, "finish");
          kill.point = absl::StrCat(point, ":", once ? 1 : 2 + kills.size());
          return true;
        };
        if (!Step(point, trial_.BillMonth(Month(0), next, kills))) return false;
        if (!Judge(0, kills)) return false;
        if (kills.empty()) return Step(point, absl::InternalError("the point was never passed"));
        hits += kills.size();
      }
    }
    return true;
  }

  bool Summary() {
    std::printf(
        "\n%d kills, PostgreSQL crashed in %d of them, all states identical to the undisturbed "
        "run; by phase:\n",
        count_, crashes_);
    for (const auto& [phase, hits] : hits_) std::printf("%4d  %s\n", hits, phase.c_str());
    return true;
  }

  static constexpr int kMonths = 4;

  Trial& trial_;
  std::mt19937_64 random_;
  const int random_kills_;
  const Options options_;
  double seconds_ = 0;
  std::vector<State> expected_;
  int count_ = 0, crashes_ = 0;
  std::map<std::string, int> hits_;
};

int Main(const serve::Args& args) {
  const auto seed =
      static_cast<uint64_t>(args.GetInt("seed", static_cast<int64_t>(std::random_device()())));
  const bool own = !args.Has("data");
  const std::string data = args.Get("data", absl::StrCat("/tmp/broadbill-faults-", getpid()));
  std::printf("seed %llu, data in %s\n", static_cast<unsigned long long>(seed), data.c_str());
  bool ok = false;
  {
    const int64_t accounts = args.GetInt("accounts", 600);
    Trial trial(args.Get("program", "build/dev/bin/broadbill"), data,
                absl::Minutes(3) + absl::Milliseconds(30) * accounts);
    Faults::Options options;
    options.random = static_cast<int>(args.GetInt("random", 20));
    options.restarts = static_cast<int>(args.GetInt("restarts", 4));
    options.per_month = static_cast<size_t>(args.GetInt("per-month", 8));
    options.points = args.GetInt("points", 1) != 0;
    Faults faults(trial, seed, options);
    ok = faults.Run(accounts);
  }
  std::error_code ec;
  if (ok && own) std::filesystem::remove_all(data, ec);
  if (!ok)
    std::printf("what is left lies in %s; seed %llu\n", data.c_str(),
                static_cast<unsigned long long>(seed));
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace broadbill::faults

int main(int argc, char** argv) {
  broadbill::rpc::BlockSignals();
  return broadbill::faults::Main(broadbill::serve::ParseArgs(argc, argv, {}));
}
