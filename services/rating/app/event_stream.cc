#include "services/rating/app/event_stream.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/convert/write.h"
#include "libs/csv/reader.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/rating/app/events.h"
#include "services/rating/app/ingest.h"
#include "services/rating/domain/cloud_events.h"

namespace broadbill::rating {

namespace pb = broadbill::rating::v1;

namespace {

void AddConflicts(const IngestCounts& counts,
                  google::protobuf::RepeatedPtrField<pb::EventConflict>& out) {
  for (const std::string& conflict : counts.conflicts) {
    pb::EventConflict* one = out.Add();
    const size_t cut = conflict.find('\x1f');
    one->set_source(conflict.substr(0, cut));
    one->set_id(conflict.substr(cut + 1));
    one->set_message("the id was used before with other content; the first one stays");
  }
}

}  // namespace

absl::StatusOr<pb::StreamEventsResponse> EventStream::StreamEvents(
    const rpc::Context&, const pb::StreamEventsRequest& request) {
  if (request.events().empty() || request.events_size() > kEventsMax) {
    return InvalidField("events", absl::StrCat("must be 1 to ", kEventsMax));
  }
  pb::StreamEventsResponse response;
  response.set_batch(request.batch());
  std::vector<UsageEventRecord> records;
  records.reserve(static_cast<size_t>(request.events_size()));
  for (int i = 0; i < request.events_size(); ++i) {
    Violations violations;
    UsageEventRecord record = ReadEvent(request.events(i), i, "", violations);
    if (violations.empty()) {
      records.push_back(std::move(record));
      continue;
    }
    const FieldViolation wrong = ViolationsOf(violations.ToStatus()).front();
    pb::EventRefusal* refusal = response.add_refusals();
    refusal->set_index(i);
    refusal->set_source(csv::Printable(request.events(i).source()));
    refusal->set_id(csv::Printable(request.events(i).id()));
    refusal->set_field(wrong.field);
    refusal->set_message(wrong.description);
  }
  if (records.empty()) return response;
  IngestCounts counts;
  RETURN_IF_ERROR(db::RunTx(*pool_, [&](db::Tx& tx) {
    Ingest ingest(tx, clock_.Now(), "events", std::nullopt, nullptr, &caches_);
    const absl::Status kept = ingest.AddEvents(records);
    counts = ingest.counts();
    return kept;
  }));
  response.set_accepted(counts.applied);
  response.set_duplicates(counts.duplicates);
  response.set_waiting(counts.waiting);
  AddConflicts(counts, *response.mutable_conflicts());
  return response;
}

absl::StatusOr<pb::IngestCloudEventsResponse> EventStream::IngestCloudEvents(
    const rpc::Context& context, const pb::IngestCloudEventsRequest& request) {
  const std::string type =
      request.body().content_type().substr(0, request.body().content_type().find(';'));
  const bool batch = type == "application/cloudevents-batch+json";
  if (!batch && type != "application/cloudevents+json") {
    return InvalidArgumentError("UNKNOWN_FORMAT",
                                "the content type must be application/cloudevents+json or "
                                "application/cloudevents-batch+json");
  }
  ASSIGN_OR_RETURN(const std::vector<CloudEvent> events,
                   ParseCloudEvents(request.body().data(), batch, kEventsMax));
  Violations violations;
  std::vector<UsageEventRecord> records;
  for (const CloudEvent& event : events) {
    const std::string at = batch ? absl::StrCat("events[", event.record.line, "]") : "";
    for (const auto& [attribute, why] : event.wrong) {
      const char* dot = at.empty() || attribute.empty() ? "" : ".";
      violations.Add(absl::StrCat(at, dot, attribute), why);
    }
    if (event.wrong.empty()) records.push_back(event.record);
  }
  ASSIGN_OR_RETURN(
      const pb::IngestCloudEventsResponse response,
      convert::Write<pb::IngestCloudEventsResponse>(
          *pool_, clock_, context, request,
          [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::IngestCloudEventsResponse> {
            pb::IngestCloudEventsResponse out;
            if (records.empty()) return out;
            Ingest ingest(tx, clock_.Now(), "cloudevents", std::nullopt, nullptr, &caches_);
            RETURN_IF_ERROR(ingest.AddEvents(records));
            out.set_accepted(ingest.counts().applied);
            out.set_duplicates(ingest.counts().duplicates);
            out.set_waiting(ingest.counts().waiting);
            AddConflicts(ingest.counts(), *out.mutable_conflicts());
            return out;
          }));
  if (violations.empty() && response.conflicts().empty()) return response;
  const std::string kept =
      absl::StrCat(response.accepted() + response.waiting(), " events were kept, ",
                   response.duplicates(), " were there already");
  const bool unreadable = !violations.empty();
  for (const pb::EventConflict& conflict : response.conflicts()) {
    violations.Add(absl::StrCat("source '", conflict.source(), "', id '", conflict.id(), "'"),
                   conflict.message());
  }
  const std::vector<FieldViolation> named = ViolationsOf(violations.ToStatus());
  if (unreadable) {
    return WithViolations(
        InvalidArgumentError("INVALID_FIELD", "some events were not kept; " + kept), named);
  }
  return WithViolations(
      AbortedError("USAGE_CONFLICT",
                   absl::StrCat(named.size(), " events contradict earlier ones; ", kept)),
      named);
}

}  // namespace broadbill::rating
