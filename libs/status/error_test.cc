#include "libs/status/error.h"

#include <catch2/catch.hpp>

namespace broadbill {

TEST_CASE("an error carries its reason, message and metadata") {
  const absl::Status status = WithMetadata(
      NotFoundError("ACCOUNT_NOT_FOUND", "account acc_1 does not exist"), "account_id", "acc_1");
  CHECK(status.code() == absl::StatusCode::kNotFound);
  CHECK(ReasonOf(status) == "ACCOUNT_NOT_FOUND");
  CHECK(MetadataOf(status).at("account_id") == "acc_1");
  CHECK(ReasonOf(absl::OkStatus()).empty());
  CHECK(ReasonOf(absl::InternalError("x")) == "UNKNOWN");
}

TEST_CASE("violations are collected and returned together") {
  Violations violations;
  CHECK(violations.ToStatus().ok());
  CHECK_FALSE(violations.Require(false, "account.cycle_day", "must be 1 to 31, was 32"));
  CHECK(violations.Require(true, "account.name", "must not be empty"));
  CHECK_FALSE(violations.Check(InvalidField("account.currency", "unknown code 'X:Y'"), "ignored"));
  const absl::Status status = violations.ToStatus();
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  const std::vector<FieldViolation> expected = {
      {"account.cycle_day", "must be 1 to 31, was 32"},
      {"account.currency", "unknown code 'X:Y'"},
  };
  CHECK(ViolationsOf(status) == expected);
}

TEST_CASE("annotating keeps reason and violations") {
  const absl::Status status = Annotate(InvalidField("price", "must be a decimal"), "line 12");
  CHECK(StdView(status.message()) == "line 12: price: must be a decimal");
  CHECK(ReasonOf(status) == "INVALID_FIELD");
  CHECK(ViolationsOf(status).size() == 1);
  CHECK(Annotate(absl::OkStatus(), "x").ok());
}

}  // namespace broadbill
