#include "services/rating/domain/records.h"

#include <charconv>
#include <map>

#include "absl/strings/str_cat.h"
#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

bool ToInt(std::string_view text, int64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= 0;
}

// "2026-03-01 12:00:00", with an offset where the file has one.
bool ToTime(const std::string& text, absl::TimeZone zone, absl::Time& out) {
  std::string error;
  for (const char* format :
       {"%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d %H:%M:%E*S%Ez", "%Y-%m-%dT%H:%M:%E*S%Ez"}) {
    if (absl::ParseTime(format, text, zone, &out, &error)) return true;
  }
  return false;
}

using Attributes = std::map<std::string, std::string>;

std::string Value(const Attributes& attributes, const std::string& name) {
  const auto found = attributes.find(name);
  return found == attributes.end() ? "" : found->second;
}

// The moment of a packet: Event-Timestamp, else the server's Timestamp less Acct-Delay-Time.
bool PacketTime(const Attributes& attributes, absl::TimeZone zone, absl::Time& out) {
  std::string error;
  const std::string event = Value(attributes, "Event-Timestamp");
  if (!event.empty()) {
    if (absl::ParseTime("%b %d %Y %H:%M:%S UTC", event, absl::UTCTimeZone(), &out, &error)) {
      return true;
    }
    if (absl::ParseTime("%b %d %Y %H:%M:%S", event.substr(0, event.rfind(' ')), zone, &out,
                        &error)) {
      return true;
    }
    int64_t seconds = 0;
    if (ToInt(event, seconds)) {
      out = absl::FromUnixSeconds(seconds);
      return true;
    }
  }
  int64_t stamp = 0;
  int64_t delay = 0;
  if (!ToInt(Value(attributes, "Timestamp"), stamp)) return false;
  ToInt(Value(attributes, "Acct-Delay-Time"), delay);
  out = absl::FromUnixSeconds(stamp - delay);
  return true;
}

void AddDetailRecord(const Attributes& attributes, int64_t line, absl::TimeZone zone,
                     Parsed<RadiusRecord>& out) {
  if (attributes.empty()) return;
  ++out.read;
  const auto refuse = [&](const char* column, const std::string& message) {
    out.errors.push_back({line, column, Value(attributes, column), "MALFORMED_RECORD", message});
  };
  const std::string status = Value(attributes, "Acct-Status-Type");
  if (status != "Start" && status != "Interim-Update" && status != "Stop" && status != "Alive") {
    if (status.empty()) return refuse("Acct-Status-Type", "the record has no Acct-Status-Type");
    ++out.skipped;
    return;
  }
  RadiusRecord record;
  record.line = line;
  record.user_name = Value(attributes, "User-Name");
  const std::string session = Value(attributes, "Acct-Session-Id");
  if (record.user_name.empty()) return refuse("User-Name", "the record has no User-Name");
  if (session.empty()) return refuse("Acct-Session-Id", "the record has no Acct-Session-Id");
  std::string nas = Value(attributes, "NAS-IP-Address");
  if (nas.empty()) nas = Value(attributes, "NAS-Identifier");
  record.session_id = absl::StrCat(nas, "/", session);
  if (!PacketTime(attributes, zone, record.sample.at)) {
    return refuse("Timestamp", "the record has no time");
  }
  int64_t counters[4] = {0, 0, 0, 0};
  const char* const names[] = {"Acct-Input-Octets", "Acct-Output-Octets", "Acct-Input-Gigawords",
                               "Acct-Output-Gigawords"};
  for (int i = 0; i < 4; ++i) {
    const std::string text = Value(attributes, names[i]);
    if (!text.empty() && !ToInt(text, counters[i])) return refuse(names[i], "is not a number");
  }
  const std::string time = Value(attributes, "Acct-Session-Time");
  if (!time.empty() && !ToInt(time, record.sample.session_seconds)) {
    return refuse("Acct-Session-Time", "is not a number of seconds");
  }
  // Input is what the access server received: the customer's upload.
  record.sample.out_octets =
      (static_cast<uint64_t>(counters[2]) << 32) + static_cast<uint64_t>(counters[0]);
  record.sample.in_octets =
      (static_cast<uint64_t>(counters[3]) << 32) + static_cast<uint64_t>(counters[1]);
  record.sample.wide = attributes.count(names[2]) > 0 || attributes.count(names[3]) > 0;
  out.records.push_back(std::move(record));
}

}  // namespace

Parsed<RadiusRecord> ParseDetail(std::string_view text, absl::TimeZone zone) {
  Parsed<RadiusRecord> out;
  Attributes attributes;
  int64_t line = 0;
  int64_t first = 1;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view row = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++line;
    if (!row.empty() && row.back() == '\r') row.remove_suffix(1);
    const bool indented = !row.empty() && (row.front() == '\t' || row.front() == ' ');
    if (!indented) {
      AddDetailRecord(attributes, first, zone, out);
      attributes.clear();
      first = line;
      continue;
    }
    row.remove_prefix(std::min(row.find_first_not_of(" \t"), row.size()));
    const size_t equals = row.find(" = ");
    if (equals == std::string_view::npos) {
      if (!row.empty()) {
        out.errors.push_back({line, "", std::string(row), "MALFORMED_RECORD",
                              "the line is not 'Attribute = value'"});
      }
      continue;
    }
    std::string_view value = row.substr(equals + 3);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    attributes[std::string(row.substr(0, equals))] = std::string(value);
  }
  AddDetailRecord(attributes, first, zone, out);
  return out;
}

absl::StatusOr<Parsed<RadiusRecord>> ParseRadacct(std::string_view text, absl::TimeZone zone) {
  Parsed<RadiusRecord> out;
  csv::Reader reader(text);
  csv::Row row;
  reader.Next(row);
  ASSIGN_OR_RETURN(
      const csv::Header header,
      csv::Header::Make(
          row,
          {"acctsessionid", "username", "acctstarttime", "acctsessiontime", "acctinputoctets",
           "acctoutputoctets"},
          {"radacctid",        "acctuniqueid",      "groupname",           "realm",
           "nasipaddress",     "nasportid",         "nasporttype",         "acctupdatetime",
           "acctstoptime",     "acctinterval",      "acctauthentic",       "connectinfo_start",
           "connectinfo_stop", "calledstationid",   "callingstationid",    "acctterminatecause",
           "servicetype",      "framedprotocol",    "framedipaddress",     "framedipv6address",
           "framedipv6prefix", "framedinterfaceid", "delegatedipv6prefix", "class"}));
  while (reader.Next(row)) {
    ++out.read;
    RadiusRecord record;
    record.line = row.line;
    record.user_name = header.Get(row, "username");
    record.session_id =
        absl::StrCat(header.Get(row, "nasipaddress"), "/", header.Get(row, "acctsessionid"));
    int64_t in = 0;
    int64_t down = 0;
    absl::Time start;
    const auto refuse = [&](const char* column, const char* message) {
      out.errors.push_back(
          {row.line, column, header.Get(row, column), "MALFORMED_RECORD", message});
    };
    if (record.user_name.empty()) {
      refuse("username", "must not be empty");
    } else if (header.Get(row, "acctsessionid").empty()) {
      refuse("acctsessionid", "must not be empty");
    } else if (!ToTime(header.Get(row, "acctstarttime"), zone, start)) {
      refuse("acctstarttime", "must be a time like 2026-03-01 12:00:00");
    } else if (!ToInt(header.Get(row, "acctsessiontime"), record.sample.session_seconds)) {
      refuse("acctsessiontime", "must be a number of seconds");
    } else if (!ToInt(header.Get(row, "acctinputoctets"), in)) {
      refuse("acctinputoctets", "must be a number of octets");
    } else if (!ToInt(header.Get(row, "acctoutputoctets"), down)) {
      refuse("acctoutputoctets", "must be a number of octets");
    } else {
      record.sample.at = start + absl::Seconds(record.sample.session_seconds);
      record.sample.out_octets = static_cast<uint64_t>(in);
      record.sample.in_octets = static_cast<uint64_t>(down);
      out.records.push_back(std::move(record));
    }
  }
  return out;
}

absl::StatusOr<Parsed<UsageEventRecord>> ParseEvents(std::string_view text) {
  Parsed<UsageEventRecord> out;
  csv::Reader reader(text);
  csv::Row row;
  reader.Next(row);
  ASSIGN_OR_RETURN(
      const csv::Header header,
      csv::Header::Make(row, {"id", "source", "subject", "time", "quantity"}, {"type"}));
  while (reader.Next(row)) {
    ++out.read;
    UsageEventRecord record;
    record.line = row.line;
    record.id = header.Get(row, "id");
    record.source = header.Get(row, "source");
    record.subject = header.Get(row, "subject");
    record.type = header.Get(row, "type").empty() ? "data" : header.Get(row, "type");
    const auto refuse = [&](const char* column, const char* message) {
      out.errors.push_back(
          {row.line, column, header.Get(row, column), "MALFORMED_RECORD", message});
    };
    if (record.id.empty()) {
      refuse("id", "must not be empty");
    } else if (record.source.empty()) {
      refuse("source", "must not be empty");
    } else if (record.subject.empty()) {
      refuse("subject", "must not be empty");
    } else if (record.type != "data" && record.type != "data.in" && record.type != "data.out") {
      refuse("type", "must be data, data.in or data.out");
    } else if (!ToTime(header.Get(row, "time"), absl::UTCTimeZone(), record.at)) {
      refuse("time", "must be a time like 2026-03-01T12:00:00Z");
    } else if (!ToInt(header.Get(row, "quantity"), record.octets)) {
      refuse("quantity", "must be a whole number of octets");
    } else {
      out.records.push_back(std::move(record));
    }
  }
  return out;
}

Parsed<CallRecord> ParseAsterisk(std::string_view text, absl::TimeZone zone) {
  Parsed<CallRecord> out;
  csv::Reader reader(text);
  std::map<std::string, int> repeats;
  for (csv::Row row; reader.Next(row);) {
    if (!row.fields.empty() && !row.fields[0].empty() && row.fields[0][0] == '#') continue;
    ++out.read;
    const auto refuse = [&](const char* column, const std::string& value, const char* message) {
      out.errors.push_back({row.line, column, value, "MALFORMED_RECORD", message});
    };
    if (row.fields.size() < 16 || row.fields.size() > 21) {
      refuse("", std::to_string(row.fields.size()), "the row must have 16 to 21 columns");
      continue;
    }
    CallRecord record;
    record.line = row.line;
    record.account_code = row.fields[0];
    record.calling = row.fields[1];
    record.called = row.fields[2];
    const bool answered = row.fields[14] == "ANSWERED" && !row.fields[10].empty();
    if (!ToInt(row.fields[13], record.seconds)) {
      refuse("billsec", row.fields[13], "must be a number of seconds");
      continue;
    }
    if (!answered || record.seconds == 0) {
      ++out.skipped;
      continue;
    }
    if (!ToTime(row.fields[10], zone, record.answered)) {
      refuse("answer", row.fields[10], "must be a time like 2026-03-01 12:00:00");
      continue;
    }
    if (row.fields.size() == 21 && !row.fields[16].empty()) {
      record.key = absl::StrCat(row.fields[16], ":", row.fields[20]);
    } else {
      for (const std::string& field : row.fields) absl::StrAppend(&record.key, field, "\x1f");
      absl::StrAppend(&record.key, "#", ++repeats[record.key]);
    }
    out.records.push_back(std::move(record));
  }
  return out;
}

}  // namespace broadbill::rating
