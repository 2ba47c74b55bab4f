#pragma once

// Values to and from PostgreSQL's binary format, for parameters, results and COPY alike. One codec
// per C++ type:
//   bool bool · int16_t int2 · int32_t int4 · int64_t int8 · std::string text · Bytes bytea ·
//   Json jsonb · Uuid uuid · CivilDay date · absl::Time timestamptz · Decimal numeric ·
//   std::vector<T> T[] · std::optional<T> NULL

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "libs/calendar/date.h"
#include "libs/ids/uuid.h"
#include "libs/money/decimal.h"

namespace broadbill::db {

struct Bytes {
  std::string data;
  bool operator==(const Bytes&) const = default;
};

struct Json {
  std::string text;
  bool operator==(const Json&) const = default;
};

namespace wire {

// Big-endian, into the sizeof(T) bytes at `at`.
template <class T>
void Store(char* at, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    at[i] = static_cast<char>(static_cast<unsigned char>(
        static_cast<std::make_unsigned_t<T>>(value) >> (8 * (sizeof(T) - 1 - i))));
  }
}

template <class T>
void Put(std::string& out, T value) {
  char bytes[sizeof(T)];
  Store<T>(bytes, value);
  out.append(bytes, sizeof(T));
}

template <class T>
T Get(std::string_view in) {
  std::make_unsigned_t<T> value = 0;
  for (size_t i = 0; i < sizeof(T) && i < in.size(); ++i) {
    value =
        static_cast<std::make_unsigned_t<T>>((value << 7 << 1) | static_cast<unsigned char>(in[i]));
  }
  return static_cast<T>(value);
}

void PutNumeric(std::string& out, const Decimal& value);
Decimal GetNumeric(std::string_view in);
int32_t DaysSince2000(CivilDay day);
CivilDay DayFrom2000(int32_t days);

}  // namespace wire

template <class T>
struct Codec;

#define BROADBILL_INT_CODEC(type, oid, array_oid)                                     \
  template <>                                                                         \
  struct Codec<type> {                                                                \
    static constexpr uint32_t kOid = oid, kArrayOid = array_oid;                      \
    static void Encode(std::string& out, type value) { wire::Put<type>(out, value); } \
    static type Decode(std::string_view in) { return wire::Get<type>(in); }           \
  }
BROADBILL_INT_CODEC(int16_t, 21, 1005);
BROADBILL_INT_CODEC(int32_t, 23, 1007);
BROADBILL_INT_CODEC(int64_t, 20, 1016);
#undef BROADBILL_INT_CODEC

template <>
struct Codec<bool> {
  static constexpr uint32_t kOid = 16, kArrayOid = 1000;
  static void Encode(std::string& out, bool value) { out += value ? '\1' : '\0'; }
  static bool Decode(std::string_view in) { return !in.empty() && in[0] != 0; }
};
template <>
struct Codec<std::string> {
  static constexpr uint32_t kOid = 25, kArrayOid = 1009;
  static void Encode(std::string& out, std::string_view value) { out += value; }
  static std::string Decode(std::string_view in) { return std::string(in); }
};
template <>
struct Codec<Bytes> {
  static constexpr uint32_t kOid = 17, kArrayOid = 1001;
  static void Encode(std::string& out, const Bytes& value) { out += value.data; }
  static Bytes Decode(std::string_view in) { return {std::string(in)}; }
};
template <>
struct Codec<Json> {
  static constexpr uint32_t kOid = 3802, kArrayOid = 3807;
  static void Encode(std::string& out, const Json& value) {
    out += '\1';
    out += value.text;
  }
  static Json Decode(std::string_view in) { return {std::string(in.substr(in.empty() ? 0 : 1))}; }
};
template <>
struct Codec<Uuid> {
  static constexpr uint32_t kOid = 2950, kArrayOid = 2951;
  static void Encode(std::string& out, const Uuid& value) {
    out.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
  }
  static Uuid Decode(std::string_view in) {
    Uuid out;
    if (in.size() == 16) std::memcpy(out.bytes.data(), in.data(), 16);
    return out;
  }
};
template <>
struct Codec<CivilDay> {
  static constexpr uint32_t kOid = 1082, kArrayOid = 1182;
  static void Encode(std::string& out, CivilDay value) {
    wire::Put<int32_t>(out, wire::DaysSince2000(value));
  }
  static CivilDay Decode(std::string_view in) { return wire::DayFrom2000(wire::Get<int32_t>(in)); }
};
// datemultirange: the number of ranges; each with its length, a byte of flags and both bounds with
// their lengths. Bounds are finite here: [start, end).
template <>
struct Codec<DateSet> {
  static constexpr uint32_t kOid = 4535, kArrayOid = 6155;
  static void Encode(std::string& out, const DateSet& value) {
    constexpr char kLowerInclusive = 2;
    wire::Put<int32_t>(out, static_cast<int32_t>(value.intervals().size()));
    for (const DateInterval& part : value.intervals()) {
      wire::Put<int32_t>(out, 17);
      out += kLowerInclusive;
      wire::Put<int32_t>(out, 4);
      Codec<CivilDay>::Encode(out, part.start);
      wire::Put<int32_t>(out, 4);
      Codec<CivilDay>::Encode(out, part.end);
    }
  }
  static DateSet Decode(std::string_view in) {
    DateSet out;
    for (in.remove_prefix(4); in.size() >= 21; in.remove_prefix(21)) {
      out.Add(
          {Codec<CivilDay>::Decode(in.substr(9, 4)), Codec<CivilDay>::Decode(in.substr(17, 4))});
    }
    return out;
  }
};

template <>
struct Codec<absl::Time> {
  static constexpr uint32_t kOid = 1184, kArrayOid = 1185;
  static constexpr int64_t kEpochMicros = 946684800000000;
  static void Encode(std::string& out, absl::Time value) {
    wire::Put<int64_t>(out, absl::ToUnixMicros(value) - kEpochMicros);
  }
  static absl::Time Decode(std::string_view in) {
    return absl::FromUnixMicros(wire::Get<int64_t>(in) + kEpochMicros);
  }
};
template <>
struct Codec<Decimal> {
  static constexpr uint32_t kOid = 1700, kArrayOid = 1231;
  static void Encode(std::string& out, const Decimal& value) { wire::PutNumeric(out, value); }
  static Decimal Decode(std::string_view in) { return wire::GetNumeric(in); }
};

// One-dimensional arrays without NULLs.
template <class T>
struct Codec<std::vector<T>> {
  static constexpr uint32_t kOid = Codec<T>::kArrayOid, kArrayOid = 0;
  static void Encode(std::string& out, const std::vector<T>& values) {
    wire::Put<int32_t>(out, values.empty() ? 0 : 1);
    wire::Put<int32_t>(out, 0);
    wire::Put<int32_t>(out, static_cast<int32_t>(Codec<T>::kOid));
    if (values.empty()) return;
    wire::Put<int32_t>(out, static_cast<int32_t>(values.size()));
    wire::Put<int32_t>(out, 1);
    for (const auto& value : values) {
      const size_t at = out.size();
      wire::Put<int32_t>(out, 0);
      Codec<T>::Encode(out, value);
      wire::Store<int32_t>(out.data() + at, static_cast<int32_t>(out.size() - at - 4));
    }
  }
  static std::vector<T> Decode(std::string_view in) {
    std::vector<T> out;
    if (in.size() < 20 || wire::Get<int32_t>(in) != 1) return out;
    const auto count = static_cast<size_t>(wire::Get<int32_t>(in.substr(12)));
    in.remove_prefix(20);
    out.reserve(count);
    while (in.size() >= 4) {
      const int32_t length = wire::Get<int32_t>(in);
      in.remove_prefix(4);
      if (length < 0) {
        out.push_back(T());
        continue;
      }
      out.push_back(Codec<T>::Decode(in.substr(0, static_cast<size_t>(length))));
      in.remove_prefix(static_cast<size_t>(length));
    }
    return out;
  }
};

// One-dimensional arrays that may hold NULLs; only sent.
template <class T>
struct Codec<std::vector<std::optional<T>>> {
  static constexpr uint32_t kOid = Codec<T>::kArrayOid, kArrayOid = 0;
  static void Encode(std::string& out, const std::vector<std::optional<T>>& values) {
    wire::Put<int32_t>(out, values.empty() ? 0 : 1);
    wire::Put<int32_t>(out, 1);
    wire::Put<int32_t>(out, static_cast<int32_t>(Codec<T>::kOid));
    if (values.empty()) return;
    wire::Put<int32_t>(out, static_cast<int32_t>(values.size()));
    wire::Put<int32_t>(out, 1);
    for (const auto& value : values) {
      const size_t at = out.size();
      wire::Put<int32_t>(out, -1);
      if (!value.has_value()) continue;
      Codec<T>::Encode(out, *value);
      wire::Store<int32_t>(out.data() + at, static_cast<int32_t>(out.size() - at - 4));
    }
  }
};

// Parameter types that are encoded as another type.
template <class T>
struct AsColumn {
  using type = T;
};
template <>
struct AsColumn<const char*> {
  using type = std::string;
};
template <>
struct AsColumn<std::string_view> {
  using type = std::string;
};

}  // namespace broadbill::db
