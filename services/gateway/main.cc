#include <iostream>

#include "libs/serve/serve.h"
#include "services/gateway/component.h"

int main(int argc, char** argv) {
  using broadbill::rpc::Host;
  return broadbill::serve::Main(argc, argv,
                                {"gateway",
                                 [](Host& host) {
                                   const auto& settings = host.options().settings;
                                   broadbill::gateway::GatewayOptions options;
                                   const auto listen = settings.find("gateway-listen");
                                   if (listen != settings.end()) options.listen = listen->second;
                                   const auto file = settings.find("admin-key-file");
                                   if (file != settings.end())
                                     options.admin_key_file = file->second;
                                   return broadbill::gateway::Register(host, options);
                                 },
                                 [](Host& host) {
                                   const auto port = broadbill::gateway::StartHttp(host);
                                   if (port.ok())
                                     std::cout << "HTTP http://127.0.0.1:" << *port << "/\n"
                                               << std::flush;
                                   return port.status();
                                 },
                                 &broadbill::gateway::StopHttp});
}
