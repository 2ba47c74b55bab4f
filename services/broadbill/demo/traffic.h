#pragma once

// What the network recorded: RADIUS sessions and calls, in files by the day they are loaded.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/calendar/date.h"
#include "services/broadbill/demo/dice.h"

namespace broadbill::program {

struct TrafficFile {
  std::string loaded_date;  // ISO
  std::string name;         // in the folder
  std::string format;       // "detail" or "asterisk"
};

class Traffic {
 public:
  Traffic(std::string folder, absl::TimeZone zone, Dice& dice)
      : folder_(std::move(folder)), zone_(zone), dice_(dice) {}

  // One session after another in [from, to), with interim readings.
  void Sessions(int64_t customer, const std::string& user, CivilDay from, CivilDay to);
  // Calls of a line ("16120000001") in [from, April); `iridium` makes some of them to satellites.
  void Calls(const std::string& line, int64_t count, CivilDay from, bool iridium);

  // Writes what is left. The files in order of their days.
  absl::StatusOr<std::vector<TrafficFile>> Finish();

 private:
  // A file that is being filled.
  struct Records {
    std::string text;
    int count = 0;
    int files = 0;
  };
  struct Session;

  void Run(const Session& session);
  void Reading(const Session& session, const char* status, int64_t hour, int64_t in, int64_t out);
  void Call(const std::string& line, CivilDay from, bool iridium);
  void Add(const char* format, const char* loaded, const std::string& record);
  void Write(const std::string& format, const std::string& loaded, Records& records);

  const std::string folder_;
  const absl::TimeZone zone_;
  Dice& dice_;
  std::map<std::pair<std::string, std::string>, Records> open_;  // by day and format
  std::vector<TrafficFile> files_;
  absl::Status status_;
  int64_t calls_made_ = 0;
};

}  // namespace broadbill::program
