#include "tests/scenarios/runner/queue.h"

#include <cctype>
#include <vector>

#include "absl/strings/numbers.h"
#include "broadbill/rating/v1/imports.pb.h"
#include "broadbill/rating/v1/waiting.pb.h"
#include "libs/convert/convert.h"

namespace broadbill::scenarios {
namespace {

namespace rating = broadbill::rating::v1;
using State = rating::WaitingRecord::State;

constexpr char kRating[] = "broadbill.rating.v1.Rating/";

absl::StatusOr<rating::ListWaitingRecordsResponse> List(World& world, State state) {
  rating::ListWaitingRecordsRequest request;
  request.set_state(state);
  request.set_page_size(1000);
  return world.Call<rating::ListWaitingRecordsResponse>(absl::StrCat(kRating, "ListWaitingRecords"),
                                                        request);
}

bool Says(const rating::WaitingRecord& record, const std::string& text) {
  return record.subject() == text || record.content().find(text) != std::string::npos;
}

// Ids of the records in a state that say the next word.
absl::StatusOr<std::vector<std::string>> Find(World& world, Reader& r, State state) {
  ASSIGN_OR_RETURN(const std::string text, r.Next("what the record says"));
  ASSIGN_OR_RETURN(const auto list, List(world, state));
  std::vector<std::string> out;
  for (const rating::WaitingRecord& record : list.records()) {
    if (Says(record, text)) out.push_back(record.record_id());
  }
  if (out.empty()) return InvalidArgumentError("SYNTAX", "no record says '" + text + "'");
  return out;
}

absl::StatusOr<int64_t> Number(Reader& r) {
  ASSIGN_OR_RETURN(const std::string text, r.Next("a number"));
  int64_t out = 0;
  if (!absl::SimpleAtoi(text.c_str(), &out)) {
    return InvalidArgumentError("SYNTAX", "'" + text + "' is no number");
  }
  return out;
}

absl::Status SetField(rating::CorrectWaitingRecordRequest& request, const std::string& name,
                      const std::string& value) {
  int64_t number = 0;
  const bool whole = absl::SimpleAtoi(value.c_str(), &number);
  if (name == "subject") {
    request.set_subject(value);
  } else if (name == "calling") {
    request.set_calling_number(value);
  } else if (name == "called") {
    request.set_called_number(value);
  } else if (name == "row") {
    request.set_row_text(value);
  } else if (name == "time") {
    absl::Time at;
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, value.c_str(), &at, &error)) {
      return InvalidArgumentError("SYNTAX", error);
    }
    *request.mutable_time() = convert::ToProto(at);
  } else if (name == "seconds" && whole) {
    request.set_seconds(number);
  } else if (name == "bytes" && whole) {
    request.set_bytes(number);
  } else if (name == "in" && whole) {
    request.set_bytes_in(number);
  } else if (name == "out" && whole) {
    request.set_bytes_out(number);
  } else {
    return InvalidArgumentError("SYNTAX", "unknown field '" + name + "=" + value + "'");
  }
  return absl::OkStatus();
}

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

// undo FILE "Why"
absl::Status UndoFile(World& world, Reader& r) {
  rating::ListImportsRequest list;
  ASSIGN_OR_RETURN(*list.mutable_source_name(), r.Next("a file"));
  ASSIGN_OR_RETURN(const auto imports, world.Call<rating::ListImportsResponse>(
                                           absl::StrCat(kRating, "ListImports"), list));
  if (imports.imports().empty()) {
    return InvalidArgumentError("SYNTAX", "no file '" + list.source_name() + "'");
  }
  rating::UndoImportRequest request;
  request.set_import_id(imports.imports(0).import_id());
  ASSIGN_OR_RETURN(*request.mutable_note(), r.Next("why"));
  RETURN_IF_ERROR(r.End());
  return world.Call<rating::UndoImportResponse>(absl::StrCat(kRating, "UndoImport"), request)
      .status();
}

// dismiss TEXT "Why"
absl::Status DismissRecords(World& world, Reader& r) {
  rating::DismissWaitingRecordsRequest request;
  ASSIGN_OR_RETURN(const auto ids, Find(world, r, rating::WaitingRecord::WAITING));
  request.mutable_record_ids()->Add(ids.begin(), ids.end());
  ASSIGN_OR_RETURN(*request.mutable_note(), r.Next("why"));
  RETURN_IF_ERROR(r.End());
  return world
      .Call<rating::DismissWaitingRecordsResponse>(absl::StrCat(kRating, "DismissWaitingRecords"),
                                                   request)
      .status();
}

// take-back TEXT "Why"
absl::Status RestoreRecords(World& world, Reader& r) {
  rating::RestoreWaitingRecordsRequest request;
  ASSIGN_OR_RETURN(const auto ids, Find(world, r, rating::WaitingRecord::DISMISSED));
  request.mutable_record_ids()->Add(ids.begin(), ids.end());
  ASSIGN_OR_RETURN(*request.mutable_note(), r.Next("why"));
  RETURN_IF_ERROR(r.End());
  return world
      .Call<rating::RestoreWaitingRecordsResponse>(absl::StrCat(kRating, "RestoreWaitingRecords"),
                                                   request)
      .status();
}

// correct TEXT field=value… because "Why" [rated|waits|duplicate|not_billable|refused]
absl::Status CorrectRecord(World& world, Reader& r) {
  rating::CorrectWaitingRecordRequest request;
  ASSIGN_OR_RETURN(const auto ids, Find(world, r, rating::WaitingRecord::WAITING));
  if (ids.size() > 1) return InvalidArgumentError("SYNTAX", "several records say so");
  request.set_record_id(ids.front());
  while (!r.done() && !r.Take("because")) {
    ASSIGN_OR_RETURN(const std::string word, r.Next("field=value"));
    const size_t equals = word.find('=');
    if (equals == std::string::npos) return InvalidArgumentError("SYNTAX", "'" + word + "'");
    RETURN_IF_ERROR(SetField(request, word.substr(0, equals), word.substr(equals + 1)));
  }
  ASSIGN_OR_RETURN(*request.mutable_note(), r.Next("why"));
  const std::string expected = r.done() ? "rated" : r.Next("an outcome").value_or("");
  RETURN_IF_ERROR(r.End());
  const auto response = world.Call<rating::CorrectWaitingRecordResponse>(
      absl::StrCat(kRating, "CorrectWaitingRecord"), request);
  if (!response.ok() && expected == "refused") return absl::OkStatus();
  RETURN_IF_ERROR(response.status());
  const std::string was =
      Lower(rating::CorrectWaitingRecordResponse::Outcome_Name(response->outcome()));
  if (was == expected) return absl::OkStatus();
  return InvalidArgumentError(
      "CORRECTION", "expected " + expected + ", was " + was + ": " + response->record().message());
}

// expect waiting N [dismissed|corrected] [reason REASON] [say "Text"] [note "Why"]
absl::StatusOr<std::string> ExpectWaiting(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const int64_t expected, Number(r));
  const State state = r.Take("dismissed")   ? rating::WaitingRecord::DISMISSED
                      : r.Take("corrected") ? rating::WaitingRecord::CORRECTED
                                            : rating::WaitingRecord::WAITING;
  std::string reason, text, note;
  if (r.Take("reason")) {
    ASSIGN_OR_RETURN(reason, r.Next("a reason"));
  }
  if (r.Take("say")) {
    ASSIGN_OR_RETURN(text, r.Next("a text"));
  }
  if (r.Take("note")) {
    ASSIGN_OR_RETURN(note, r.Next("a note"));
  }
  ASSIGN_OR_RETURN(const auto list, List(world, state));
  int64_t count = 0;
  std::string all;
  for (const rating::WaitingRecord& record : list.records()) {
    const bool noted = note.empty() || (record.changes_size() > 0 &&
                                        record.changes(record.changes_size() - 1).note() == note);
    if ((reason.empty() || record.reason() == reason) && Says(record, text) && noted) ++count;
    absl::StrAppend(&all, "\n      ", record.reason(), " ", record.content());
  }
  if (count == expected) return std::string();
  return absl::StrCat("expected ", expected, ", were ", count, all);
}

// expect import FILE [applied N] [duplicates N] [waiting N] [conflicts N] [unreadable N] [undone]
absl::StatusOr<std::string> ExpectImport(World& world, Reader& r) {
  rating::ListImportsRequest request;
  ASSIGN_OR_RETURN(*request.mutable_source_name(), r.Next("a file"));
  ASSIGN_OR_RETURN(const auto list, world.Call<rating::ListImportsResponse>(
                                        absl::StrCat(kRating, "ListImports"), request));
  if (list.imports().empty()) return "no such file";
  const rating::Import& import = list.imports(0);
  std::string out;
  while (!r.done()) {
    ASSIGN_OR_RETURN(const std::string what, r.Next("a count"));
    if (what == "undone") {
      if (!import.has_undo_time()) out += "not undone ";
      continue;
    }
    ASSIGN_OR_RETURN(const int64_t expected, Number(r));
    const int64_t was = what == "applied"      ? import.rows_applied()
                        : what == "duplicates" ? import.rows_duplicate()
                        : what == "waiting"    ? import.rows_waiting()
                        : what == "conflicts"  ? import.rows_conflicting()
                        : what == "unreadable" ? import.rows_malformed()
                                               : -1;
    if (was == -1) return InvalidArgumentError("SYNTAX", "unknown word '" + what + "'");
    if (was != expected) absl::StrAppend(&out, what, ": expected ", expected, ", was ", was, " ");
  }
  return out;
}

}  // namespace broadbill::scenarios
