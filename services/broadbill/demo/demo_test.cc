#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "libs/calendar/time_zone.h"
#include "libs/csv/reader.h"
#include "services/broadbill/demo/generator.h"
#include "services/rating/domain/records.h"

namespace broadbill::program {
namespace {

namespace fs = std::filesystem;

// A folder of its own, gone at the end.
class Folder {
 public:
  explicit Folder(const std::string& name)
      : path_(fs::temp_directory_path() / (name + std::to_string(getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  std::string path() const { return path_.string(); }
  std::string Read(const std::string& name) const {
    std::ifstream in(path_ / name, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  std::map<std::string, std::string> All() const {
    std::map<std::string, std::string> out;
    for (const auto& entry : fs::directory_iterator(path_)) {
      const std::string name = entry.path().filename().string();
      out[name] = Read(name);
    }
    return out;
  }

 private:
  const fs::path path_;
};

using Table = std::vector<std::map<std::string, std::string>>;

Table ReadTable(const Folder& folder, const std::string& name) {
  const std::string text = folder.Read(name);
  csv::Reader reader(text);
  csv::Row header;
  REQUIRE(reader.Next(header));
  Table out;
  for (csv::Row row; reader.Next(row);) {
    INFO(name << " line " << row.line);
    REQUIRE(row.problem == csv::Problem::kNone);
    REQUIRE(row.fields.size() == header.fields.size());
    out.emplace_back();
    for (size_t i = 0; i < row.fields.size(); ++i) out.back()[header.fields[i]] = row.fields[i];
  }
  return out;
}

TEST_CASE("The demo's input: the same size gives the same bytes") {
  const Folder one("demo_one_");
  const Folder two("demo_two_");
  REQUIRE(GenerateDemo(one.path(), 120).ok());
  REQUIRE(GenerateDemo(two.path(), 120).ok());
  const auto files = one.All();
  CHECK(files == two.All());
  CHECK(files.size() > 15);
  const Folder other("demo_other_");
  REQUIRE(GenerateDemo(other.path(), 121).ok());
  CHECK(files != other.All());
}

TEST_CASE("The demo's input: as many accounts as asked for, and references that hold") {
  const Folder folder("demo_tables_");
  REQUIRE(GenerateDemo(folder.path(), 600).ok());
  std::set<std::string> accounts, plans, items;
  for (const auto& row : ReadTable(folder, "accounts.csv"))
    accounts.insert(row.at("account_number"));
  for (const auto& row : ReadTable(folder, "plans.csv")) plans.insert(row.at("code"));
  CHECK(accounts.size() == 600);
  std::set<std::string> users, billed;
  for (const char* name : {"subscriptions.csv", "new_subscriptions.csv"}) {
    const Table rows = ReadTable(folder, name);
    CHECK_FALSE(rows.empty());
    for (const auto& row : rows) {
      CHECK(items.insert(row.at("subscription_id")).second);
      CHECK(accounts.count(row.at("account_number")) == 1);
      CHECK(plans.count(row.at("plan")) == 1);
      billed.insert(row.at("account_number"));
      users.insert(row.at("radius_username"));
    }
  }
  CHECK(billed == accounts);
  std::set<std::string> kinds;
  for (const auto& row : ReadTable(folder, "changes.csv")) {
    CHECK(items.count(row.at("subscription_id")) == 1);
    if (row.at("change") == "plan") CHECK(plans.count(row.at("value")) == 1);
    kinds.insert(row.at("change"));
  }
  CHECK(kinds == std::set<std::string>{"plan", "quantity", "price", "suspend", "resume", "cancel"});
  CHECK(ReadTable(folder, "payers.csv").size() == 600);
}

TEST_CASE("The demo's input: usage files are what the network writes") {
  const Folder folder("demo_usage_");
  REQUIRE(GenerateDemo(folder.path(), 300).ok());
  const absl::TimeZone zone = *LoadZone("America/Chicago");
  std::set<std::string> days;
  std::map<std::string, int> kinds;
  for (const auto& row : ReadTable(folder, "usage.csv")) {
    INFO(row.at("file"));
    const std::string text = folder.Read(row.at("file"));
    const absl::Time end = StartOfDay(*ParseDate(row.at("loaded_date")), zone);
    days.insert(row.at("loaded_date"));
    ++kinds[row.at("format")];
    if (row.at("format") == "detail") {
      const auto parsed = rating::ParseDetail(text, zone);
      REQUIRE(parsed.ok());
      CHECK(parsed->errors.empty());
      CHECK_FALSE(parsed->records.empty());
      for (const auto& record : parsed->records) CHECK(record.sample.at < end);
    } else {
      const auto parsed = rating::ParseAsterisk(text, zone);
      REQUIRE(parsed.ok());
      CHECK(parsed->errors.empty());
      CHECK_FALSE(parsed->records.empty());
      for (const auto& record : parsed->records) CHECK(record.answered < end);
    }
  }
  CHECK(days == std::set<std::string>{"2026-03-01", "2026-03-10", "2026-03-15", "2026-04-01"});
  CHECK(kinds["detail"] == 4);
  CHECK(kinds["asterisk"] == 3);
}

TEST_CASE("The demo's input: sizes out of bounds are refused") {
  const Folder folder("demo_bounds_");
  CHECK_FALSE(GenerateDemo(folder.path(), 0).ok());
  CHECK_FALSE(GenerateDemo(folder.path(), kDemoAccountsMax + 1).ok());
  REQUIRE(GenerateDemo(folder.path(), 1).ok());
  CHECK(ReadTable(folder, "accounts.csv").size() == 1);
}

}  // namespace
}  // namespace broadbill::program
