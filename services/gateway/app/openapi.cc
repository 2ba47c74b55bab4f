#include "services/gateway/app/openapi.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <map>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "broadbill/common/v1/options.pb.h"
#include "libs/rpc/log.h"

namespace broadbill::gateway {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::MethodDescriptor;
using rpc::JsonEscape;

std::string Quote(const std::string& text) { return "\"" + JsonEscape(text) + "\""; }

class Writer {
 public:
  Writer(const Routes& routes, const std::string& protoset) : routes_(routes) {
    google::protobuf::FileDescriptorSet files;
    if (protoset.empty() || !files.ParseFromString(protoset)) return;
    for (const auto& file : files.file()) commented_.BuildFile(file);
  }

  std::string Write() {
    std::map<std::string, std::string> paths;
    for (const Route& route : routes_.all()) {
      std::string& path = paths[route.path];
      absl::StrAppend(&path, path.empty() ? "" : ",", Operation(route));
    }
    std::string out =
        R"({"openapi":"3.1.0","info":{"title":"Broadbill","version":"1","description":)"
        R"("ISP billing: accounts, rating, tax, invoicing, payments, notification, reporting."},)"
        R"("security":[{"apiKey":[]}],"paths":{)";
    bool first = true;
    for (const auto& [path, operations] : paths) {
      absl::StrAppend(&out, first ? "" : ",", Quote(path), ":{", operations, "}");
      first = false;
    }
    out += R"(},"components":{"securitySchemes":{"apiKey":{"type":"http","scheme":"bearer"}},)"
           R"("schemas":{)";
    out += Schemas();
    out += "}}}";
    return out;
  }

 private:
  // The comment in front of an element, from the pool that has source info.
  template <class D>
  std::string Comment(const D* commented) const {
    google::protobuf::SourceLocation location;
    if (commented == nullptr || !commented->GetSourceLocation(&location)) return "";
    std::string text = location.leading_comments;
    if (text.empty()) text = location.trailing_comments;
    absl::StripAsciiWhitespace(&text);
    return absl::StrReplaceAll(text, {{"\n ", "\n"}});
  }
  std::string MethodComment(const MethodDescriptor* method) const {
    return Comment(commented_.FindMethodByName(method->full_name()));
  }
  std::string FieldComment(const FieldDescriptor* field) const {
    const Descriptor* message =
        commented_.FindMessageTypeByName(field->containing_type()->full_name());
    return message == nullptr ? "" : Comment(message->FindFieldByName(field->name()));
  }

  std::string Ref(const std::string& full_name) {
    return "{\"$ref\":" + Quote("#/components/schemas/" + full_name) + "}";
  }

  std::string Type(const FieldDescriptor* field) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        return R"({"type":"boolean"})";
      case FieldDescriptor::CPPTYPE_INT32:
        return R"({"type":"integer","format":"int32"})";
      case FieldDescriptor::CPPTYPE_UINT32:
        return R"({"type":"integer","format":"uint32","minimum":0})";
      case FieldDescriptor::CPPTYPE_INT64:
        return R"({"type":"string","format":"int64"})";
      case FieldDescriptor::CPPTYPE_UINT64:
        return R"({"type":"string","format":"uint64"})";
      case FieldDescriptor::CPPTYPE_FLOAT:
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return R"({"type":"number"})";
      case FieldDescriptor::CPPTYPE_STRING:
        return field->type() == FieldDescriptor::TYPE_BYTES
                   ? R"({"type":"string","contentEncoding":"base64"})"
                   : R"({"type":"string"})";
      case FieldDescriptor::CPPTYPE_ENUM:
        return Enum(field->enum_type());
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return MessageType(field->message_type());
    }
    return "{}";
  }

  std::string Enum(const EnumDescriptor* type) {
    std::string out = R"({"type":"string","enum":[)";
    for (int i = 0; i < type->value_count(); ++i) {
      absl::StrAppend(&out, i == 0 ? "" : ",", Quote(type->value(i)->name()));
    }
    return out + "]}";
  }

  std::string MessageType(const Descriptor* type) {
    const std::string& name = type->full_name();
    if (name == "google.protobuf.Timestamp") return R"({"type":"string","format":"date-time"})";
    if (name == "google.protobuf.Duration") return R"({"type":"string"})";
    if (name == "google.protobuf.FieldMask") return R"({"type":"string"})";
    if (name == "google.protobuf.Struct") return R"({"type":"object"})";
    if (used_.insert(type).second) pending_.push_back(type);
    return Ref(name);
  }

  std::string FieldSchema(const FieldDescriptor* field) {
    if (field->is_map()) {
      return "{\"type\":\"object\",\"additionalProperties\":" +
             Type(field->message_type()->FindFieldByName("value")) + "}";
    }
    if (field->is_repeated()) return "{\"type\":\"array\",\"items\":" + Type(field) + "}";
    return Type(field);
  }

  // A schema with its description beside it; in 3.1 a $ref may have siblings.
  std::string DescribedSchema(const FieldDescriptor* field) {
    std::string schema = FieldSchema(field);
    const std::string comment = FieldComment(field);
    if (comment.empty()) return schema;
    schema.pop_back();
    return absl::StrCat(schema, ",\"description\":", Quote(comment), "}");
  }

  std::string Schemas() {
    std::map<std::string, std::string> schemas;
    while (!pending_.empty()) {
      const Descriptor* type = pending_.back();
      pending_.pop_back();
      std::string out = "{\"type\":\"object\",\"additionalProperties\":false";
      const std::string comment = Comment(commented_.FindMessageTypeByName(type->full_name()));
      if (!comment.empty()) absl::StrAppend(&out, ",\"description\":", Quote(comment));
      out += ",\"properties\":{";
      for (int i = 0; i < type->field_count(); ++i) {
        absl::StrAppend(&out, i == 0 ? "" : ",", Quote(type->field(i)->name()), ":",
                        DescribedSchema(type->field(i)));
      }
      schemas[type->full_name()] = out + "}}";
    }
    schemas["Problem"] =
        R"({"type":"object","description":"RFC 9457 problem details","properties":{)"
        R"("type":{"type":"string"},"title":{"type":"string"},"status":{"type":"integer"},)"
        R"("detail":{"type":"string"},"instance":{"type":"string"},"reason":{"type":"string"},)"
        R"("trace_id":{"type":"string"},"errors":{"type":"array","items":{"type":"object",)"
        R"("properties":{"field":{"type":"string"},"description":{"type":"string"}}}}}})";
    std::string out;
    for (const auto& [name, schema] : schemas) {
      absl::StrAppend(&out, out.empty() ? "" : ",", Quote(name), ":", schema);
    }
    return out;
  }

  static std::vector<std::string> PathVariables(const std::string& path) {
    std::vector<std::string> out;
    for (size_t open = path.find('{'); open != std::string::npos; open = path.find('{', open + 1)) {
      out.push_back(path.substr(open + 1, path.find('}', open) - open - 1));
    }
    return out;
  }

  void AddParameter(const std::string& name, const char* in, const std::string& schema,
                    const std::string& comment, std::string& out) {
    absl::StrAppend(&out, out.empty() ? "" : ",", "{\"name\":", Quote(name), ",\"in\":\"", in, "\"",
                    in[0] == 'p' ? ",\"required\":true" : "", ",\"schema\":", schema);
    if (!comment.empty()) absl::StrAppend(&out, ",\"description\":", Quote(comment));
    out += "}";
  }

  std::string Parameters(const Route& route) {
    std::string out;
    std::set<std::string> in_path;
    const Descriptor* input = route.method->input_type();
    for (const std::string& name : PathVariables(route.path)) {
      in_path.insert(name);
      const FieldDescriptor* field = input->FindFieldByName(name);
      AddParameter(name, "path", R"({"type":"string"})",
                   field == nullptr ? "" : FieldComment(field), out);
    }
    if (route.body == "*") return out;
    for (int i = 0; i < input->field_count(); ++i) {
      const FieldDescriptor* field = input->field(i);
      const bool date = field->message_type() != nullptr &&
                        field->message_type()->full_name() == "google.type.Date";
      const bool skipped = in_path.count(field->name()) > 0 || field->name() == route.body ||
                           (field->message_type() != nullptr && field->is_repeated());
      if (skipped) continue;
      AddParameter(field->name(), "query",
                   date ? R"({"type":"string","format":"date"})" : FieldSchema(field),
                   FieldComment(field), out);
    }
    return out;
  }

  std::string RequestBody(const Route& route) {
    if (route.body.empty()) return "";
    const Descriptor* input = route.method->input_type();
    const FieldDescriptor* field = input->FindFieldByName(route.body);
    const bool raw = field != nullptr && field->message_type() != nullptr &&
                     field->message_type()->full_name() == "google.api.HttpBody";
    if (raw) return ",\"requestBody\":{\"required\":true,\"content\":{\"*/*\":{}}}";
    const std::string schema = field == nullptr ? MessageType(input) : FieldSchema(field);
    return ",\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{\"schema\":" +
           schema + "}}}";
  }

  std::string Operation(const Route& route) {
    const MethodDescriptor* method = route.method;
    const auto& policy = method->options().GetExtension(broadbill::common::v1::method);
    std::string verb = route.verb;
    absl::AsciiStrToLower(&verb);
    const std::string comment = MethodComment(method);
    const std::string summary = comment.substr(0, comment.find('\n'));
    std::string out = absl::StrCat(
        Quote(verb), ":{\"operationId\":", Quote(method->service()->name() + "_" + method->name()),
        ",\"tags\":[", Quote(method->service()->name()), "],\"summary\":", Quote(summary));
    if (!comment.empty()) absl::StrAppend(&out, ",\"description\":", Quote(comment));
    if (policy.public_()) out += ",\"security\":[]";
    absl::StrAppend(&out, ",\"x-permission\":", Quote(policy.permission()), ",\"parameters\":[",
                    Parameters(route), "]", RequestBody(route), ",\"responses\":{\"200\":{",
                    "\"description\":\"OK\",\"content\":{",
                    method->server_streaming() ? "\"text/event-stream\"" : "\"application/json\"",
                    ":{\"schema\":", MessageType(method->output_type()),
                    "}}},\"default\":{\"description\":\"Problem\",\"content\":{",
                    "\"application/problem+json\":{\"schema\":", Ref("Problem"), "}}}}}");
    return out;
  }

  const Routes& routes_;
  google::protobuf::DescriptorPool commented_;
  std::set<const Descriptor*> used_;
  std::vector<const Descriptor*> pending_;
};

}  // namespace

std::string MakeOpenApi(const Routes& routes, const std::string& protoset) {
  return Writer(routes, protoset).Write();
}

}  // namespace broadbill::gateway
