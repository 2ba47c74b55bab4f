#include "services/rating/domain/import_file.h"

#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"

namespace broadbill::rating {
namespace {

std::vector<UnreadableRow> Rows(Layout layout, const std::string& content) {
  const auto file = ReadFile(layout, content, absl::UTCTimeZone());
  REQUIRE(file.ok());
  return UnreadableRows(layout, content, file->errors);
}

}  // namespace

TEST_CASE("an unreadable row of a CSV file is kept whole, once, with its first error") {
  const std::string head = "id,source,subject,time,type,quantity\n";
  const std::string wrong = "e2,gw,\"an\nn\",2026-03-01T00:00:00Z,data,x";
  const std::string file = head + "e1,gw,ann,2026-03-01T00:00:00Z,data,1\r\n" + wrong + "\r\ne3\n" +
                           "e3\n" + wrong + "\n";
  const auto rows = Rows(Layout::kEventsCsv, file);
  REQUIRE(rows.size() == 4);
  CHECK(rows[0].line == 3);
  CHECK(rows[0].text == wrong);
  CHECK(rows[0].ordinal == 1);
  CHECK(rows[1].text == "e3");
  CHECK(rows[1].reason == "WRONG_COLUMN_COUNT");
  CHECK(rows[2].ordinal == 2);
  CHECK(rows[3].text == wrong);
  CHECK(HeaderOf(Layout::kEventsCsv, file) == head);
  CHECK(HeaderOf(Layout::kAsterisk, file).empty());
}

TEST_CASE(
    "an unreadable detail record is kept with all its lines; the last one that is cut is not") {
  const std::string first = "Mon Mar  2 10:00:00 2026\n\tAcct-Status-Type = Stop\n\tnonsense\n";
  const std::string good =
      "\nMon Mar  2 10:00:01 2026\n\tAcct-Status-Type = Stop\n\tUser-Name = \"ann\"\n"
      "\tAcct-Session-Id = \"1\"\n\tTimestamp = 1772445601\n";
  const std::string cut = "\nMon Mar  2 10:00:02 2026\n\tAcct-Status-Type = Stop\n";
  const auto rows = Rows(Layout::kDetail, first + good + cut);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].text + "\n" == first);
}

TEST_CASE("carriage returns that make a row unreadable are kept with it") {
  const std::string head = "Mon Mar  2 10:00:00 2026\r\n\tAcct-Status-Type = Stop\r\n";
  const std::string record =
      head + "\tUser-Name = \"ann\"\r\n\tAcct-Session-Id = \"1\"\r\n\tTimestamp = 1772445601";
  for (const char* returns : {"\r\r", "\r\r\r"}) {
    const auto rows = Rows(Layout::kDetail, record + returns + "\n");
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].text == record + returns);
    CHECK(Rows(Layout::kDetail, rows[0].text + "\n").size() == 1);
  }
  const auto other = Rows(Layout::kDetail, head + "\tTimestamp = 1772445601\r\n");
  REQUIRE(other.size() == 1);
  CHECK(other[0].text == head + "\tTimestamp = 1772445601");
}

TEST_CASE("a quote within a field opens nothing: rows behind an unreadable one are not its own") {
  const std::string head = "\xef\xbb\xbf\r\n\nid,source,subject,time,type,quantity\n";
  const std::string wrong = "e1,gw,5\" pipe,noon,data,1";
  const std::string file = head + wrong + "\ne2,gw,ann,2026-03-01T00:00:00Z,data,1\n" +
                           "\"e \"\"3\"\"\",gw,\"a\nb\",noon,data,1\n";
  const auto rows = Rows(Layout::kEventsCsv, file);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].text == wrong);
  CHECK(rows[1].text == "\"e \"\"3\"\"\",gw,\"a\nb\",noon,data,1");
  // With the names of the columns, whatever stands before them.
  CHECK(HeaderOf(Layout::kEventsCsv, file) == head);
}

TEST_CASE("rows of a mapped file are found by its delimiter, its header where it has one") {
  Recipe recipe;
  recipe.delimiter = ';';
  recipe.id = "id";
  recipe.subject = "user";
  recipe.time = "at";
  recipe.total = "octets";
  const std::string head = "id;user;at;octets\n";
  const std::string wrong = "2;\"a\nb\";noon;1";
  const std::string text = head + wrong + "\n3;ann;2026-03-01 12:00:00;1\n";
  const auto file = ReadFile(Layout::kMappedUsage, text, absl::UTCTimeZone(), &recipe);
  REQUIRE(file.ok());
  CHECK(file->events.size() == 1);
  const auto rows = UnreadableRows(Layout::kMappedUsage, text, file->errors, &recipe);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].text == wrong);
  CHECK(rows[0].message == "at is no time of the form '2026-03-01 12:00:00'");
  CHECK(HeaderOf(Layout::kMappedUsage, text, &recipe) == head);
  recipe.header = false;
  CHECK(HeaderOf(Layout::kMappedUsage, text, &recipe).empty());
}

TEST_CASE("a last call record that is still being written does not wait") {
  const std::string row =
      R"("","1","2","c","x","s","","Dial","","2026-03-10 10:00:00","noon","",1,1,"ANSWERED","D")";
  REQUIRE(Rows(Layout::kAsterisk, row + "\n" + row).size() == 1);
  CHECK(Rows(Layout::kAsterisk, row + "\n" + row)[0].text == row);
  CHECK(Rows(Layout::kAsterisk, row + "\n" + row + "\n").size() == 2);
}

}  // namespace broadbill::rating
