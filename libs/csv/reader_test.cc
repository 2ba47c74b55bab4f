#include "libs/csv/reader.h"

#include <catch2/catch.hpp>

#include "libs/status/error.h"

namespace broadbill::csv {
namespace {

std::vector<Row> All(std::string_view text) {
  std::vector<Row> out;
  Reader reader(text);
  for (Row row; reader.Next(row);) out.push_back(row);
  return out;
}

}  // namespace

TEST_CASE("rows as they are found in the wild") {
  const auto rows =
      All("\xef\xbb\xbf"
          "a,b\r\n\r\n1,\"x,\"\"y\"\"\nz\"\n,\n\"\"\"q\"\" <1>\",2");
  REQUIRE(rows.size() == 4);
  CHECK(rows[0].fields == std::vector<std::string>{"a", "b"});
  CHECK(rows[1].line == 3);
  CHECK(rows[1].fields == std::vector<std::string>{"1", "x,\"y\"\nz"});
  CHECK(rows[2].line == 5);
  CHECK(rows[2].fields == std::vector<std::string>{"", ""});
  CHECK(rows[3].fields == std::vector<std::string>{"\"q\" <1>", "2"});
  CHECK(All("").empty());
}

TEST_CASE("columns by name") {
  const auto rows = All("Name , amount\n A ,5\nB\n");
  const auto header = Header::Make(rows[0], {"name", "amount"}, {"note"});
  REQUIRE(header.ok());
  CHECK(header->Get(rows[1], "name") == "A");
  CHECK(header->Get(rows[2], "amount").empty());
  CHECK(header->Get(rows[1], "note").empty());
  CHECK(ReasonOf(Header::Make(rows[0], {"name", "price"}, {"amount"}).status()) ==
        "MISSING_COLUMN");
  CHECK(ReasonOf(Header::Make(rows[0], {"name"}, {}).status()) == "UNKNOWN_COLUMN");
}

TEST_CASE("an open quote is noticed") {
  Reader reader("a,\"b\nc");
  Row row;
  CHECK(reader.Next(row));
  CHECK(reader.unterminated());
}

}  // namespace broadbill::csv
