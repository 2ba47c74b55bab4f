#include "services/rating/domain/records.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

bool ToInt(std::string_view text, int64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= 0;
}

// Seconds of a session or call; more than RADIUS can say (32 bits) is a fault.
bool ToSeconds(std::string_view text, int64_t& out) {
  return ToInt(text, out) && out < int64_t{1} << 32;
}

// "2026-03-01 12:00:00", with an offset where the file has one.
bool ToTime(const std::string& text, absl::TimeZone zone, absl::Time& out) {
  std::string error;
  for (const char* format :
       {"%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d %H:%M:%E*S%Ez", "%Y-%m-%dT%H:%M:%E*S%Ez"}) {
    if (absl::ParseTime(format, text, zone, &out, &error)) return IsRecordTime(out);
  }
  return false;
}

using Attributes = std::map<std::string, std::string>;

std::string Value(const Attributes& attributes, const std::string& name) {
  const auto found = attributes.find(name);
  return found == attributes.end() ? "" : found->second;
}

// "Nov  1 2026 01:10:00 CST" in `zone`, the abbreviation being one of the zone's at that moment:
// of the two moments where clocks go back it names one.
bool ToEventTime(const std::string& text, absl::TimeZone zone, absl::Time& out) {
  const size_t blank = text.rfind(' ');
  if (blank == std::string::npos) return false;
  const std::string name = text.substr(blank + 1);
  std::string error;
  absl::Time utc;
  if (!absl::ParseTime("%b %d %Y %H:%M:%S", text.substr(0, blank), absl::UTCTimeZone(), &utc,
                       &error)) {
    return false;
  }
  if (name == "UTC" || name == "GMT") {
    out = utc;
    return true;
  }
  const absl::TimeZone::TimeInfo info = zone.At(absl::ToCivilSecond(utc, absl::UTCTimeZone()));
  for (const absl::Time moment : {info.pre, info.post}) {
    out = moment;
    if (zone.At(moment).zone_abbr == name) return true;
  }
  return false;
}

// The moment of a packet: Event-Timestamp, else the server's Timestamp less Acct-Delay-Time. False
// with the attribute that is wrong and why.
bool PacketTime(const Attributes& attributes, absl::TimeZone zone, absl::Time& out,
                std::string& column, std::string& why) {
  const std::string event = Value(attributes, "Event-Timestamp");
  int64_t stamp = 0;
  if (!event.empty()) {
    if (ToInt(event, stamp)) {
      out = absl::FromUnixSeconds(stamp);
      return true;
    }
    column = "Event-Timestamp";
    why = "is no time of the zone " + zone.name() + "; give the zone of the server that wrote it";
    return ToEventTime(event, zone, out);
  }
  int64_t delay = 0;
  column = "Timestamp";
  why = "the record has no time";
  if (!ToInt(Value(attributes, "Timestamp"), stamp)) return false;
  column = "Acct-Delay-Time";
  why = "is not a number of seconds";
  const std::string given = Value(attributes, column);
  if (!given.empty() && !ToInt(given, delay)) return false;
  out = absl::FromUnixSeconds(stamp - delay);
  return true;
}

// PacketTime within what records may say.
bool RecordTime(const Attributes& attributes, absl::TimeZone zone, absl::Time& out,
                std::string& column, std::string& why) {
  if (!PacketTime(attributes, zone, out, column, why)) return false;
  column = attributes.count("Event-Timestamp") > 0 ? "Event-Timestamp" : "Timestamp";
  why = "is not between 1970 and 9999";
  return IsRecordTime(out);
}

// Octets with their gigawords as one number; false when they are no such numbers.
bool ToOctets(const Attributes& attributes, const std::string& octets, const std::string& gigawords,
              uint64_t& out, std::string& column) {
  int64_t low = 0;
  int64_t high = 0;
  column = octets;
  const std::string low_text = Value(attributes, octets);
  if (!low_text.empty() && !ToInt(low_text, low)) return false;
  column = gigawords;
  const std::string high_text = Value(attributes, gigawords);
  if (!high_text.empty() && (!ToInt(high_text, high) || high >= int64_t{1} << 31)) return false;
  column = octets;
  if (high > 0 && low >= int64_t{1} << 32) return false;
  out = (static_cast<uint64_t>(high) << 32) + static_cast<uint64_t>(low);
  return true;
}

// The access server's address, so that the same session id of two of them stays apart.
std::string Nas(const Attributes& attributes) {
  for (const char* name : {"NAS-IP-Address", "NAS-IPv6-Address", "NAS-Identifier"}) {
    if (std::string value = Value(attributes, name); !value.empty()) return value;
  }
  return "";
}

// What came of an access server itself.
void AddRestart(const Attributes& attributes, int64_t line, absl::TimeZone zone, RadiusFile& out) {
  NasRestart restart;
  restart.nas = csv::Printable(Nas(attributes), 600);
  restart.off = Value(attributes, "Acct-Status-Type") == "Accounting-Off";
  std::string column;
  std::string why;
  if (!RecordTime(attributes, zone, restart.at, column, why)) {
    out.errors.push_back({line, column, Value(attributes, column), "INVALID_VALUE", why});
    return;
  }
  ++out.skipped;
  out.restarts.push_back(std::move(restart));
}

void AddDetailRecord(const Attributes& attributes, int64_t line, absl::TimeZone zone,
                     RadiusFile& out) {
  const auto refuse = [&](const std::string& column, const std::string& message,
                          const char* reason = "INVALID_VALUE") {
    out.errors.push_back({line, column, Value(attributes, column), reason, message});
  };
  const std::string status = Value(attributes, "Acct-Status-Type");
  if (status == "Accounting-On" || status == "Accounting-Off") {
    return AddRestart(attributes, line, zone, out);
  }
  if (status != "Start" && status != "Interim-Update" && status != "Stop" && status != "Alive") {
    if (!status.empty()) {
      ++out.skipped;
      return;
    }
    return refuse("Acct-Status-Type", "the record has no Acct-Status-Type", "MISSING_VALUE");
  }
  RadiusRecord record;
  record.line = line;
  record.user_name = Value(attributes, "User-Name");
  const std::string session = Value(attributes, "Acct-Session-Id");
  for (const char* name : {"User-Name", "Acct-Session-Id"}) {
    const std::string text = Value(attributes, name);
    if (text.empty()) {
      return refuse(name, absl::StrCat("the record has no ", name), "MISSING_VALUE");
    }
    if (!csv::IsText(text)) return refuse(name, "is not UTF-8");
    if (text.size() > kUserNameBytesMax) return refuse(name, "is longer than 253 bytes");
  }
  record.session_id = csv::Printable(absl::StrCat(Nas(attributes), "/", session), 600);
  std::string column;
  std::string why;
  if (!RecordTime(attributes, zone, record.sample.at, column, why)) return refuse(column, why);
  // Input is what the access server received: the customer's upload.
  UsageSample& sample = record.sample;
  if (!ToOctets(attributes, "Acct-Input-Octets", "Acct-Input-Gigawords", sample.out_octets,
                column) ||
      !ToOctets(attributes, "Acct-Output-Octets", "Acct-Output-Gigawords", sample.in_octets,
                column)) {
    return refuse(column, "is not a number of octets");
  }
  // Some servers write the whole number into octets and no gigawords.
  sample.wide = attributes.count("Acct-Input-Gigawords") > 0 ||
                attributes.count("Acct-Output-Gigawords") > 0 || sample.in_octets > UINT32_MAX ||
                sample.out_octets > UINT32_MAX;
  const std::string time = Value(attributes, "Acct-Session-Time");
  if (!time.empty() && !ToSeconds(time, sample.session_seconds)) {
    return refuse("Acct-Session-Time", "is not a number of seconds");
  }
  out.records.push_back(std::move(record));
}

// The text of a quoted value as the server printed it: \" \\ \n \r \t and \ooo for a byte.
std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char next = text[++i];
    const auto octal = [&](size_t at) {
      return at < text.size() && text[at] >= '0' && text[at] <= '7';
    };
    if (octal(i) && octal(i + 1) && octal(i + 2)) {
      out += static_cast<char>((next - '0') * 64 + (text[i + 1] - '0') * 8 + (text[i + 2] - '0'));
      i += 2;
    } else {
      out += next == 'n' ? '\n' : next == 'r' ? '\r' : next == 't' ? '\t' : next;
    }
  }
  return out;
}

// A `detail` file being read line by line.
class DetailReader {
 public:
  DetailReader(std::string_view text, absl::TimeZone zone) : text_(text), zone_(zone) {}

  RadiusFile Read() {
    if (text_.substr(0, 3) == "\xef\xbb\xbf") text_.remove_prefix(3);
    while (!text_.empty()) {
      const size_t end = text_.find('\n');
      std::string_view row = text_.substr(0, end);
      const bool whole = end != std::string_view::npos;
      text_.remove_prefix(whole ? end + 1 : text_.size());
      ++line_;
      if (!row.empty() && row.back() == '\r') row.remove_suffix(1);
      Line(row, whole);
    }
    // Every record ends with the server's Timestamp; one without it, or whose last line is cut, is
    // still being written.
    if (open_ && (cut_ || attributes_.count("Timestamp") == 0)) {
      ++out_.read;
      out_.errors.push_back({first_, "", "", "INVALID_VALUE",
                             "the file ends within this record; load it again when it is whole"});
    } else {
      Close();
    }
    return std::move(out_);
  }

 private:
  void Line(std::string_view row, bool whole) {
    const bool indented = !row.empty() && (row.front() == '\t' || row.front() == ' ');
    if (!indented) {
      Close();
      open_ = !row.empty();
      first_ = line_;
      cut_ = !whole;
      stamp_ = row;
      return;
    }
    if (!open_) first_ = line_;
    open_ = true;
    cut_ = !whole;
    row.remove_prefix(std::min(row.find_first_not_of(" \t"), row.size()));
    const size_t equals = row.find(" = ");
    if (equals == std::string_view::npos) {
      if (!row.empty() && whole) bad_.push_back({line_, std::string(row)});
      return;
    }
    std::string_view value = row.substr(equals + 3);
    const bool quoted = value.size() >= 2 && value.front() == '"' && value.back() == '"';
    attributes_[std::string(row.substr(0, equals))] =
        quoted ? Unescape(value.substr(1, value.size() - 2)) : std::string(value);
  }

  // The record above, if any. One with a line that cannot be read is refused: what it said is lost.
  void Close() {
    if (!open_) return;
    ++out_.read;
    if (!bad_.empty()) {
      for (const auto& [line, text] : bad_) {
        out_.errors.push_back(
            {line, "", text, "INVALID_VALUE", "the line is not 'Attribute = value'"});
      }
    } else if (attributes_.empty()) {
      out_.errors.push_back({first_, "", std::string(stamp_), "INVALID_VALUE",
                             "no attributes stand below this line"});
    } else {
      AddDetailRecord(attributes_, first_, zone_, out_);
    }
    attributes_.clear();
    bad_.clear();
    open_ = false;
  }

  std::string_view text_;
  const absl::TimeZone zone_;
  RadiusFile out_;
  Attributes attributes_;
  std::vector<std::pair<int64_t, std::string>> bad_;
  std::string_view stamp_;
  int64_t line_ = 0, first_ = 1;
  bool open_ = false, cut_ = false;
};

}  // namespace

bool IsRecordTime(absl::Time at) {
  static const absl::Time end = absl::FromCivil(absl::CivilYear(10000), absl::UTCTimeZone());
  return at >= absl::UnixEpoch() && at < end;
}

absl::StatusOr<RadiusFile> ParseDetail(std::string_view text, absl::TimeZone zone) {
  RETURN_IF_ERROR(csv::CheckReadable(text));
  RadiusFile out = DetailReader(text, zone).Read();
  const bool none = out.records.empty() && out.skipped == 0 && !out.errors.empty() &&
                    text.find("Acct-Status-Type = ") == std::string_view::npos;
  if (none) {
    return InvalidArgumentError("MALFORMED_FILE",
                                "the file is no FreeRADIUS detail file: no record in it has an "
                                "Acct-Status-Type");
  }
  return out;
}

namespace {

// A field of an export, empty where the database had NULL.
std::string Column(const csv::Header& header, const csv::Row& row, const char* name) {
  std::string text = header.Get(row, name);
  if (text == "\\N" || text == "NULL") text.clear();
  return text;
}

// Session time: its column, else how far the open session is known.
bool SessionSeconds(const csv::Header& header, const csv::Row& row, absl::Time start,
                    absl::TimeZone zone, int64_t& out) {
  const std::string text = Column(header, row, "acctsessiontime");
  if (!text.empty()) return ToSeconds(text, out);
  absl::Time last = start;
  for (const char* name : {"acctupdatetime", "acctstoptime"}) {
    absl::Time moment;
    const std::string given = Column(header, row, name);
    if (!given.empty() && ToTime(given, zone, moment)) last = std::max(last, moment);
  }
  out = absl::ToInt64Seconds(last - start);
  return out <= UINT32_MAX;
}

}  // namespace

absl::StatusOr<RadiusFile> ParseRadacct(std::string_view text, absl::TimeZone zone) {
  RadiusFile out;
  csv::Reader reader(text);
  ASSIGN_OR_RETURN(
      const csv::Header header,
      csv::Header::Read(
          reader,
          {"acctsessionid", "username", "acctstarttime", "acctsessiontime", "acctinputoctets",
           "acctoutputoctets"},
          {"radacctid",        "acctuniqueid",      "groupname",           "realm",
           "nasipaddress",     "nasportid",         "nasporttype",         "acctupdatetime",
           "acctstoptime",     "acctinterval",      "acctauthentic",       "connectinfo_start",
           "connectinfo_stop", "calledstationid",   "callingstationid",    "acctterminatecause",
           "servicetype",      "framedprotocol",    "framedipaddress",     "framedipv6address",
           "framedipv6prefix", "framedinterfaceid", "delegatedipv6prefix", "class"}));
  for (csv::Row row; reader.Next(row);) {
    ++out.read;
    if (auto wrong = header.Check(row); wrong.has_value()) {
      out.errors.push_back(*std::move(wrong));
      continue;
    }
    RadiusRecord record;
    record.line = row.line;
    record.user_name = Column(header, row, "username");
    const std::string session = Column(header, row, "acctsessionid");
    record.session_id =
        csv::Printable(absl::StrCat(Column(header, row, "nasipaddress"), "/", session), 600);
    int64_t in = 0;
    int64_t down = 0;
    absl::Time start;
    const auto refuse = [&](const char* column, const char* message,
                            const char* reason = "INVALID_VALUE") {
      out.errors.push_back({row.line, column, header.Get(row, column), reason, message});
    };
    const auto octets = [&](const char* column, int64_t& to) {
      const std::string given = Column(header, row, column);
      return given.empty() || ToInt(given, to);
    };
    if (record.user_name.empty()) {
      refuse("username", "must not be empty", "MISSING_VALUE");
    } else if (record.user_name.size() > kUserNameBytesMax) {
      refuse("username", "must have at most 253 bytes");
    } else if (session.empty()) {
      refuse("acctsessionid", "must not be empty", "MISSING_VALUE");
    } else if (!ToTime(Column(header, row, "acctstarttime"), zone, start)) {
      refuse("acctstarttime", "must be a time like 2026-03-01 12:00:00");
    } else if (!SessionSeconds(header, row, start, zone, record.sample.session_seconds)) {
      refuse("acctsessiontime", "must be a number of seconds");
    } else if (!octets("acctinputoctets", in)) {
      refuse("acctinputoctets", "must be a number of octets");
    } else if (!octets("acctoutputoctets", down)) {
      refuse("acctoutputoctets", "must be a number of octets");
    } else if (!IsRecordTime(start + absl::Seconds(record.sample.session_seconds))) {
      refuse("acctsessiontime", "must end before the year 10000");
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
  ASSIGN_OR_RETURN(
      const csv::Header header,
      csv::Header::Read(reader, {"id", "source", "subject", "time", "quantity"}, {"type"}));
  for (csv::Row row; reader.Next(row);) {
    ++out.read;
    if (auto wrong = header.Check(row); wrong.has_value()) {
      out.errors.push_back(*std::move(wrong));
      continue;
    }
    UsageEventRecord record;
    record.line = row.line;
    record.id = header.Get(row, "id");
    record.source = header.Get(row, "source");
    record.subject = header.Get(row, "subject");
    record.type = header.Get(row, "type").empty() ? "data" : header.Get(row, "type");
    const auto refuse = [&](const char* column, const char* message,
                            const char* reason = "INVALID_VALUE") {
      out.errors.push_back({row.line, column, header.Get(row, column), reason, message});
    };
    if (record.id.empty()) {
      refuse("id", "must not be empty", "MISSING_VALUE");
    } else if (record.source.empty()) {
      refuse("source", "must not be empty", "MISSING_VALUE");
    } else if (record.subject.empty()) {
      refuse("subject", "must not be empty", "MISSING_VALUE");
    } else if (record.id.size() > kNameBytesMax) {
      refuse("id", "must have at most 200 bytes");
    } else if (record.source.size() > kNameBytesMax) {
      refuse("source", "must have at most 200 bytes");
    } else if (record.subject.size() > kNameBytesMax) {
      refuse("subject", "must have at most 200 bytes");
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

namespace {

constexpr size_t kCdrColumns = 16, kCdrColumnsMost = 21;
constexpr size_t kCdrBytesLeast = 50;  // of a call's line: its separators, times and disposition

// The fields of a line of Master.csv, as csv::Reader reads them: views of the line where they stand
// in it as they are.
class CdrLine {
 public:
  // False for an empty line.
  bool Read(std::string_view line) {
    if (line.empty()) return false;
    if (Split(line)) return true;
    csv::Reader reader(line);
    if (!reader.Next(row_)) return false;
    fields_.assign(row_.fields.begin(), row_.fields.end());
    open_quote_ = row_.problem == csv::Problem::kOpenQuote;
    return true;
  }
  size_t size() const { return fields_.size(); }
  std::string_view operator[](size_t column) const { return fields_[column]; }
  bool open_quote() const { return open_quote_; }

 private:
  // A line without oddities, as all are but few; false for others.
  bool Split(std::string_view line) {
    if (line.front() == '\r' || line.front() == '\xef' || line.back() == '\r') return false;
    fields_.clear();
    open_quote_ = false;
    unescaped_.clear();
    unescaped_.reserve(line.size());  // so that views of it stay
    while (true) {
      size_t end = 0;  // of the field
      if (!line.empty() && line.front() == '"') {
        if (!Quoted(line, end)) return false;
      } else {
        end = std::min(line.find(','), line.size());
        fields_.push_back(line.substr(0, end));
      }
      if (end == line.size()) return true;
      line.remove_prefix(end + 1);
    }
  }

  // A field in quotes, which `rest` begins with; `end` is behind it.
  bool Quoted(std::string_view rest, size_t& end) {
    const size_t unescaped = unescaped_.size();
    size_t from = 1;
    while (true) {
      const size_t quote = rest.find('"', from);
      if (quote == std::string_view::npos) return false;
      end = quote + 1;
      const bool twice = end < rest.size() && rest[end] == '"';
      if (from > 1 || twice) unescaped_.append(rest, from, quote + (twice ? 1 : 0) - from);
      if (!twice) break;
      from = end + 1;
    }
    fields_.push_back(from > 1 ? std::string_view(unescaped_).substr(unescaped)
                               : rest.substr(1, end - 2));
    return end == rest.size() || rest[end] == ',';
  }

  std::vector<std::string_view> fields_;
  std::string unescaped_;  // fields with quotes in them
  csv::Row row_;           // of a line with oddities
  bool open_quote_ = false;
};

// "2026-03-01 12:00:00" as ToTime reads it; false: ask that.
bool ToPlainTime(std::string_view text, absl::TimeZone zone, absl::Time& out) {
  static constexpr std::string_view kForm = "dddd-dd-dd dd:dd:dd";
  if (text.size() != kForm.size()) return false;
  for (size_t i = 0; i < kForm.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == 'd' ? !digit : text[i] != kForm[i]) return false;
  }
  const auto number = [&](size_t at) { return (text[at] - '0') * 10 + text[at + 1] - '0'; };
  const absl::CivilSecond second(number(0) * 100 + number(2), number(5), number(8), number(11),
                                 number(14), number(17));
  // Another day or second came of it where there is none such.
  if (second.month() != number(5) || second.day() != number(8) || second.hour() != number(11) ||
      second.minute() != number(14) || second.second() != number(17)) {
    return false;
  }
  out = zone.At(second).pre;
  return IsRecordTime(out);
}

// A line of Master.csv into `out`; false when it is refused or needs no rating.
bool ReadCall(const CdrLine& row, absl::TimeZone zone, Parsed<CallRecord>& out,
              CallRecord& record) {
  const auto refuse = [&](const char* column, std::string_view value, const std::string& message,
                          const char* reason = "INVALID_VALUE") {
    out.errors.push_back({record.line, column, std::string(value), reason, message});
    return false;
  };
  if (row.open_quote()) return refuse("", "", "a quote on the line is not closed");
  if (row.size() < kCdrColumns || row.size() > kCdrColumnsMost) {
    return refuse("", std::to_string(row.size()), "the row must have 16 to 21 columns",
                  "WRONG_COLUMN_COUNT");
  }
  if (!ToSeconds(row[13], record.seconds)) {
    return refuse("billsec", row[13], "must be a number of seconds");
  }
  const bool answered = row[14] == "ANSWERED" && !row[10].empty();
  if (!answered || record.seconds == 0) {
    ++out.skipped;
    return false;
  }
  if (!ToPlainTime(row[10], zone, record.answered) &&
      !ToTime(std::string(row[10]), zone, record.answered)) {
    return refuse("answer", row[10], "must be a time like 2026-03-01 12:00:00");
  }
  static constexpr std::array<const char*, 3> kTexts = {"accountcode", "src", "dst"};
  for (size_t i = 0; i < kTexts.size(); ++i) {
    if (!csv::IsText(row[i])) return refuse(kTexts[i], row[i], "is not UTF-8");
    if (row[i].size() > kNameBytesMax) return refuse(kTexts[i], row[i], "is longer than 200 bytes");
  }
  record.account_code = row[0];
  record.calling = row[1];
  record.called = row[2];
  return true;
}

}  // namespace

absl::StatusOr<Parsed<CallRecord>> ParseAsterisk(std::string_view text, absl::TimeZone zone) {
  RETURN_IF_ERROR(csv::CheckReadable(text));
  Parsed<CallRecord> out;
  const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  out.records.reserve(std::min(lines, text.size() / kCdrBytesLeast));
  absl::flat_hash_map<std::string, int> repeats;
  size_t widest = 0;
  int64_t line = 0;
  CdrLine row;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const bool whole = end != std::string_view::npos;
    // Every record is a line, so that a stray quote spoils no other record.
    const bool empty = !row.Read(text.substr(0, end));
    text.remove_prefix(whole ? end + 1 : text.size());
    ++line;
    if (empty) continue;
    const bool comment = row[0].substr(0, 1) == "#" && row.size() < kCdrColumns;
    if (comment) continue;
    ++out.read;
    widest = std::max(widest, row.size());
    CallRecord record;
    record.line = line;
    if (!whole) {
      out.errors.push_back({line, "", "", "INVALID_VALUE",
                            "the line does not end with a line break: it is still being written; "
                            "load the file again when it is whole"});
      continue;
    }
    if (!ReadCall(row, zone, out, record)) continue;
    if (row.size() == kCdrColumnsMost && !row[16].empty()) {
      record.key.append(row[16]).append(":").append(row[20]);
    } else {
      for (size_t i = 0; i < row.size(); ++i) record.key.append(row[i]).append("\x1f");
      absl::StrAppend(&record.key, "#", ++repeats[record.key]);
    }
    out.records.push_back(std::move(record));
  }
  if (widest == 0 || widest >= kCdrColumns) return out;
  static constexpr std::array<const char*, kCdrColumns> kNames = {
      "accountcode", "src",     "dst",         "dcontext", "clid",   "channel",
      "dstchannel",  "lastapp", "lastdata",    "start",    "answer", "end",
      "duration",    "billsec", "disposition", "amaflags"};
  std::string missing;
  for (size_t i = widest; i < kCdrColumns; ++i) {
    absl::StrAppend(&missing, missing.empty() ? "" : ", ", kNames[i]);
  }
  return InvalidArgumentError("MISSING_COLUMN", "the file lacks the column(s): " + missing);
}

}  // namespace broadbill::rating
