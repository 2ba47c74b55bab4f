#include "libs/csv/writer.h"

#include <catch2/catch.hpp>

#include "libs/csv/reader.h"

namespace broadbill::csv {

TEST_CASE("fields are quoted where RFC 4180 asks for it") {
  std::string out;
  AppendRow({"a", "", "49.99", "x,y", "say \"hi\"", "two\nlines", " led"}, out);
  CHECK(out == "a,,49.99,\"x,y\",\"say \"\"hi\"\"\",\"two\nlines\",\" led\"\r\n");
}

TEST_CASE("what is written is read back") {
  const std::vector<std::vector<std::string>> rows = {
      {"", ""},           {"å", "日本"},  {"\"", ","},      {"\r\n", "'"},
      {"a\"b\"", "\"\""}, {"-1", "=1+1"}, {"ends\r", "\n"}, {"semi;colon", "tab\tin"}};
  std::string out;
  for (const auto& row : rows) AppendRow(row, out);
  AppendRow({""}, out);
  Reader reader(out);
  for (const auto& row : rows) {
    Row read;
    REQUIRE(reader.Next(read));
    CHECK(read.fields == row);
  }
  Row last;
  REQUIRE(reader.Next(last));
  CHECK(last.fields == std::vector<std::string>{""});
  CHECK(!reader.Next(last));
}

}  // namespace broadbill::csv
