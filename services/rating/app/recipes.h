#pragma once

// Recipes of mapped files: from requests into the domain, and kept by code.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "broadbill/rating/v1/recipes.pb.h"
#include "libs/calendar/clock.h"
#include "libs/db/pool.h"
#include "libs/rpc/context.h"
#include "services/rating/domain/recipe.h"

namespace broadbill::rating {

// INVALID_FIELD below `field` ("recipe.").
absl::StatusOr<Recipe> ReadRecipe(const broadbill::rating::v1::ImportRecipe& in,
                                  const std::string& field);

// The one kept under a code. NOT_FOUND without one.
absl::StatusOr<broadbill::rating::v1::ImportRecipe> LoadRecipe(db::Pool& pool,
                                                               const std::string& code);

class Recipes {
 public:
  Recipes(std::shared_ptr<db::Pool> pool, const Clock& clock)
      : pool_(std::move(pool)), clock_(clock) {}

  absl::StatusOr<broadbill::rating::v1::ImportRecipe> CreateImportRecipe(
      const rpc::Context&, const broadbill::rating::v1::CreateImportRecipeRequest&);
  absl::StatusOr<broadbill::rating::v1::ListImportRecipesResponse> ListImportRecipes(
      const rpc::Context&, const broadbill::rating::v1::ListImportRecipesRequest&);

 private:
  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
};

}  // namespace broadbill::rating
