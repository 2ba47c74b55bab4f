#include "libs/db/command.h"

#include <sodium.h>

#include <optional>

#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::db {
namespace {

constexpr int kAttempts = 5;

Bytes HashOf(const std::string& request) {
  Bytes out;
  out.data.resize(crypto_hash_sha256_BYTES);
  crypto_hash_sha256(reinterpret_cast<unsigned char*>(out.data.data()),
                     reinterpret_cast<const unsigned char*>(request.data()), request.size());
  return out;
}

// "CreateBillRun" of "broadbill.invoicing.v1.Invoicing/CreateBillRun".
std::string_view MethodName(std::string_view method) {
  return method.substr(method.rfind('/') + 1);
}

// The stored answer, when the key was used before. Waits for a concurrent first use.
absl::StatusOr<std::optional<std::string>> TakeKey(Tx& tx, const CommandInput& input,
                                                   const Bytes& hash) {
  ASSIGN_OR_RETURN(const Result inserted,
                   tx.Exec("INSERT INTO command_key (scope, method, request_id, request_hash, at) "
                           "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                           input.scope, input.method, input.request_id, hash, input.now));
  if (inserted.affected() == 1) return std::optional<std::string>();
  ASSIGN_OR_RETURN(const Result rows,
                   tx.Exec("SELECT request_hash, answer FROM command_key "
                           "WHERE scope = $1 AND method = $2 AND request_id = $3",
                           input.scope, input.method, input.request_id));
  if (rows.empty()) return AbortedError("SERIALIZATION_FAILURE", "the first use was rolled back");
  if (rows.Get<Bytes>(0, 0) != hash) {
    return FailedPreconditionError(
        "REQUEST_ID_REUSED",
        "request_id '" + input.request_id + "' was used before with another request");
  }
  return std::optional<std::string>(rows.Get<Bytes>(0, 1).data);
}

absl::StatusOr<CommandResult> Attempt(
    Pool& pool, const CommandInput& input, const Bytes& hash,
    const std::function<absl::StatusOr<CommandOutput>(Tx&)>& run) {
  ASSIGN_OR_RETURN(Tx tx, pool.Begin());
  const bool keyed = !input.request_id.empty();
  if (keyed) {
    ASSIGN_OR_RETURN(std::optional<std::string> stored, TakeKey(tx, input, hash));
    if (stored.has_value()) return CommandResult{*std::move(stored), true};
  }
  ASSIGN_OR_RETURN(CommandOutput output, run(tx));
  if (input.validate_only) return CommandResult{std::move(output.answer), false};
  if (keyed) {
    RETURN_IF_ERROR(tx.Exec("UPDATE command_key SET answer = $4 "
                            "WHERE scope = $1 AND method = $2 AND request_id = $3",
                            input.scope, input.method, input.request_id, Bytes{output.answer})
                        .status());
  }
  RETURN_IF_ERROR(AppendFeed(tx, output.events, input.now));
  RETURN_IF_ERROR(tx.Commit(MethodName(input.method)));
  if (!output.events.empty()) SignalFeed(pool.schema());
  return CommandResult{std::move(output.answer), false};
}

// After a commit whose outcome is unknown: what the key says.
absl::StatusOr<CommandResult> LookUp(Pool& pool, const CommandInput& input,
                                     const absl::Status& unknown) {
  if (input.request_id.empty()) return unknown;
  ASSIGN_OR_RETURN(const Result rows,
                   pool.Exec("SELECT answer FROM command_key "
                             "WHERE scope = $1 AND method = $2 AND request_id = $3",
                             input.scope, input.method, input.request_id));
  if (rows.empty()) {
    return UnavailableError("DATABASE_UNAVAILABLE", "the write was not kept; repeat it");
  }
  return CommandResult{rows.Get<Bytes>(0, 0).data, true};
}

}  // namespace

absl::StatusOr<CommandResult> RunCommand(
    Pool& pool, const CommandInput& input,
    const std::function<absl::StatusOr<CommandOutput>(Tx&)>& run) {
  const Bytes hash = input.request_id.empty() ? Bytes() : HashOf(input.request);
  for (int attempt = 1;; ++attempt) {
    absl::StatusOr<CommandResult> result = Attempt(pool, input, hash, run);
    const std::string reason = ReasonOf(result.status());
    if (reason == "COMMIT_OUTCOME_UNKNOWN") return LookUp(pool, input, result.status());
    const bool again = reason == "SERIALIZATION_FAILURE" || reason == "DEADLOCK";
    if (!again || attempt >= kAttempts) return result;
  }
}

}  // namespace broadbill::db
