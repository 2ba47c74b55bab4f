#pragma once

#include <memory>
#include <string>

namespace broadbill::testing {

// A database of its own on the run's PostgreSQL, dropped at the end. Migrations are applied by
// db::OpenPool as in production. Ends the process with a message when PostgreSQL cannot be had.
class TestDatabase {
 public:
  TestDatabase();
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  const std::string& url() const { return url_; }
  // Terminates all connections to this database, as a server restart would.
  void BreakConnections();

 private:
  std::string name_;
  std::string url_;
};

// The folder of worked cases beside the checkout (BROADBILL_SHARED, else ../shared), "" when
// absent.
std::string SharedFolder();

}  // namespace broadbill::testing
