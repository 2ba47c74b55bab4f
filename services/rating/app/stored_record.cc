#include "services/rating/app/stored_record.h"

#include <sodium.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/rating/domain/radius.h"

namespace broadbill::rating {
namespace {

void Put(std::string& out, const std::string& text) {
  db::wire::Put<int32_t>(out, static_cast<int32_t>(text.size()));
  out += text;
}
void Put(std::string& out, int64_t value) { db::wire::Put<int64_t>(out, value); }

std::string TakeText(std::string_view& in) {
  const auto size = static_cast<size_t>(db::wire::Get<int32_t>(in));
  std::string out(in.substr(4, size));
  in.remove_prefix(std::min(in.size(), 4 + size));
  return out;
}
int64_t TakeInt(std::string_view& in) {
  const int64_t out = db::wire::Get<int64_t>(in);
  in.remove_prefix(std::min<size_t>(in.size(), 8));
  return out;
}

}  // namespace

db::Bytes Hash(const std::string& text) {
  db::Bytes out;
  out.data.resize(32);
  crypto_generichash(reinterpret_cast<unsigned char*>(out.data.data()), out.data.size(),
                     reinterpret_cast<const unsigned char*>(text.data()), text.size(), nullptr, 0);
  return out;
}

std::string Pack(const RadiusRecord& r) {
  std::string out;
  Put(out, r.user_name);
  Put(out, r.session_id);
  Put(out, absl::ToUnixMicros(r.sample.at));
  Put(out, r.sample.session_seconds);
  Put(out, static_cast<int64_t>(r.sample.in_octets));
  Put(out, static_cast<int64_t>(r.sample.out_octets));
  Put(out, int64_t{r.sample.wide ? 1 : 0});
  Put(out, r.line);
  return out;
}

RadiusRecord UnpackSample(std::string_view in) {
  RadiusRecord r;
  r.user_name = TakeText(in);
  r.session_id = TakeText(in);
  r.sample.at = absl::FromUnixMicros(TakeInt(in));
  r.sample.session_seconds = TakeInt(in);
  r.sample.in_octets = static_cast<uint64_t>(TakeInt(in));
  r.sample.out_octets = static_cast<uint64_t>(TakeInt(in));
  r.sample.wide = TakeInt(in) == 1;
  r.line = TakeInt(in);
  return r;
}
std::string Pack(const CallRecord& r, const std::string& country) {
  std::string out;
  Put(out, r.key);
  Put(out, r.account_code);
  Put(out, r.calling);
  Put(out, r.called);
  Put(out, absl::ToUnixMicros(r.answered));
  Put(out, r.seconds);
  Put(out, r.line);
  Put(out, country);
  return out;
}
CallRecord UnpackCall(std::string_view in, std::string& country) {
  CallRecord r;
  r.key = TakeText(in);
  r.account_code = TakeText(in);
  r.calling = TakeText(in);
  r.called = TakeText(in);
  r.answered = absl::FromUnixMicros(TakeInt(in));
  r.seconds = TakeInt(in);
  r.line = TakeInt(in);
  country = TakeText(in);
  return r;
}
std::string Pack(const UsageEventRecord& r) {
  std::string out;
  Put(out, r.id);
  Put(out, r.source);
  Put(out, r.subject);
  Put(out, absl::ToUnixMicros(r.at));
  Put(out, r.type);
  Put(out, r.octets);
  Put(out, r.line);
  return out;
}
UsageEventRecord UnpackEvent(std::string_view in) {
  UsageEventRecord r;
  r.id = TakeText(in);
  r.source = TakeText(in);
  r.subject = TakeText(in);
  r.at = absl::FromUnixMicros(TakeInt(in));
  r.type = TakeText(in);
  r.octets = TakeInt(in);
  r.line = TakeInt(in);
  return r;
}

db::Bytes WaitingKey(int16_t kind, const std::string& key) {
  return Hash(absl::StrCat(kind, "|", key));
}

// Source and id, so that no two events have the same.
std::string EventKey(const UsageEventRecord& record) {
  std::string out;
  Put(out, record.source);
  Put(out, record.id);
  return out;
}

std::string SampleKey(const std::string& packed) { return packed.substr(0, packed.size() - 8); }

std::string Pack(const MalformedRow& row) {
  std::string out;
  Put(out, int64_t{row.layout});
  for (const std::string* text :
       {&row.time_zone, &row.country, &row.recipe, &row.header, &row.text}) {
    Put(out, *text);
  }
  return out;
}

std::string Pack(const RawPacket& r) {
  std::string out;
  Put(out, r.packet);
  Put(out, r.peer);
  Put(out, absl::ToUnixMicros(r.received));
  return out;
}

RawPacket UnpackPacket(std::string_view in) {
  RawPacket r;
  r.packet = TakeText(in);
  r.peer = TakeText(in);
  r.received = absl::FromUnixMicros(TakeInt(in));
  return r;
}

std::string PacketKey(const RawPacket& r) {
  std::string out;
  Put(out, r.peer);
  Put(out, AttributesOf(r.packet));
  return out;
}

MalformedRow UnpackMalformed(std::string_view in) {
  MalformedRow row;
  row.layout = static_cast<int16_t>(TakeInt(in));
  for (std::string* text : {&row.time_zone, &row.country, &row.recipe, &row.header, &row.text}) {
    *text = TakeText(in);
  }
  return row;
}

namespace {

std::string TimeText(absl::Time at) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", at, absl::UTCTimeZone());
}

}  // namespace

std::string Describe(const RadiusRecord& record) {
  return absl::StrCat("session ", record.session_id, " of ", record.user_name, " at ",
                      TimeText(record.sample.at), ": ", record.sample.session_seconds, " s, in ",
                      record.sample.in_octets, ", out ", record.sample.out_octets);
}

std::string Describe(const CallRecord& record) {
  return absl::StrCat("call from ", record.calling, " to ", record.called,
                      record.account_code.empty() ? "" : " of " + record.account_code, " at ",
                      TimeText(record.answered), ": ", record.seconds, " s");
}

std::string Describe(const UsageEventRecord& record) {
  return absl::StrCat("event ", record.id, " of ", record.source, ", subject ", record.subject,
                      " at ", TimeText(record.at), ": ", record.type, " ", record.octets);
}

}  // namespace broadbill::rating
