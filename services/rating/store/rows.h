#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/db/rows.h"
#include "services/rating/domain/deck.h"

namespace broadbill::rating {

inline constexpr int16_t kRadiusUser = 1, kDid = 2, kTrunk = 3, kMeterSubject = 4;
inline constexpr int16_t kWaitingSample = 1, kWaitingCall = 2, kWaitingEvent = 3,
                         kWaitingMalformed = 4, kWaitingPacket = 5;
inline constexpr int16_t kStateWaits = 1, kStateDismissed = 2, kStateCorrected = 3;

struct SubjectRow {
  int16_t kind = 0;
  std::string value;
  Uuid account_id, item_id;
  CivilDay valid_from, valid_to;
  std::string time_zone = "UTC";  // of the item
  bool watched = false;           // one of its terms includes an amount that can be used up
  bool operator==(const SubjectRow&) const = default;
  static constexpr char kTable[] = "subject";
  static constexpr auto Columns() {
    return std::make_tuple(
        db::Col("kind", &SubjectRow::kind), db::Col("value", &SubjectRow::value),
        db::Col("account_id", &SubjectRow::account_id), db::Col("item_id", &SubjectRow::item_id),
        db::Col("valid_from", &SubjectRow::valid_from), db::Col("valid_to", &SubjectRow::valid_to),
        db::Col("time_zone", &SubjectRow::time_zone), db::Col("watched", &SubjectRow::watched));
  }
};

struct ItemTermsRow {
  Uuid account_id, item_id;
  CivilDay valid_from, valid_to;
  std::string time_zone, country, currency;
  std::vector<std::string> decks;
  db::Bytes usage = {};  // common.v1.UsageTerms; empty: none
  std::string service = {};
  bool watched = false;
  std::string pool = {};
  static constexpr char kTable[] = "item_terms";
  static constexpr auto Columns() {
    return std::make_tuple(
        db::Col("account_id", &ItemTermsRow::account_id),
        db::Col("item_id", &ItemTermsRow::item_id),
        db::Col("valid_from", &ItemTermsRow::valid_from),
        db::Col("valid_to", &ItemTermsRow::valid_to),
        db::Col("time_zone", &ItemTermsRow::time_zone), db::Col("country", &ItemTermsRow::country),
        db::Col("currency", &ItemTermsRow::currency), db::Col("decks", &ItemTermsRow::decks),
        db::Col("usage", &ItemTermsRow::usage), db::Col("service", &ItemTermsRow::service),
        db::Col("watched", &ItemTermsRow::watched), db::Col("pool", &ItemTermsRow::pool));
  }
};

struct SampleRow {
  Uuid account_id, item_id;
  absl::Time at;
  Uuid sample_key;  // store/usage_keys
  std::string session_id;
  int64_t session_seconds = 0, in_octets = 0, out_octets = 0;
  bool wide = true;
  std::optional<Uuid> import_id = {};  // the file it came with
  static constexpr char kTable[] = "usage_sample";
  static constexpr auto Columns() {
    return std::make_tuple(
        db::Col("account_id", &SampleRow::account_id), db::Col("item_id", &SampleRow::item_id),
        db::Col("at", &SampleRow::at), db::Col("sample_key", &SampleRow::sample_key),
        db::Col("session_id", &SampleRow::session_id),
        db::Col("session_seconds", &SampleRow::session_seconds),
        db::Col("in_octets", &SampleRow::in_octets), db::Col("out_octets", &SampleRow::out_octets),
        db::Col("wide", &SampleRow::wide), db::Col("import_id", &SampleRow::import_id));
  }
};

struct EventRow {
  Uuid account_id, item_id;
  absl::Time at;
  Uuid event_key;  // store/usage_keys
  std::string source, event_id;
  int64_t in_octets = 0, out_octets = 0;
  std::optional<Uuid> import_id = {};  // the file it came with
  static constexpr char kTable[] = "usage_event";
  static constexpr auto Columns() {
    return std::make_tuple(
        db::Col("account_id", &EventRow::account_id), db::Col("item_id", &EventRow::item_id),
        db::Col("at", &EventRow::at), db::Col("event_key", &EventRow::event_key),
        db::Col("source", &EventRow::source), db::Col("event_id", &EventRow::event_id),
        db::Col("in_octets", &EventRow::in_octets), db::Col("out_octets", &EventRow::out_octets),
        db::Col("import_id", &EventRow::import_id));
  }
};

struct CallRow {
  Uuid call_key, account_id, item_id;
  bool inbound = false;
  std::string calling, called;
  absl::Time answered_at;
  int64_t seconds = 0, billed_seconds = 0;
  std::string destination, deck, prefix;
  int64_t cost_micros = 0;
  std::string currency;
  std::optional<Uuid> import_id = {};  // the file it came with
  static constexpr char kTable[] = "call";
  static constexpr auto Columns() {
    return std::make_tuple(
        db::Col("call_key", &CallRow::call_key), db::Col("account_id", &CallRow::account_id),
        db::Col("item_id", &CallRow::item_id), db::Col("inbound", &CallRow::inbound),
        db::Col("calling", &CallRow::calling), db::Col("called", &CallRow::called),
        db::Col("answered_at", &CallRow::answered_at), db::Col("seconds", &CallRow::seconds),
        db::Col("billed_seconds", &CallRow::billed_seconds),
        db::Col("destination", &CallRow::destination), db::Col("deck", &CallRow::deck),
        db::Col("prefix", &CallRow::prefix), db::Col("cost_micros", &CallRow::cost_micros),
        db::Col("currency", &CallRow::currency), db::Col("import_id", &CallRow::import_id));
  }
};

struct DeckRow {
  std::string code, name, currency;
  int64_t version = 0;
  absl::Time updated_at;
  std::string windows, time_zone;
  std::string supplier_deck;
  static constexpr char kTable[] = "deck";
  static constexpr auto Columns() {
    return std::make_tuple(
        db::Col("code", &DeckRow::code), db::Col("name", &DeckRow::name),
        db::Col("currency", &DeckRow::currency), db::Col("version", &DeckRow::version),
        db::Col("updated_at", &DeckRow::updated_at), db::Col("windows", &DeckRow::windows),
        db::Col("time_zone", &DeckRow::time_zone),
        db::Col("supplier_deck", &DeckRow::supplier_deck));
  }
};

struct DeckRateRow {
  std::string deck, prefix;
  CivilDay valid_from, valid_to;
  std::string destination;
  int64_t connect_micros = 0, per_minute_micros = 0;
  int32_t first_increment = 60, next_increment = 60;
  int64_t minimum_micros = 0;
  std::string window;
  int32_t step_from = 0;
  int64_t step_per_minute_micros = 0;
  int32_t step_increment = 0;
  std::optional<int64_t> maximum_micros;
  bool operator==(const DeckRateRow&) const = default;
  static constexpr char kTable[] = "deck_rate";
  static constexpr auto Columns() {
    return std::make_tuple(
        db::Col("deck", &DeckRateRow::deck), db::Col("prefix", &DeckRateRow::prefix),
        db::Col("valid_from", &DeckRateRow::valid_from),
        db::Col("valid_to", &DeckRateRow::valid_to),
        db::Col("destination", &DeckRateRow::destination),
        db::Col("connect_micros", &DeckRateRow::connect_micros),
        db::Col("per_minute_micros", &DeckRateRow::per_minute_micros),
        db::Col("first_increment", &DeckRateRow::first_increment),
        db::Col("next_increment", &DeckRateRow::next_increment),
        db::Col("minimum_micros", &DeckRateRow::minimum_micros),
        db::Col("time_window", &DeckRateRow::window), db::Col("step_from", &DeckRateRow::step_from),
        db::Col("step_per_minute_micros", &DeckRateRow::step_per_minute_micros),
        db::Col("step_increment", &DeckRateRow::step_increment),
        db::Col("maximum_micros", &DeckRateRow::maximum_micros));
  }
};

struct WaitingRow {
  db::Bytes record_key;
  Uuid record_id;
  int16_t kind = 0;
  std::string reason, message, subject;
  std::optional<Uuid> item_id;
  absl::Time at;
  std::string source_name;
  int64_t source_line = 0;
  db::Bytes raw;
  std::optional<Uuid> import_id = {};  // the file it came with
  int16_t state = kStateWaits;
  static constexpr char kTable[] = "waiting";
  static constexpr auto Columns() {
    return std::make_tuple(
        db::Col("record_key", &WaitingRow::record_key),
        db::Col("record_id", &WaitingRow::record_id), db::Col("kind", &WaitingRow::kind),
        db::Col("reason", &WaitingRow::reason), db::Col("message", &WaitingRow::message),
        db::Col("subject", &WaitingRow::subject), db::Col("item_id", &WaitingRow::item_id),
        db::Col("at", &WaitingRow::at), db::Col("source_name", &WaitingRow::source_name),
        db::Col("source_line", &WaitingRow::source_line), db::Col("raw", &WaitingRow::raw),
        db::Col("import_id", &WaitingRow::import_id), db::Col("state", &WaitingRow::state));
  }
};

struct WaitingChangeRow {
  Uuid change_id, record_id;
  absl::Time at;
  std::string changed_by;
  int16_t action = 0;
  std::string note, before;
  static constexpr char kTable[] = "waiting_change";
  static constexpr auto Columns() {
    return std::make_tuple(
        db::Col("change_id", &WaitingChangeRow::change_id),
        db::Col("record_id", &WaitingChangeRow::record_id), db::Col("at", &WaitingChangeRow::at),
        db::Col("changed_by", &WaitingChangeRow::changed_by),
        db::Col("action", &WaitingChangeRow::action), db::Col("note", &WaitingChangeRow::note),
        db::Col("before", &WaitingChangeRow::before));
  }
};

inline constexpr int16_t kImportUsage = 1, kImportCalls = 2;

struct ImportRow {
  Uuid import_id;
  int16_t kind = 0;
  std::string source_name;
  db::Bytes content_hash;
  absl::Time received_at;
  std::string received_by;
  int64_t read = 0, applied = 0, duplicate = 0, waiting = 0, conflicting = 0, malformed = 0;
  std::optional<absl::Time> undone_at = {};
  std::string undone_by = {}, note = {};
  static constexpr char kTable[] = "import";
  static constexpr auto Columns() {
    return std::make_tuple(
        db::Col("import_id", &ImportRow::import_id), db::Col("kind", &ImportRow::kind),
        db::Col("source_name", &ImportRow::source_name),
        db::Col("content_hash", &ImportRow::content_hash),
        db::Col("received_at", &ImportRow::received_at),
        db::Col("received_by", &ImportRow::received_by), db::Col("rows_read", &ImportRow::read),
        db::Col("rows_applied", &ImportRow::applied),
        db::Col("rows_duplicate", &ImportRow::duplicate),
        db::Col("rows_waiting", &ImportRow::waiting),
        db::Col("rows_conflicting", &ImportRow::conflicting),
        db::Col("rows_malformed", &ImportRow::malformed),
        db::Col("undone_at", &ImportRow::undone_at), db::Col("undone_by", &ImportRow::undone_by),
        db::Col("note", &ImportRow::note));
  }
};

struct UsageCycleRow {
  Uuid account_id, item_id;
  CivilDay start_date, end_date;
  std::vector<CivilDay> cycle_days;
  std::vector<int32_t> cycle_day_values;
  int16_t anchor_rule = 0;
  std::optional<CivilDay> anchor_date;
  bool full_first = false;
  static constexpr char kTable[] = "usage_cycle";
  static constexpr auto Columns() {
    using R = UsageCycleRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("item_id", &R::item_id),
        db::Col("start_date", &R::start_date), db::Col("end_date", &R::end_date),
        db::Col("cycle_days", &R::cycle_days), db::Col("cycle_day_values", &R::cycle_day_values),
        db::Col("anchor_rule", &R::anchor_rule), db::Col("anchor_date", &R::anchor_date),
        db::Col("full_first", &R::full_first));
  }
};

struct UsageTouchedRow {
  Uuid touch_id;
  absl::Time at;
  std::vector<Uuid> items;
  std::vector<int32_t> quarters =
      {};  // of each item's usage that changed; none: something else did
  static constexpr char kTable[] = "usage_touched";
  static constexpr auto Columns() {
    using R = UsageTouchedRow;
    return std::make_tuple(db::Col("touch_id", &R::touch_id), db::Col("at", &R::at),
                           db::Col("items", &R::items), db::Col("quarters", &R::quarters));
  }
};

struct UsageSummedRow {
  Uuid account_id, item_id;
  CivilDay since;
  static constexpr char kTable[] = "usage_summed";
  static constexpr auto Columns() {
    using R = UsageSummedRow;
    return std::make_tuple(db::Col("account_id", &R::account_id), db::Col("item_id", &R::item_id),
                           db::Col("since", &R::since));
  }
};

struct UsageSumRow {
  Uuid account_id, item_id;
  CivilDay day;
  int64_t in_octets = 0, out_octets = 0;  // modulo 2^64
  db::Bytes quarters;
  static constexpr char kTable[] = "usage_sum";
  static constexpr auto Columns() {
    using R = UsageSumRow;
    return std::make_tuple(db::Col("account_id", &R::account_id), db::Col("item_id", &R::item_id),
                           db::Col("day", &R::day), db::Col("in_octets", &R::in_octets),
                           db::Col("out_octets", &R::out_octets),
                           db::Col("quarters", &R::quarters));
  }
};

struct UsageThresholdRow {
  Uuid account_id, item_id;
  CivilDay period_start;
  int32_t percent = 0;
  absl::Time reached_at;
  static constexpr char kTable[] = "usage_threshold";
  static constexpr auto Columns() {
    using R = UsageThresholdRow;
    return std::make_tuple(db::Col("account_id", &R::account_id), db::Col("item_id", &R::item_id),
                           db::Col("period_start", &R::period_start),
                           db::Col("percent", &R::percent), db::Col("reached_at", &R::reached_at));
  }
};

struct UsageCapRow {
  Uuid account_id, item_id;
  CivilDay period_start, period_end;
  int16_t action = 0;
  int64_t download_kbps = 0, upload_kbps = 0;
  absl::Time ends_at;
  static constexpr char kTable[] = "usage_cap";
  static constexpr auto Columns() {
    using R = UsageCapRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("item_id", &R::item_id),
        db::Col("period_start", &R::period_start), db::Col("period_end", &R::period_end),
        db::Col("action", &R::action), db::Col("download_kbps", &R::download_kbps),
        db::Col("upload_kbps", &R::upload_kbps), db::Col("ends_at", &R::ends_at));
  }
};

struct TopUpRow {
  Uuid top_up_id, account_id, item_id;
  std::string code, description;
  absl::Time bought_at;
  CivilDay bought_on;
  std::optional<CivilDay> usable_to;  // none: to the end of the whole period of bought_on
  Decimal units;
  std::string unit_name;
  int64_t bytes = 0;
  Decimal price;
  std::string currency;
  bool automatic = false;
  std::string bought_by;
  static constexpr char kTable[] = "top_up";
  static constexpr auto Columns() {
    using R = TopUpRow;
    return std::make_tuple(
        db::Col("top_up_id", &R::top_up_id), db::Col("account_id", &R::account_id),
        db::Col("item_id", &R::item_id), db::Col("code", &R::code),
        db::Col("description", &R::description), db::Col("bought_at", &R::bought_at),
        db::Col("bought_on", &R::bought_on), db::Col("usable_to", &R::usable_to),
        db::Col("units", &R::units), db::Col("unit_name", &R::unit_name),
        db::Col("bytes", &R::bytes), db::Col("price", &R::price), db::Col("currency", &R::currency),
        db::Col("automatic", &R::automatic), db::Col("bought_by", &R::bought_by));
  }
};

// Limits of an account's calls; the nil account: of all without a row.
struct CallLimitRow {
  Uuid account_id;
  std::optional<int64_t> hour_micros, day_micros, hour_calls;
  bool international_only = false;
  static constexpr char kTable[] = "call_limit";
  static constexpr auto Columns() {
    return std::make_tuple(db::Col("account_id", &CallLimitRow::account_id),
                           db::Col("hour_micros", &CallLimitRow::hour_micros),
                           db::Col("day_micros", &CallLimitRow::day_micros),
                           db::Col("hour_calls", &CallLimitRow::hour_calls),
                           db::Col("international_only", &CallLimitRow::international_only));
  }
};

struct CallTouchedRow {
  Uuid touch_id, account_id;
  absl::Time first_at, last_at;
  static constexpr char kTable[] = "call_touched";
  static constexpr auto Columns() {
    return std::make_tuple(db::Col("touch_id", &CallTouchedRow::touch_id),
                           db::Col("account_id", &CallTouchedRow::account_id),
                           db::Col("first_at", &CallTouchedRow::first_at),
                           db::Col("last_at", &CallTouchedRow::last_at));
  }
};

struct CallAlarmRow {
  Uuid account_id;
  int16_t kind = 0;
  absl::Time window_start;
  Uuid alarm_id;
  absl::Time window_end, exceeded_at;
  int64_t calls = 0, micros = 0, limit_value = 0;
  std::string currency;
  absl::Time raised_at;
  std::optional<absl::Time> acknowledged_at;
  std::string acknowledged_by, note;
  static constexpr char kTable[] = "call_alarm";
  static constexpr auto Columns() {
    return std::make_tuple(
        db::Col("account_id", &CallAlarmRow::account_id), db::Col("kind", &CallAlarmRow::kind),
        db::Col("window_start", &CallAlarmRow::window_start),
        db::Col("alarm_id", &CallAlarmRow::alarm_id),
        db::Col("window_end", &CallAlarmRow::window_end),
        db::Col("exceeded_at", &CallAlarmRow::exceeded_at), db::Col("calls", &CallAlarmRow::calls),
        db::Col("micros", &CallAlarmRow::micros),
        db::Col("limit_value", &CallAlarmRow::limit_value),
        db::Col("currency", &CallAlarmRow::currency),
        db::Col("raised_at", &CallAlarmRow::raised_at),
        db::Col("acknowledged_at", &CallAlarmRow::acknowledged_at),
        db::Col("acknowledged_by", &CallAlarmRow::acknowledged_by),
        db::Col("note", &CallAlarmRow::note));
  }
};

struct RestartRow {
  std::string nas;
  absl::Time at;
  bool off = false;
  static constexpr char kTable[] = "access_server_restart";
  static constexpr auto Columns() {
    return std::make_tuple(db::Col("nas", &RestartRow::nas), db::Col("at", &RestartRow::at),
                           db::Col("off", &RestartRow::off));
  }
};

// Domain rate of a row.
inline DeckRate ToRate(const DeckRateRow& row) {
  return {row.prefix,          row.destination,    row.connect_micros, row.per_minute_micros,
          row.first_increment, row.next_increment, row.minimum_micros, row.valid_from,
          row.valid_to,        row.window,         row.step_from,      row.step_per_minute_micros,
          row.step_increment,  row.maximum_micros};
}

}  // namespace broadbill::rating
