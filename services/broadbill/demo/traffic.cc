#include "services/broadbill/demo/traffic.h"

#include <algorithm>
#include <fstream>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/calendar/time_zone.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/demo/provider.h"

namespace broadbill::program {
namespace {

constexpr int kRecordsPerFile = 20000;
constexpr CivilDay kMarch(2026, 3, 1);
constexpr CivilDay kMidMarch(2026, 3, 15);
constexpr CivilDay kApril(2026, 4, 1);

// The network's files are loaded before each bill run.
const char* LoadedOn(CivilDay day, bool late) {
  if (day < kMarch) return late ? "2026-03-10" : "2026-03-01";
  return day < kMidMarch ? "2026-03-15" : "2026-04-01";
}

}  // namespace

struct Traffic::Session {
  std::string id, user;
  int64_t nas = 0;
  absl::Time start, end;  // nothing is recorded from `end` on
  int64_t hours = 0;
  int64_t megabytes_an_hour = 0;
  bool lost_stop = false;
  bool late = false;  // its readings of February arrive late
};

void Traffic::Sessions(int64_t customer, const std::string& user, CivilDay from, CivilDay to) {
  const absl::Time end = StartOfDay(std::min(to, kApril), zone_);
  absl::Time at = StartOfDay(from, zone_) + absl::Seconds(dice_.Between(0, 86400));
  const int64_t rate = dice_.Chance(15) ? dice_.Between(500, 1400) : dice_.Between(20, 500);
  for (int i = 1; at < end; ++i) {
    Session session;
    session.id = absl::StrFormat("%s-%04x", user, i);
    session.user = user;
    session.nas = customer % 200;
    session.start = at;
    session.end = end;
    session.hours = dice_.Between(60, 220);
    session.megabytes_an_hour = rate;
    session.lost_stop = dice_.Chance(2);
    session.late = dice_.Chance(2);
    Run(session);
    at += absl::Hours(session.hours) + absl::Minutes(dice_.Between(1, 600));
  }
}

void Traffic::Run(const Session& session) {
  int64_t in = 0;
  int64_t out = 0;
  for (int64_t hour = 0; hour <= session.hours;) {
    const bool last = hour == session.hours;
    const char* status = hour == 0 ? "Start" : last ? "Stop" : "Interim-Update";
    if (!last || !session.lost_stop) Reading(session, status, hour, in, out);
    if (last) return;
    const int64_t step = std::min<int64_t>(session.hours - hour, dice_.Between(48, 120));
    hour += step;
    out += step * session.megabytes_an_hour * dice_.Between(700000, 1300000);
    in += step * session.megabytes_an_hour * dice_.Between(50000, 150000);
  }
}

// Input is what the access server received: the customer's upload.
void Traffic::Reading(const Session& session, const char* status, int64_t hour, int64_t in,
                      int64_t out) {
  const absl::Time at = session.start + absl::Hours(hour);
  if (at >= session.end) return;
  constexpr int64_t kWrap = int64_t{1} << 32;
  const std::string record = absl::StrFormat(
      "%s\n\tAcct-Status-Type = %s\n\tUser-Name = \"%s\"\n\tAcct-Session-Id = \"%s\"\n"
      "\tNAS-IP-Address = 10.10.%d.1\n\tAcct-Session-Time = %d\n\tAcct-Input-Octets = %d\n"
      "\tAcct-Input-Gigawords = %d\n\tAcct-Output-Octets = %d\n\tAcct-Output-Gigawords = %d\n"
      "\tEvent-Timestamp = \"%s UTC\"\n\tTimestamp = %d\n\n",
      absl::FormatTime("%a %b %e %H:%M:%S %Y", at, absl::UTCTimeZone()), status, session.user,
      session.id, session.nas, hour * 3600, in % kWrap, in / kWrap, out % kWrap, out / kWrap,
      absl::FormatTime("%b %e %Y %H:%M:%S", at, absl::UTCTimeZone()), absl::ToUnixSeconds(at));
  const char* loaded = LoadedOn(DateIn(at, zone_), session.late);
  Add("detail", loaded, record);
  if (dice_.Chance(1)) Add("detail", loaded, record);  // sent twice
}

void Traffic::Calls(const std::string& line, int64_t count, CivilDay from, bool iridium) {
  for (int64_t i = 0; i < count; ++i) Call(line, from, iridium);
}

void Traffic::Call(const std::string& line, CivilDay from, bool iridium) {
  std::string called = dice_.Pick(kDialled);
  const size_t digits = called.rfind("011", 0) == 0 ? 14 : called[0] == '1' ? 11 : 10;
  while (called.size() < digits) called += static_cast<char>('0' + dice_.Between(0, 9));
  if (iridium && dice_.Chance(30)) {
    called = absl::StrCat("0118816", dice_.Between(10000000, 99999999));
  }
  const absl::Time begin = StartOfDay(from, zone_);
  const int64_t span = absl::ToInt64Seconds(StartOfDay(kApril, zone_) - begin);
  const absl::Time answer = begin + absl::Seconds(dice_.Between(0, span - 1));
  const bool answered = dice_.Chance(85);
  const int64_t length = dice_.Chance(70) ? dice_.Between(1, 240) : dice_.Between(241, 3000);
  const int64_t talk = answered ? length : 0;
  const int64_t ring = dice_.Between(2, 25);
  const int64_t sequence = ++calls_made_;
  const auto text = [&](absl::Time at) { return absl::FormatTime("%Y-%m-%d %H:%M:%S", at, zone_); };
  const std::string id = absl::StrCat(absl::ToUnixSeconds(answer), ".", sequence);
  const std::string row = absl::StrFormat(
      R"("","%s","%s","from-customers","""%s"" <%s>","PJSIP/%s-%08x","PJSIP/trunk-%08x","Dial",)"
      R"("PJSIP/%s@trunk,60","%s",%s,"%s",%d,%d,"%s","DOCUMENTATION","%s","","","%s",%d)",
      line, called, line, line, line, sequence, sequence, called,
      text(answer - absl::Seconds(ring)), answered ? absl::StrCat("\"", text(answer), "\"") : "",
      text(answer + absl::Seconds(talk)), ring + talk, talk, answered ? "ANSWERED" : "NO ANSWER",
      id, id, sequence);
  const char* loaded = LoadedOn(DateIn(answer, zone_), false);
  Add("asterisk", loaded, row + "\n");
  if (dice_.Chance(1)) Add("asterisk", loaded, row + "\n");  // an overlapping export has it again
}

void Traffic::Add(const char* format, const char* loaded, const std::string& record) {
  Records& records = open_[{loaded, format}];
  records.text += record;
  if (++records.count >= kRecordsPerFile) Write(format, loaded, records);
}

void Traffic::Write(const std::string& format, const std::string& loaded, Records& records) {
  const bool detail = format == "detail";
  const std::string name = absl::StrFormat("%s_%s_%03d.%s", detail ? "radius" : "calls", loaded,
                                           ++records.files, detail ? "detail" : "csv");
  std::ofstream file(folder_ + "/" + name, std::ios::binary | std::ios::trunc);
  file << records.text;
  file.flush();
  if (!file) status_.Update(UnavailableError("DATA_DIR", "cannot write " + name));
  files_.push_back({loaded, name, format});
  records.text.clear();
  records.count = 0;
}

absl::StatusOr<std::vector<TrafficFile>> Traffic::Finish() {
  for (auto& [key, records] : open_) {
    if (records.count > 0) Write(key.second, key.first, records);
  }
  RETURN_IF_ERROR(status_);
  std::sort(files_.begin(), files_.end(), [](const TrafficFile& a, const TrafficFile& b) {
    return std::tie(a.loaded_date, a.format, a.name) < std::tie(b.loaded_date, b.format, b.name);
  });
  return files_;
}

}  // namespace broadbill::program
