#include "services/rating/app/recipes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/convert/write.h"
#include "libs/csv/reader.h"
#include "libs/status/macros.h"
#include "services/rating/app/page.h"
#include "services/rating/app/stored_record.h"

namespace broadbill::rating {

namespace pb = broadbill::rating::v1;

namespace {

std::string Digest(const std::string& content) {
  return absl::BytesToHexString(Hash(content).data);
}

Ratio OctetsPer(pb::ImportRecipe::ByteUnit unit) {
  switch (unit) {
    case pb::ImportRecipe::KB:
      return {1000, 1};
    case pb::ImportRecipe::KIB:
      return {1 << 10, 1};
    case pb::ImportRecipe::MB:
      return {1000000, 1};
    case pb::ImportRecipe::MIB:
      return {1 << 20, 1};
    case pb::ImportRecipe::GB:
      return {1000000000, 1};
    case pb::ImportRecipe::GIB:
      return {1 << 30, 1};
    case pb::ImportRecipe::BIT:
      return {1, 8};
    default:
      return {1, 1};
  }
}

Ratio SecondsPer(pb::ImportRecipe::DurationUnit unit) {
  if (unit == pb::ImportRecipe::MILLISECOND) return {1, 1000};
  return {unit == pb::ImportRecipe::MINUTE ? 60 : 1, 1};
}

void ReadUsage(const pb::ImportRecipe::Usage& in, const std::string& field, Recipe& out,
               Violations& violations) {
  out.subject = in.subject_column();
  out.time = in.time_column();
  out.in = in.in_column();
  out.out = in.out_column();
  out.total = in.total_column();
  out.octets_per_unit = OctetsPer(in.unit());
  violations.Require(!out.subject.empty(), field + "subject_column", "is required");
  violations.Require(!out.time.empty(), field + "time_column", "is required");
  const bool any = !out.in.empty() || !out.out.empty();
  violations.Require(any == out.total.empty(), field + "total_column",
                     "give either it, or in_column and out_column");
}

void ReadCalls(const pb::ImportRecipe::Calls& in, const std::string& field, Recipe& out,
               Violations& violations) {
  out.calling = in.calling_column();
  out.called = in.called_column();
  out.answered = in.answer_time_column();
  out.seconds = in.duration_column();
  out.disposition = in.disposition_column();
  out.account_code = in.account_code_column();
  out.direction = in.direction_column();
  out.answered_values = {in.answered_values().begin(), in.answered_values().end()};
  out.swapped_directions = {in.swapped_directions().begin(), in.swapped_directions().end()};
  out.skipped_directions = {in.skipped_directions().begin(), in.skipped_directions().end()};
  out.seconds_per_unit = SecondsPer(in.unit());
  out.clock = in.unit() == pb::ImportRecipe::CLOCK;
  for (const auto& [text, name] :
       {std::pair(&out.calling, "calling_column"), std::pair(&out.called, "called_column"),
        std::pair(&out.answered, "answer_time_column"),
        std::pair(&out.seconds, "duration_column")}) {
    violations.Require(!text->empty(), field + name, "is required");
  }
  violations.Require(out.disposition.empty() == out.answered_values.empty(),
                     field + "answered_values", "belong to disposition_column");
  const bool directed = !out.swapped_directions.empty() || !out.skipped_directions.empty();
  violations.Require(out.direction.empty() != directed, field + "direction_column",
                     "belongs to swapped_directions and skipped_directions");
}

bool IsCode(const std::string& code) {
  return !code.empty() && code.size() <= 50 &&
         code.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
}

}  // namespace

absl::StatusOr<Recipe> ReadRecipe(const pb::ImportRecipe& in, const std::string& field) {
  Violations violations;
  Recipe out;
  violations.Require(IsCode(in.code()), field + "code", "must be 1 to 50 of a-z, 0-9 and _");
  out.source = "recipe/" + in.code();
  const std::string delimiter = in.delimiter() == "tab" ? "\t" : in.delimiter();
  violations.Require(
      delimiter.size() <= 1 && delimiter.find_first_of("\"\r\n") == std::string::npos,
      field + "delimiter", "must be one character, or tab");
  if (!delimiter.empty()) out.delimiter = delimiter[0];
  out.header = !in.no_header();
  out.decimal_comma = in.decimal_comma();
  out.id = in.id_column();
  out.time_format = in.time_format();
  out.digest = Digest;
  if (out.time_format.rfind("unix", 0) == 0) {
    violations.Require(
        out.time_format == "unix" || out.time_format == "unix_ms" || out.time_format == "unix_us",
        field + "time_format", "must be unix, unix_ms, unix_us or a format");
  }
  if (!in.time_zone().empty()) {
    violations.Check(LoadZone(in.time_zone()).status(), field + "time_zone");
  }
  if (in.has_usage()) {
    ReadUsage(in.usage(), field + "usage.", out, violations);
  } else if (in.has_calls()) {
    ReadCalls(in.calls(), field + "calls.", out, violations);
  } else {
    violations.Add(field + "usage", "either it or calls is required");
  }
  if (in.no_header()) {
    for (const std::string* column :
         {&out.id, &out.subject, &out.time, &out.in, &out.out, &out.total, &out.calling,
          &out.called, &out.answered, &out.seconds, &out.disposition, &out.account_code,
          &out.direction}) {
      violations.Require(column->empty() || IsPlace(*column), field + "no_header",
                         "'" + *column + "' must be a place like #3");
    }
  }
  RETURN_IF_ERROR(violations.ToStatus());
  return out;
}

absl::StatusOr<pb::ImportRecipe> LoadRecipe(db::Pool& pool, const std::string& code) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   pool.Exec("SELECT recipe FROM import_recipe WHERE code = $1", code));
  if (rows.empty()) return NotFoundError("NOT_FOUND", "there is no recipe '" + code + "'");
  pb::ImportRecipe out;
  out.ParseFromString(rows.Get<db::Bytes>(0, 0).data);
  return out;
}

absl::StatusOr<pb::ImportRecipe> Recipes::CreateImportRecipe(
    const rpc::Context& context, const pb::CreateImportRecipeRequest& request) {
  RETURN_IF_ERROR(ReadRecipe(request.recipe(), "recipe.").status());
  return convert::Write<pb::ImportRecipe>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::ImportRecipe> {
        pb::ImportRecipe recipe = request.recipe();
        *recipe.mutable_update_time() = convert::ToProto(clock_.Now());
        RETURN_IF_ERROR(tx.Exec("INSERT INTO import_recipe (code, updated_at, recipe) VALUES "
                                "($1, $2, $3) ON CONFLICT (code) DO UPDATE SET updated_at = $2, "
                                "recipe = $3",
                                recipe.code(), clock_.Now(), db::Bytes{recipe.SerializeAsString()})
                            .status());
        return recipe;
      });
}

absl::StatusOr<pb::ListImportRecipesResponse> Recipes::ListImportRecipes(
    const rpc::Context&, const pb::ListImportRecipesRequest& request) {
  ASSIGN_OR_RETURN(const Page page, ReadPage(request));
  ASSIGN_OR_RETURN(const db::Result rows,
                   pool_->Exec("SELECT recipe FROM import_recipe WHERE code > $1 ORDER BY code "
                               "LIMIT $2",
                               page.after, int64_t{page.size} + 1));
  pb::ListImportRecipesResponse response;
  for (int i = 0; i < std::min(rows.size(), page.size); ++i) {
    response.add_recipes()->ParseFromString(rows.Get<db::Bytes>(i, 0).data);
  }
  if (rows.size() > page.size) {
    response.set_next_page_token(convert::MakePageToken(response.recipes(page.size - 1).code()));
  }
  return response;
}

}  // namespace broadbill::rating
