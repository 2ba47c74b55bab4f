#include "services/rating/app/key_holder.h"

#include "libs/rpc/log.h"
#include "libs/status/macros.h"
#include "services/rating/store/event_keys.h"

namespace broadbill::rating {
namespace {

// The more go over at one time, the more of them share a page of the large index; so many are some
// 300 MB with their own.
constexpr int64_t kNewMost = 4000000;
constexpr int kTries = 50;  // of a slice, while its table is in use
constexpr absl::Duration kLook = absl::Seconds(10);
constexpr absl::Duration kPause = absl::Milliseconds(20);  // between slices, for those who wait

}  // namespace

// By the size of the table: to count the rows would read them all.
absl::StatusOr<bool> KeyHolder::IsDue() {
  ASSIGN_OR_RETURN(const db::Result rows,
                   pool_->Exec("SELECT coalesce((SELECT n_live_tup FROM pg_stat_all_tables WHERE "
                               "relid = 'event_key'::regclass), 0)"));
  return rows.Get<int64_t>(0, 0) > kNewMost;
}

absl::StatusOr<int64_t> KeyHolder::HoldAll(rpc::Background* background) {
  int64_t all = 0;
  for (int slice = 0; slice < kKeySlices; ++slice) {
    for (int tries = 1;; ++tries) {
      if (background != nullptr && background->WaitFor(kPause)) return all;
      const absl::StatusOr<int64_t> held = HoldEventKeys(*pool_, slice);
      if (held.ok()) {
        all += *held;
        break;
      }
      if (tries >= kTries) return held.status();
    }
  }
  return all;
}

void KeyHolder::Run(rpc::Background& background) {
  while (!background.WaitFor(kLook)) {
    const absl::StatusOr<bool> due = IsDue();
    absl::Status status = due.status();
    if (due.ok() && *due) {
      const absl::StatusOr<int64_t> held = HoldAll(&background);
      status = held.status();
      if (held.ok()) {
        metrics_.Count("broadbill_event_keys_held_total", {}, static_cast<double>(*held));
      }
    }
    if (!status.ok()) {
      rpc::Log(rpc::LogLevel::kWarning, "event keys", {{"detail", std::string(status.message())}});
    }
  }
}

}  // namespace broadbill::rating
