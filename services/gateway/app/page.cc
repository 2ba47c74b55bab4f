#include "services/gateway/app/page.h"

#include <google/protobuf/descriptor.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace broadbill::gateway {
namespace {

constexpr char kHead[] = R"(<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>Broadbill</title><style>
:root{color-scheme:light dark;--ink:#1c2530;--muted:#5b6672;--accent:#0b5c7a;--line:#d9e0e5;--bg:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e8edf1;--muted:#9aa7b3;--accent:#66c2e0;--line:#2f3b46;--bg:#12181e}}
body{font:16px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--bg);max-width:60rem;margin:0 auto;padding:2.5rem 1.25rem}
h1{font-size:1.9rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .4rem;color:var(--accent)}
p{margin:.4rem 0;color:var(--muted)}a{color:var(--accent)}code,pre{font:13px/1.5 ui-monospace,monospace}
pre{border:1px solid var(--line);border-radius:.5rem;padding:.8rem;overflow:auto}
table{border-collapse:collapse;width:100%}td{border-top:1px solid var(--line);padding:.25rem .6rem .25rem 0;font:13px/1.5 ui-monospace,monospace;vertical-align:top}
td:first-child{width:4.5rem;color:var(--muted)}td:last-child{color:var(--muted);text-align:right}
</style></head><body>)";

std::string Escape(const std::string& text) {
  return absl::StrReplaceAll(text,
                             {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

}  // namespace

std::string HomePage(const Routes& routes, const std::string& version) {
  std::map<std::string, std::string> tables;
  for (const Route& route : routes.all()) {
    absl::StrAppend(&tables[route.method->service()->name()], "<tr><td>", route.verb, "</td><td>",
                    Escape(route.path), "</td><td>", Escape(route.method->name()), "</td></tr>");
  }
  std::string out = kHead;
  absl::StrAppend(
      &out, "<h1>Broadbill</h1><p>ISP billing suite, version ", Escape(version),
      ". Every method of every service is here as HTTP/JSON and, on the services' ports, as gRPC."
      "</p><h2>Start here</h2><p><a href=\"/v1/openapi.json\">OpenAPI 3.1 description</a> · "
      "<a href=\"/healthz\">health</a> · <a href=\"/readyz\">readiness</a> · "
      "<a href=\"/metrics\">metrics</a></p><pre>curl -H \"Authorization: Bearer $BROADBILL_KEY\" "
      "http://localhost:8080/v1/accounts</pre><p>Keys are made by <code>broadbill apikey create"
      "</code> or <code>POST /v1/api_keys</code>. Errors are <code>application/problem+json</code> "
      "with a reason and a trace id; repeat a write safely with an <code>Idempotency-Key</code>."
      "</p>");
  for (const auto& [service, table] : tables) {
    absl::StrAppend(&out, "<h2>", Escape(service), "</h2><table>", table, "</table>");
  }
  return out + "</body></html>";
}

}  // namespace broadbill::gateway
