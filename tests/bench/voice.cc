#include "tests/bench/voice.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <random>
#include <set>
#include <unordered_map>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/calendar/time_zone.h"
#include "services/rating/domain/call.h"
#include "tests/bench/call_files.h"
#include "tests/bench/measure.h"

namespace broadbill::bench {
namespace {

using rating::CallOutcome;
using rating::DeckRate;

constexpr std::array<const char*, 12> kCountries = {"44", "49", "33", "39",  "34",  "91",
                                                    "86", "81", "55", "353", "420", "971"};
constexpr std::array<const char*, 4> kZones = {"America/New_York", "America/Chicago",
                                               "America/Denver", "America/Los_Angeles"};

double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// A line: its zone, and included seconds where it has some.
struct Line {
  size_t zone = 0;
  std::vector<rating::Bundle> bundles;
};

struct Call {
  std::string called;  // as dialled
  absl::Time answered;
  int64_t seconds = 0;
  uint32_t line = 0;
};

class Bench {
 public:
  Bench(int64_t prefixes, int64_t calls) : random_(20260301) {
    MakeDecks(static_cast<size_t>(prefixes));
    MakeLines();
    MakeCalls(static_cast<size_t>(calls));
  }

  int Run(int64_t records, const std::string& data_dir) {
    const rating::DeckIndex index(decks_);
    if (!SameAsSearch(index)) {
      std::cerr << "bench voice: a call was rated by another prefix than a search of all finds\n";
      return 1;
    }
    double best = 1e9;
    double floor = 1e9;
    // Floor and rating in turn, so that both see the machine as it is; the best of each counts.
    for (int pass = 0; pass < kPasses; ++pass) {
      floor = std::min(floor, Floor());
      best = std::min(best, Rate(index));
    }
    JsonObject json;
    const auto calls = static_cast<double>(calls_.size());
    json.Add("benchmark", std::string("voice"));
    json.Add("prefixes", static_cast<int64_t>(prefixes_.size()));
    json.Add("rates", static_cast<int64_t>(index.size()));
    json.Add("calls", static_cast<int64_t>(calls_.size()));
    json.Add("calls_per_second_per_core", calls / best, 0);
    json.Add("nanoseconds_per_call", best / calls * 1e9, 0);
    json.Add("floor_calls_per_second_per_core", calls / floor, 0);
    json.Add("ratio_to_floor", best / floor, 2);
    json.Add("rated", outcomes_[static_cast<size_t>(CallOutcome::kRated)]);
    json.Add("on_net", outcomes_[static_cast<size_t>(CallOutcome::kOnNet)]);
    json.Add("toll_free", outcomes_[static_cast<size_t>(CallOutcome::kTollFree)]);
    json.Add("no_rate", outcomes_[static_cast<size_t>(CallOutcome::kNoRate)]);
    json.Add("covered_by_bundles", covered_);
    json.Add("over_a_window", windowed_);
    json.Add("amount_micros", amount_);
    if (records > 0) {
      const absl::Status status = MeasureCallFiles(MakeFiles(records), data_dir, json);
      if (!status.ok()) {
        std::cerr << "bench voice: " << status.message() << "\n";
        return 1;
      }
    }
    std::cout << json.ToString() << std::endl;
    return 0;
  }

 private:
  static constexpr int kPasses = 5;
  static constexpr size_t kLines = 20000;
  static constexpr size_t kBlock = 256;
  static constexpr size_t kFileRecords = 250000;
  static constexpr char kWindows[] = "holiday 12-25,01-01; peak Mon-Fri 08:00-18:00";

  // The number of a line.
  static std::string NumberOf(size_t line) { return absl::StrCat("16125", 550000 + line); }

  uint64_t Random(uint64_t below) { return random_() % below; }
  std::string Digits(size_t size) {
    std::string out;
    for (size_t i = 0; i < size; ++i) out += static_cast<char>('0' + Random(10));
    return out;
  }

  // Prefixes as decks have them: countries, area codes, and longer ones within them. A fifth has
  // a peak rate, a fifth a new rate from the middle of the month, a tenth a second rate.
  void MakeDecks(size_t count) {
    std::set<std::string> made;
    for (const char* country : kCountries) made.insert(country);
    made.insert("1");
    while (made.size() < count) {
      const bool nanp = Random(2) == 0;
      const std::string head =
          nanp ? absl::StrCat("1", 2 + Random(8), Digits(2)) : kCountries[Random(12)];
      made.insert(head + Digits(nanp ? Random(5) : 2 + Random(6)));
    }
    prefixes_.assign(made.begin(), made.end());
    rating::Deck deck;
    deck.code = "retail";
    deck.windows = *ParseWindows(kWindows);
    for (const std::string& prefix : prefixes_) {
      DeckRate rate;
      rate.prefix = prefix;
      rate.destination = prefix;
      rate.per_minute_micros = static_cast<int64_t>(1000 + Random(300000));
      rate.first_increment = Random(2) == 0 ? 60 : 30;
      rate.next_increment = rate.first_increment == 60 ? 60 : 6;
      rate.connect_micros = Random(4) == 0 ? 20000 : 0;
      const uint64_t kind = Random(10);
      if (kind == 0) {
        rate.step_from = 60;
        rate.step_per_minute_micros = rate.per_minute_micros / 2;
        rate.step_increment = 1;
      }
      if (kind == 1 || kind == 2) {
        DeckRate peak = rate;
        peak.window = "peak";
        peak.per_minute_micros *= 2;
        deck.rates.push_back(peak);
      }
      if (kind == 3 || kind == 4) {
        DeckRate old = rate;
        old.valid_to = rate.valid_from = CivilDay(2026, 3, 15);
        old.per_minute_micros += 7;
        deck.rates.push_back(old);
      }
      deck.rates.push_back(rate);
    }
    decks_.push_back(std::move(deck));
  }

  void MakeLines() {
    for (size_t i = 0; i < kZones.size(); ++i) zones_[i] = *LoadZone(kZones[i]);
    lines_.resize(kLines);
    for (size_t i = 0; i < kLines; ++i) {
      lines_[i].zone = Random(kZones.size());
      if (i % 3 == 0) lines_[i].bundles.push_back({"minutes", 1, absl::InfiniteFuture(), 6000, 0});
      if (i % 9 == 0) lines_[i].bundles.push_back({"more", 2, absl::InfiniteFuture(), 3000, 60});
      own_.insert(rating::PackDigits(NumberOf(i)));
    }
  }

  // Numbers that begin with prefixes of the deck, dialled as people and switches dial.
  void MakeCalls(size_t count) {
    const absl::Time month = absl::FromCivil(CivilDay(2026, 3, 1), absl::UTCTimeZone());
    calls_.resize(count);
    for (Call& call : calls_) {
      std::string number = prefixes_[Random(prefixes_.size())];
      const size_t length = number[0] == '1' ? 11 : 12;
      if (number.size() < 4 && number[0] == '1') number = absl::StrCat("1", 2 + Random(8));
      if (number.size() < length) number += Digits(length - number.size());
      const uint64_t kind = Random(100);
      if (kind < 5) number = NumberOf(Random(kLines));
      if (kind == 5) number = absl::StrCat("1800", Digits(7));
      if (number[0] != '1') {
        call.called = Random(2) == 0 ? "011" + number : "+" + number;
      } else {
        call.called = Random(2) == 0 ? number : number.substr(1);
      }
      call.line = static_cast<uint32_t>(Random(kLines));
      call.answered = month + absl::Seconds(static_cast<int64_t>(Random(31 * 86400)));
      call.seconds = static_cast<int64_t>(1 + Random(Random(4) == 0 ? 1800 : 180));
    }
  }

  static std::string Amount(int64_t micros) {
    return absl::StrFormat("%d.%06d", micros / 1000000, micros % 1000000);
  }

  std::string DeckText() const {
    std::string out =
        "prefix,destination,rate_per_minute,connect_fee,first_increment,next_increment,window,"
        "valid_from,valid_to,step_from,step_rate_per_minute,step_increment\n";
    for (const DeckRate& rate : decks_.front().rates) {
      absl::StrAppend(&out, rate.prefix, ",", rate.destination, ",", Amount(rate.per_minute_micros),
                      ",", Amount(rate.connect_micros), ",", rate.first_increment, ",",
                      rate.next_increment, ",", rate.window, ",",
                      rate.valid_from > CivilDay::min() ? FormatDate(rate.valid_from) : "", ",",
                      rate.valid_to < CivilDay::max() ? FormatDate(rate.valid_to) : "", ",");
      if (rate.step_from > 0) {
        absl::StrAppend(&out, rate.step_from, ",", Amount(rate.step_per_minute_micros), ",",
                        rate.step_increment, "\n");
      } else {
        absl::StrAppend(&out, ",,\n");
      }
    }
    return out;
  }

  // A record as cdr-csv writes it. One in eight was not answered, one in twenty came from outside.
  std::string Record(const Call& call, int64_t number, bool answered) {
    const std::string own = NumberOf(call.line);
    const bool inbound = Random(20) == 0;
    const std::string src = inbound ? absl::StrCat("1", 2 + Random(8), Digits(9)) : own;
    const std::string dst = inbound ? own : call.called;
    const auto time = [](absl::Time at) {
      return absl::FormatTime("%Y-%m-%d %H:%M:%S", at, absl::UTCTimeZone());
    };
    const std::string id = absl::StrCat(absl::ToUnixSeconds(call.answered) - 5, ".", number);
    return absl::StrCat(
        "\"\",\"", src, "\",\"", dst, "\",\"from-internal\",\"\"\"Customer\"\" <", src,
        ">\",\"PJSIP/line-", number, "\",\"PJSIP/carrier-", number, "\",\"Dial\",\"PJSIP/", dst,
        "@carrier,60\",\"", time(call.answered - absl::Seconds(5)), "\",",
        answered ? absl::StrCat("\"", time(call.answered), "\"") : "", ",\"",
        time(call.answered + absl::Seconds(call.seconds)), "\",", call.seconds + 5, ",",
        answered ? call.seconds : 0, ",\"", answered ? "ANSWERED" : "NO ANSWER",
        "\",\"DOCUMENTATION\",\"", id, "\",\"\",\"\",\"", id, "\",", number, "\n");
  }

  CallFiles MakeFiles(int64_t records) {
    CallFiles out;
    out.deck = DeckText();
    out.windows = kWindows;
    for (size_t i = 0; i < kLines; ++i) {
      out.numbers.push_back(NumberOf(i));
      out.zones.emplace_back(kZones[lines_[i].zone]);
    }
    out.records = records;
    for (size_t i = 0; i < CallFiles::kFirst; ++i) {
      out.first += Record(calls_[i], records + static_cast<int64_t>(i), true);
    }
    for (int64_t i = 0; i < records; ++i) {
      if (static_cast<size_t>(i) % kFileRecords == 0) out.files.emplace_back();
      const bool answered = Random(8) != 0;
      out.rated += answered ? 1 : 0;
      out.files.back() += Record(calls_[static_cast<size_t>(i) % calls_.size()], i, answered);
    }
    return out;
  }

  rating::CallTerms TermsOf(size_t zone, const rating::DeckIndex& index) const {
    rating::CallTerms terms;
    terms.plan = plan_;
    terms.zone = zones_[zone];
    terms.decks = &index;
    return terms;
  }

  // Seconds of CPU for all calls, as a file of them is rated: in blocks.
  double Rate(const rating::DeckIndex& index) {
    std::vector<Line> lines = lines_;
    std::vector<rating::CallTerms> terms;
    for (size_t zone = 0; zone < kZones.size(); ++zone) terms.push_back(TermsOf(zone, index));
    outcomes_.fill(0);
    covered_ = windowed_ = amount_ = 0;
    std::vector<rating::CallJob> jobs(kBlock);
    std::vector<rating::E164> numbers(kBlock);
    std::vector<rating::CallPrice> prices(kBlock);
    const double start = ThreadSeconds();
    for (size_t begin = 0; begin < calls_.size(); begin += kBlock) {
      const size_t size = std::min(kBlock, calls_.size() - begin);
      for (size_t i = 0; i < size; ++i) {
        const Call& call = calls_[begin + i];
        __builtin_prefetch(&lines[call.line]);
        if (!rating::Normalise(call.called, *plan_, numbers[i])) numbers[i].size = 0;
        jobs[i].facts = {call.called, call.answered, call.seconds, false, false, &numbers[i]};
        jobs[i].facts.on_net = own_.contains(numbers[i].key());
      }
      for (size_t i = 0; i < size; ++i) {
        Line& line = lines[calls_[begin + i].line];
        jobs[i].terms = &terms[line.zone];
        jobs[i].bundles = line.bundles;
      }
      RateMany(std::span(jobs).first(size), prices);
      for (size_t i = 0; i < size; ++i) Count(prices[i]);
    }
    return ThreadSeconds() - start;
  }

  void Count(const rating::CallPrice& price) {
    ++outcomes_[static_cast<size_t>(price.outcome)];
    covered_ += price.bundle_seconds > 0 && price.charged_seconds == 0 ? 1 : 0;
    windowed_ += price.segments.size() > 1 && price.segments[0].rate != price.segments[1].rate;
    amount_ += price.cost_micros;
  }

  // The least that any rating does: read every call, and one entry of a table as large as the deck.
  double Floor() {
    struct Entry {
      int64_t price[8];
    };
    if (table_.empty()) table_.resize(prefixes_.size() * sizeof(Entry) / sizeof(int64_t), 1);
    const double start = ThreadSeconds();
    int64_t sum = 0;
    for (const Call& call : calls_) {
      uint64_t number = 0;
      for (const char c : call.called) number = number * 10 + static_cast<uint64_t>(c - '0');
      const size_t entry = number * 0x9e3779b97f4a7c15u >> 20;
      sum += table_[entry % prefixes_.size() * 8] * call.seconds +
             absl::ToUnixSeconds(call.answered) + static_cast<int64_t>(call.line);
    }
    const double seconds = ThreadSeconds() - start;
    if (sum == 0) std::cerr << "no calls\n";
    return seconds;
  }

  // Every 500th call by a look-up of all its prefixes.
  bool SameAsSearch(const rating::DeckIndex& index) const {
    const std::set<std::string> all(prefixes_.begin(), prefixes_.end());
    for (size_t i = 0; i < calls_.size(); i += 500) {
      const rating::CallFacts facts{calls_[i].called, calls_[i].answered, calls_[i].seconds};
      const rating::CallPrice price = RateCall(facts, TermsOf(0, index), {});
      if (price.outcome != CallOutcome::kRated) continue;
      std::string prefix(price.called.text());
      while (!prefix.empty() && all.count(prefix) == 0) prefix.pop_back();
      if (price.rate->prefix != prefix) return false;
    }
    return true;
  }

  std::mt19937_64 random_;
  std::vector<std::string> prefixes_;
  std::vector<rating::Deck> decks_;
  const rating::DialPlan* const plan_ = rating::FindDialPlan("US");
  std::array<absl::TimeZone, kZones.size()> zones_;
  std::vector<Line> lines_;
  absl::flat_hash_set<uint64_t> own_;
  std::vector<Call> calls_;
  std::vector<int64_t> table_;
  std::array<int64_t, 8> outcomes_{};
  int64_t covered_ = 0, windowed_ = 0, amount_ = 0;
};

}  // namespace

int Voice(const serve::Args& args) {
  const std::string data_dir = args.Get("data", absl::StrCat("/tmp/broadbill-bench-", getpid()));
  Bench bench(args.GetInt("prefixes", 200000), args.GetInt("calls", 1000000));
  const int status = bench.Run(args.GetInt("records", 1000000), data_dir);
  std::error_code ec;
  if (!args.Has("keep")) std::filesystem::remove_all(data_dir, ec);
  return status;
}

}  // namespace broadbill::bench
