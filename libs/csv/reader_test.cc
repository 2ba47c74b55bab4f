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

TEST_CASE("a carriage return ends a line and stands in quotes") {
  const auto rows = All("a\r\r\n\"x\r\"\r\n\"y\"\r");
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].fields == std::vector<std::string>{"a"});
  CHECK(rows[1].fields == std::vector<std::string>{"x\r"});
  CHECK(rows[2].fields == std::vector<std::string>{"y"});
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

TEST_CASE("rows that do not fit the header") {
  const auto rows =
      All("prefix,destination,rate\n1340,Virgin Islands (U,S,),0.1\n1,US\n44,UK,0.2,,\n");
  const auto header = Header::Make(rows[0], {"prefix", "destination", "rate"}, {});
  REQUIRE(header.ok());
  REQUIRE(header->Check(rows[1]).has_value());
  CHECK(header->Check(rows[1])->reason == "WRONG_COLUMN_COUNT");
  CHECK(header->Check(rows[1])->line == 2);
  CHECK(header->Check(rows[2]).has_value());
  CHECK_FALSE(header->Check(rows[3]).has_value());
}

TEST_CASE("an open quote is noticed, and so is another encoding") {
  const auto open = All("a,\"b\nc");
  REQUIRE(open.size() == 1);
  CHECK(open[0].problem == Problem::kOpenQuote);
  const auto rows = All("caf\xc3\xa9,1\ncaf\xe9,2\nplain,3\n");
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].problem == Problem::kNone);
  CHECK(rows[1].problem == Problem::kNotText);
  CHECK(rows[1].line == 2);
  CHECK(rows[2].problem == Problem::kNone);
}

TEST_CASE("what is text and how the rest is shown") {
  CHECK(IsText("z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80"));
  CHECK_FALSE(IsText(std::string_view("a\0b", 3)));
  CHECK_FALSE(IsText("\xc0\xaf"));          // overlong
  CHECK_FALSE(IsText("\xed\xa0\x80"));      // surrogate
  CHECK_FALSE(IsText("\xf4\x90\x80\x80"));  // beyond U+10FFFF
  CHECK_FALSE(IsText("\xe2\x82"));          // cut
  CHECK(Printable("caf\xe9") == "caf?");
  CHECK(Printable("\xe2\x82\xac\xe2\x82\xac", 5) == "\xe2\x82\xac");
  CHECK(Printable(std::string(300, 'x')).size() == 200);
}

TEST_CASE("files that are no text are refused whole") {
  CHECK(CheckReadable("a,b\n").ok());
  CHECK(CheckReadable("").ok());
  CHECK(ReasonOf(CheckReadable("\xff\xfe"
                               "a")) == "MALFORMED_FILE");
  CHECK(ReasonOf(CheckReadable(std::string_view("a\0b\0", 4))) == "MALFORMED_FILE");
  CHECK(ReasonOf(CheckReadable("PK\x03\x04zip")) == "MALFORMED_FILE");
  CHECK(ReasonOf(CheckReadable("\x1f\x8b gzip")) == "MALFORMED_FILE");
}

}  // namespace broadbill::csv
