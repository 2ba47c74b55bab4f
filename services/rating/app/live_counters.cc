#include "services/rating/app/live_counters.h"

#include <hiredis/hiredis.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/rpc/log.h"
#include "services/rating/domain/live.h"

namespace broadbill::rating {
namespace {

constexpr absl::Duration kPause = absl::Seconds(5);     // after a failed connection
constexpr absl::Duration kKept = absl::Hours(24 * 40);  // after the period's end
constexpr char kKnown[] = "usage:known";                // there while Redis has not lost anything
constexpr timeval kPatience{1, 0};

redisContext* Connect(const std::string& url) {
  if (url.rfind("unix:", 0) == 0) {
    return redisConnectUnixWithTimeout(url.substr(5).c_str(), kPatience);
  }
  const size_t colon = url.rfind(':');
  int port = 6379;
  if (colon != std::string::npos && !absl::SimpleAtoi(url.substr(colon + 1), &port)) return nullptr;
  return redisConnectWithTimeout(url.substr(0, colon).c_str(), port, kPatience);
}

}  // namespace

void LiveCounters::Free::operator()(redisContext* context) const { redisFree(context); }

bool LiveCounters::Connected() {
  if (url_.empty()) return false;
  if (context_ != nullptr) return true;
  if (absl::Now() < retry_at_) return false;
  context_.reset(Connect(url_));
  if (context_ != nullptr && context_->err == 0) {
    redisSetTimeout(context_.get(), kPatience);
    return true;
  }
  rpc::Log(rpc::LogLevel::kWarning, "live counters wait for Redis",
           {{"detail", context_ == nullptr ? "the URL is not understood" : context_->errstr}});
  context_.reset();
  retry_at_ = absl::Now() + kPause;
  return false;
}

bool LiveCounters::Receive(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    void* reply = nullptr;
    if (redisGetReply(context_.get(), &reply) != REDIS_OK) {
      context_.reset();
      retry_at_ = absl::Now() + kPause;
      return false;
    }
    freeReplyObject(reply);
  }
  return true;
}

void LiveCounters::Write(const std::vector<LiveStretch>& stretches, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  constexpr size_t kBatch = 500;
  for (size_t begin = 0; begin < stretches.size() && Connected(); begin += kBatch) {
    const size_t end = std::min(stretches.size(), begin + kBatch);
    for (size_t i = begin; i < end; ++i) {
      const LiveStretch& one = stretches[i];
      const std::string key = absl::StrCat("usage:{", one.item_id.ToText("sub"), "}:{",
                                           FormatDate(one.days.start), "}");
      redisAppendCommand(
          context_.get(), "HSET %s in %s out %s counted %s included %s percent %s at %s",
          key.c_str(), std::to_string(one.usage.bytes_in()).c_str(),
          std::to_string(one.usage.bytes_out()).c_str(), std::to_string(one.counted()).c_str(),
          std::to_string(one.included()).c_str(),
          std::to_string(PercentUsed(one.counted(), one.included())).c_str(),
          std::to_string(absl::ToUnixSeconds(now)).c_str());
      redisAppendCommand(
          context_.get(), "EXPIREAT %s %s", key.c_str(),
          std::to_string(absl::ToUnixSeconds(std::max(one.end, absl::Now()) + kKept)).c_str());
    }
    if (!Receive(2 * (end - begin))) return;
  }
}

bool LiveCounters::TakeLost() {
  absl::MutexLock lock(&mutex_);
  if (!Connected()) return false;
  void* raw = redisCommand(context_.get(), "SET %s 1 NX", kKnown);
  if (raw == nullptr) {
    context_.reset();
    retry_at_ = absl::Now() + kPause;
    return false;
  }
  const bool set = static_cast<redisReply*>(raw)->type == REDIS_REPLY_STATUS;
  freeReplyObject(raw);
  return set;
}

}  // namespace broadbill::rating
