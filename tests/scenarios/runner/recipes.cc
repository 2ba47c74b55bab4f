#include "tests/scenarios/runner/recipes.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <string>

#include "broadbill/rating/v1/recipes.pb.h"

namespace broadbill::scenarios {
namespace {

namespace rating = broadbill::rating::v1;
using google::protobuf::FieldDescriptor;

// The field of that name, or of that name's column; false without one.
bool Set(google::protobuf::Message& message, const std::string& name, const std::string& value) {
  const auto* descriptor = message.GetDescriptor();
  const auto* reflection = message.GetReflection();
  const FieldDescriptor* field = descriptor->FindFieldByName(name);
  if (field == nullptr) field = descriptor->FindFieldByName(name + "_column");
  if (field == nullptr) return false;
  if (field->type() == FieldDescriptor::TYPE_BOOL) {
    reflection->SetBool(&message, field, value == "yes");
  } else if (field->type() == FieldDescriptor::TYPE_ENUM) {
    const auto* unit = field->enum_type()->FindValueByName(value);
    if (unit == nullptr) return false;
    reflection->SetEnum(&message, field, unit);
  } else if (field->type() != FieldDescriptor::TYPE_STRING) {
    return false;
  } else if (field->is_repeated()) {
    reflection->AddString(&message, field, value);
  } else {
    reflection->SetString(&message, field, value);
  }
  return true;
}

}  // namespace

absl::Status MakeRecipe(World& world, Reader& r) {
  rating::CreateImportRecipeRequest request;
  rating::ImportRecipe* recipe = request.mutable_recipe();
  ASSIGN_OR_RETURN(*recipe->mutable_code(), r.Next("a code"));
  ASSIGN_OR_RETURN(const std::string kind, r.Next("usage or calls"));
  google::protobuf::Message* columns = recipe->mutable_usage();
  if (kind == "calls") columns = recipe->mutable_calls();
  bool refused = false;
  std::string why;
  while (!r.done()) {
    ASSIGN_OR_RETURN(const std::string word, r.Next("field=value"));
    const size_t equals = word.find('=');
    if (word == "refused") {
      refused = true;
      if (!r.done()) why = r.Next("why").value_or("");
      continue;
    }
    const std::string name = word.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (!Set(*recipe, name, value) && !Set(*columns, name, value)) {
      return InvalidArgumentError("SYNTAX", "unknown field '" + word + "'");
    }
  }
  const absl::Status made =
      world.Call<rating::ImportRecipe>("broadbill.rating.v1.Rating/CreateImportRecipe", request)
          .status();
  if (!refused) return made;
  if (made.ok()) return InvalidArgumentError("EXPECTED", "the recipe was kept");
  if (std::string(made.message()).find(why) != std::string::npos) return absl::OkStatus();
  return made;
}

}  // namespace broadbill::scenarios
