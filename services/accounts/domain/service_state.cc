#include "services/accounts/domain/service_state.h"

namespace broadbill::accounts {
namespace {

constexpr char kUsageCap[] = "usage_cap";

}  // namespace

NetworkState StateByLife(const std::vector<Segment>& segments, CivilDay today) {
  if (segments.empty() || today >= segments.back().days.end) return NetworkState::kTerminated;
  if (today < segments.front().days.start) return NetworkState::kPending;
  for (const Segment& segment : segments) {
    if (segment.days.Contains(today)) {
      return segment.suspended ? NetworkState::kSuspended : NetworkState::kActive;
    }
  }
  return NetworkState::kActive;
}

NetworkOrder OrderOf(const std::vector<Segment>& segments, CivilDay today,
                     const NetworkTerms& terms) {
  NetworkOrder out;
  out.state = StateByLife(segments, today);
  out.speed = terms.speed;
  if (out.state == NetworkState::kTerminated) out.reason = "cancelled";
  if (out.state == NetworkState::kSuspended) out.reason = terms.suspended_for;
  if (out.state != NetworkState::kActive || !terms.cap.has_value()) return out;
  out.reason = kUsageCap;
  out.state =
      terms.cap->block && !terms.calls ? NetworkState::kSuspended : NetworkState::kRestricted;
  // Blocked data of a line with calls: a walled garden without a speed of its own.
  if (!terms.cap->block) out.speed = terms.cap->speed;
  return out;
}

}  // namespace broadbill::accounts
