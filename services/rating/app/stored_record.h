#pragma once

// The stored form of records that wait, and what makes each the record it is.

#include <cstdint>
#include <string>
#include <string_view>

#include "libs/db/codec.h"
#include "services/rating/domain/records.h"

namespace broadbill::rating {

db::Bytes Hash(const std::string& text);

// A row of a file that could not be read, with all that is needed to read it again.
struct MalformedRow {
  int16_t layout = 0;  // of domain/import_file
  std::string time_zone, country, recipe;
  std::string header;  // the file's first line, where it names columns
  std::string text;
};

// A packet with a right authenticator that cannot be read, as it came.
struct RawPacket {
  std::string packet;
  std::string peer;
  absl::Time received;
  std::string message;  // what is wrong
};

std::string Pack(const RadiusRecord& record);
std::string Pack(const CallRecord& record, const std::string& country);
std::string Pack(const UsageEventRecord& record);
std::string Pack(const MalformedRow& row);
std::string Pack(const RawPacket& packet);
RadiusRecord UnpackSample(std::string_view in);
CallRecord UnpackCall(std::string_view in, std::string& country);
UsageEventRecord UnpackEvent(std::string_view in);
MalformedRow UnpackMalformed(std::string_view in);
RawPacket UnpackPacket(std::string_view in);

db::Bytes WaitingKey(int16_t kind, const std::string& key);
// What `WaitingKey` takes: of events source and id, so that no two have the same; of samples all
// but the line.
std::string EventKey(const UsageEventRecord& record);
std::string SampleKey(const std::string& packed);
// Of packets who sent them and their attributes: the same again is the same.
std::string PacketKey(const RawPacket& packet);

// What a record says, for people.
std::string Describe(const RadiusRecord& record);
std::string Describe(const CallRecord& record);
std::string Describe(const UsageEventRecord& record);

}  // namespace broadbill::rating
