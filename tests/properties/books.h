#pragma once

// Plays a history on the domain: bills, keeps coverage and lines as the store does, and says which
// rule of BILLING.md is broken first.

#include <string>
#include <vector>

#include "services/invoicing/domain/test_settled.h"
#include "tests/properties/history.h"

namespace broadbill::properties {

class Books {
 public:
  explicit Books(const History& history) : history_(history) {}

  // Bills as of a day what the first `count` steps made. "" or the broken rule.
  std::string Run(size_t count, CivilDay as_of);
  // Takes the latest run back, as voiding its draft does.
  void Void();

  int64_t total() const;
  const std::vector<invoicing::Piece>& pieces() const { return pieces_; }
  size_t lines() const;

 private:
  struct Document {
    std::vector<invoicing::Line> lines;
    std::vector<Uuid> ids;
    std::vector<invoicing::Piece> before;
  };
  std::string Enter(const invoicing::ItemBill& bill);
  std::string CheckPieces() const;
  std::string CheckLines() const;
  std::string CheckCoverage() const;

  const History& history_;
  std::vector<invoicing::Piece> pieces_;
  invoicing::SettledCheck settled_;
  std::vector<Document> documents_;
  uint32_t next_id_ = 0;
};

// Plays all steps and the last run, and compares with a single run of the end and, where every
// setting is `actual`, with the days counted naively. "" or what is broken.
std::string Judge(const History& history, int64_t* lines = nullptr);

}  // namespace broadbill::properties
