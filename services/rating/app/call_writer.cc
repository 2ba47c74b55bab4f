#include "services/rating/app/call_writer.h"

#include <algorithm>
#include <tuple>

#include "absl/container/flat_hash_set.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

constexpr int kAttempts = 5;  // of a batch whose calls other transactions keep meanwhile

}  // namespace

void CallBatch::Add(const CallRow& row, size_t order, bool watched) {
  calls_.push_back({row.call_key, row.account_id, row.answered_at, order, calls_.size(), watched});
  rows_.Add(row);
  ends_.push_back(rows_.bytes());
}

void CallBatch::Sort() {
  std::sort(calls_.begin(), calls_.end(), [](const Call& a, const Call& b) {
    return std::tie(a.key, a.order) < std::tie(b.key, b.order);
  });
  const auto end = std::unique(calls_.begin(), calls_.end(),
                               [](const Call& a, const Call& b) { return a.key == b.key; });
  repeated_ = calls_.end() - end;
  calls_.erase(end, calls_.end());
}

void CallBatch::Clear() {
  calls_.clear();
  rows_.Clear();
  ends_.clear();
  repeated_ = 0;
}

std::string CallBatch::Bytes() const {
  std::string out;
  out.reserve(rows_.bytes());
  for (const Call& call : calls_) {
    const size_t begin = call.place == 0 ? 0 : ends_[call.place - 1];
    out.append(rows_.data(), begin, ends_[call.place] - begin);
  }
  return out;
}

absl::Status CallWriter::Write(CallBatch& batch, bool ahead) {
  RETURN_IF_ERROR(Wait());
  if (!ahead) return Keep(batch);
  written_ = std::async(std::launch::async, [this, &batch] { return Keep(batch); });
  return absl::OkStatus();
}

absl::Status CallWriter::Wait() { return written_.valid() ? written_.get() : absl::OkStatus(); }

absl::Status CallWriter::DropKnown(CallBatch& batch) {
  std::vector<Uuid> keys;
  keys.reserve(batch.calls_.size());
  for (const CallBatch::Call& call : batch.calls_) keys.push_back(call.key);
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx_.Exec("SELECT call_key FROM call WHERE call_key = ANY($1)", keys));
  if (rows.empty()) return absl::OkStatus();
  absl::flat_hash_set<Uuid> known;
  for (int i = 0; i < rows.size(); ++i) known.insert(rows.Get<Uuid>(i, 0));
  const auto end =
      std::remove_if(batch.calls_.begin(), batch.calls_.end(),
                     [&](const CallBatch::Call& call) { return known.contains(call.key); });
  duplicates_ += batch.calls_.end() - end;
  batch.calls_.erase(end, batch.calls_.end());
  return absl::OkStatus();
}

// False: some of the calls are there, and nothing of the batch was kept.
absl::StatusOr<bool> CallWriter::Copy(const CallBatch& batch) {
  RETURN_IF_ERROR(tx_.ExecScript("SAVEPOINT calls"));
  const absl::Status copied = tx_.CopyIn(CallRow::kTable, db::ColumnList<CallRow>(), batch.Bytes());
  if (absl::IsAlreadyExists(copied)) {
    RETURN_IF_ERROR(tx_.ExecScript("ROLLBACK TO SAVEPOINT calls"));
    return false;
  }
  RETURN_IF_ERROR(copied);
  RETURN_IF_ERROR(tx_.ExecScript("RELEASE SAVEPOINT calls"));
  return true;
}

// Files are new, as a rule: their rows go straight into the table, whose key says when they are
// not. From then on calls are asked for before: what COPY wrote up to the first known one is waste.
absl::Status CallWriter::Keep(CallBatch& batch) {
  duplicates_ += batch.repeated_;
  bool kept = false;
  for (int attempt = 1; !kept && attempt <= kAttempts; ++attempt) {
    if (ask_first_) RETURN_IF_ERROR(DropKnown(batch));
    if (batch.calls_.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(kept, Copy(batch));
    ask_first_ = ask_first_ || !kept;
  }
  if (!kept) {
    return AbortedError("SERIALIZATION_FAILURE", "others load the same calls at the same time");
  }
  kept_ += static_cast<int64_t>(batch.calls_.size());
  for (const CallBatch::Call& call : batch.calls_) {
    if (!call.watched) continue;
    const auto [span, fresh] =
        spans_.try_emplace(call.account_id, call.answered_at, call.answered_at);
    if (fresh) continue;
    span->second.first = std::min(span->second.first, call.answered_at);
    span->second.second = std::max(span->second.second, call.answered_at);
  }
  return absl::OkStatus();
}

}  // namespace broadbill::rating
