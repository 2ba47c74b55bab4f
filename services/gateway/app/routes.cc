#include "services/gateway/app/routes.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/api/annotations.pb.h"

namespace broadbill::gateway {
namespace {

std::vector<std::string_view> Segments(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    path.remove_prefix(1);  // '/'
    const size_t slash = path.find('/');
    out.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash);
  }
  return out;
}

// "/v1/runs/{run_id}:post" -> {"/v1/runs/{run_id}", ":post"}
std::pair<std::string_view, std::string_view> SplitCustomVerb(std::string_view path) {
  const size_t slash = path.rfind('/');
  const size_t brace = path.rfind('}');
  size_t from = slash == std::string_view::npos ? 0 : slash;
  if (brace != std::string_view::npos && brace > from) from = brace;
  const size_t colon = path.find(':', from);
  if (colon == std::string_view::npos) return {path, ""};
  return {path.substr(0, colon), path.substr(colon)};
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string Route::rpc() const {
  return absl::StrCat(method->service()->full_name(), "/", method->name());
}

std::string PercentDecode(std::string_view text, bool plus_is_blank) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (text[i] == '%' && high >= 0 && low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i] == '+' && plus_is_blank ? ' ' : text[i];
    }
  }
  return out;
}

Routes::Routes(const std::vector<std::string>& services) {
  nodes_.emplace_back();
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  for (const std::string& name : services) {
    const auto* service = pool->FindServiceByName(name);
    if (service == nullptr) continue;
    for (int i = 0; i < service->method_count(); ++i) {
      const auto* method = service->method(i);
      if (!method->options().HasExtension(google::api::http)) continue;
      const google::api::HttpRule& http = method->options().GetExtension(google::api::http);
      const auto add = [&](const google::api::HttpRule& rule) {
        if (!rule.get().empty()) AddRoute(method, "GET", rule.get(), rule.body());
        if (!rule.post().empty()) AddRoute(method, "POST", rule.post(), rule.body());
        if (!rule.patch().empty()) AddRoute(method, "PATCH", rule.patch(), rule.body());
        if (!rule.put().empty()) AddRoute(method, "PUT", rule.put(), rule.body());
        if (!rule.delete_().empty()) AddRoute(method, "DELETE", rule.delete_(), rule.body());
      };
      add(http);
      for (const google::api::HttpRule& more : http.additional_bindings()) add(more);
    }
  }
}

void Routes::AddRoute(const google::protobuf::MethodDescriptor* method, std::string verb,
                      std::string path, std::string body) {
  const auto [plain, custom] = SplitCustomVerb(path);
  size_t node = 0;
  std::vector<std::string> variables;
  for (const std::string_view segment : Segments(plain)) {
    size_t next = 0;
    if (!segment.empty() && segment.front() == '{') {
      variables.emplace_back(segment.substr(1, segment.size() - 2));
      next = nodes_[node].variable;
    } else if (const auto found = nodes_[node].literals.find(segment);
               found != nodes_[node].literals.end()) {
      next = found->second;
    }
    if (next == 0) {
      next = nodes_.size();
      nodes_.emplace_back();
      if (!segment.empty() && segment.front() == '{') {
        nodes_[node].variable = next;
      } else {
        nodes_[node].literals[std::string(segment)] = next;
      }
    }
    node = next;
  }
  nodes_[node].routes[absl::StrCat(verb, " ", std::string(custom))] = routes_.size();
  variables_.push_back(std::move(variables));
  routes_.push_back({std::move(verb), std::move(path), std::move(body), method});
}

Match Routes::Find(std::string_view verb, std::string_view path) const {
  Match match;
  if (path.empty() || path.front() != '/') return match;
  const auto [plain, custom] = SplitCustomVerb(path);
  size_t node = 0;
  std::vector<std::string> values;
  for (const std::string_view segment : Segments(plain)) {
    const auto literal = nodes_[node].literals.find(segment);
    if (literal != nodes_[node].literals.end()) {
      node = literal->second;
    } else if (nodes_[node].variable != 0 && !segment.empty()) {
      node = nodes_[node].variable;
      values.push_back(PercentDecode(segment, false));
    } else {
      return match;
    }
  }
  for (const auto& [key, index] : nodes_[node].routes) {
    const size_t blank = key.find(' ');
    if (std::string_view(key).substr(blank + 1) != custom) continue;
    if (std::string_view(key).substr(0, blank) != verb) {
      match.allowed.push_back(key.substr(0, blank));
      continue;
    }
    match.route = &routes_[index];
    for (size_t i = 0; i < values.size(); ++i) match.fields[variables_[index][i]] = values[i];
  }
  return match;
}

}  // namespace broadbill::gateway
