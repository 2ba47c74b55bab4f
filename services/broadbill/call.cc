#include "services/broadbill/call.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>

#include <iostream>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "broadbill/common/v1/options.pb.h"
#include "google/api/annotations.pb.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/services.h"

namespace broadbill::program {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

std::vector<const ServiceDescriptor*> AllServices() {
  std::vector<const ServiceDescriptor*> out;
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  for (const std::string& name : ProtoServices()) {
    if (const auto* service = pool->FindServiceByName(name); service != nullptr) {
      out.push_back(service);
    }
  }
  return out;
}

std::string HttpPath(const MethodDescriptor& method) {
  const auto& http = method.options().GetExtension(google::api::http);
  if (!http.get().empty()) return "GET " + http.get();
  if (!http.post().empty()) return "POST " + http.post();
  if (!http.patch().empty()) return "PATCH " + http.patch();
  if (!http.put().empty()) return "PUT " + http.put();
  if (!http.delete_().empty()) return "DELETE " + http.delete_();
  return "";
}

absl::StatusOr<const MethodDescriptor*> FindMethod(const std::string& name) {
  for (const ServiceDescriptor* service : AllServices()) {
    for (int i = 0; i < service->method_count(); ++i) {
      const MethodDescriptor* method = service->method(i);
      const std::string full = absl::StrCat(service->full_name(), "/", method->name());
      const bool suffix = full.size() > name.size() &&
                          full.compare(full.size() - name.size(), name.size(), name) == 0 &&
                          (full[full.size() - name.size() - 1] == '.');
      if (full == name || suffix) return method;
    }
  }
  return NotFoundError("METHOD_NOT_FOUND",
                       "no method '" + name + "'; `broadbill call` without arguments lists them");
}

std::string TypeName(const FieldDescriptor& field) {
  std::string type = field.type_name();
  if (field.message_type() != nullptr) type = field.message_type()->name();
  if (field.enum_type() != nullptr) {
    type.clear();
    for (int i = 1; i < field.enum_type()->value_count(); ++i) {
      if (i > 1) type += "|";
      type += field.enum_type()->value(i)->name();
    }
  }
  return field.is_repeated() ? type + "[]" : type;
}

void Describe(const Descriptor& message, int depth, std::string& out) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    absl::StrAppend(&out, std::string(static_cast<size_t>(2 * depth), ' '), field.name(), ": ",
                    TypeName(field), "\n");
    const bool own = field.message_type() != nullptr &&
                     field.message_type()->full_name().rfind("broadbill.", 0) == 0 &&
                     field.message_type()->name() != "Decimal";
    if (own && depth < 3) Describe(*field.message_type(), depth + 1, out);
  }
}

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string out;
  const auto status = google::protobuf::util::MessageToJsonString(message, &out, options);
  return status.ok() ? out : "{}\n";
}

}  // namespace

std::string ListServices() {
  std::string out;
  for (const ServiceDescriptor* service : AllServices()) {
    absl::StrAppend(&out, service->full_name(), "\n");
    for (int i = 0; i < service->method_count(); ++i) {
      const MethodDescriptor& method = *service->method(i);
      const auto& policy = method.options().GetExtension(broadbill::common::v1::method);
      absl::StrAppendFormat(&out, "  %-34s %-58s %s\n", method.name(), HttpPath(method),
                            policy.permission());
    }
  }
  return out;
}

absl::StatusOr<std::string> ResolveMethod(const std::string& name) {
  ASSIGN_OR_RETURN(const MethodDescriptor* method, FindMethod(name));
  return absl::StrCat(method->service()->full_name(), "/", method->name());
}

absl::StatusOr<std::string> DescribeMethod(const std::string& name) {
  ASSIGN_OR_RETURN(const MethodDescriptor* method, FindMethod(name));
  std::string out = absl::StrCat(method->service()->full_name(), "/", method->name(), "  ",
                                 HttpPath(*method), "\n", method->input_type()->name(), "\n");
  Describe(*method->input_type(), 1, out);
  absl::StrAppend(&out, "returns ", method->server_streaming() ? "a stream of " : "",
                  method->output_type()->name(), "\n");
  Describe(*method->output_type(), 1, out);
  return out;
}

absl::Status CallJson(rpc::Channel& channel, const std::string& name, const std::string& json,
                      const rpc::Context& context) {
  ASSIGN_OR_RETURN(const MethodDescriptor* method, FindMethod(name));
  auto* factory = google::protobuf::MessageFactory::generated_factory();
  std::unique_ptr<google::protobuf::Message> request(
      factory->GetPrototype(method->input_type())->New());
  std::unique_ptr<google::protobuf::Message> response(
      factory->GetPrototype(method->output_type())->New());
  const auto parsed =
      google::protobuf::util::JsonStringToMessage(json.empty() ? "{}" : json, request.get());
  if (!parsed.ok()) {
    return InvalidArgumentError("MALFORMED_JSON", std::string(parsed.message()));
  }
  const std::string path = absl::StrCat(method->service()->full_name(), "/", method->name());
  if (method->server_streaming()) {
    return channel.ReadStream(path, *request, *response, context, [&] {
      std::cout << ToJson(*response) << std::flush;
      return true;
    });
  }
  RETURN_IF_ERROR(channel.CallMessage(path, *request, *response, context));
  std::cout << ToJson(*response) << std::flush;
  return absl::OkStatus();
}

}  // namespace broadbill::program
