#include "libs/rpc/service.h"

#include <google/protobuf/descriptor.h>

#include <cstdlib>

#include "libs/rpc/log.h"

namespace broadbill::rpc {
namespace {

[[noreturn]] void Misbound(const std::string& service, const std::string& method,
                           std::string_view why) {
  Log(LogLevel::kError, why, {{"service", service}, {"method", method}});
  std::abort();
}

}  // namespace

Context BackgroundContext(std::string_view service) {
  Context context;
  context.principal = ServicePrincipal(service);
  return context;
}

Service::Service(std::string full_name) : full_name_(std::move(full_name)) {}

internal::Method Service::Describe(const std::string& name, const internal::Message& request,
                                   const internal::Message& response, bool client_streaming,
                                   bool server_streaming) const {
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  const auto* service = pool->FindServiceByName(full_name_);
  if (service == nullptr) Misbound(full_name_, name, "no such proto service is linked");
  const auto* method = service->FindMethodByName(name);
  if (method == nullptr) Misbound(full_name_, name, "the proto service has no such method");
  if (method->input_type() != request.GetDescriptor() ||
      method->output_type() != response.GetDescriptor() ||
      method->server_streaming() != server_streaming ||
      method->client_streaming() != client_streaming) {
    Misbound(full_name_, name, "the bound function does not have the method's types");
  }
  internal::Method out;
  out.name = name;
  out.descriptor = method;
  out.request = &request;
  out.response = &response;
  return out;
}

Service& Service::AddUnary(const std::string& name, const internal::Message& request,
                           const internal::Message& response, internal::UnaryFn fn) {
  internal::Method method = Describe(name, request, response, false, false);
  method.unary = std::move(fn);
  methods_.push_back(std::move(method));
  return *this;
}

Service& Service::AddExchange(const std::string& name, const internal::Message& request,
                              const internal::Message& response, internal::UnaryFn fn) {
  internal::Method method = Describe(name, request, response, true, true);
  method.unary = std::move(fn);
  method.exchange = true;
  methods_.push_back(std::move(method));
  return *this;
}

Service& Service::AddStream(const std::string& name, const internal::Message& request,
                            const internal::Message& response, internal::StreamFn fn) {
  internal::Method method = Describe(name, request, response, false, true);
  method.stream = std::move(fn);
  methods_.push_back(std::move(method));
  return *this;
}

}  // namespace broadbill::rpc
