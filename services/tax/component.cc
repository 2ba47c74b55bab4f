#include "services/tax/component.h"

#include "libs/status/macros.h"
#include "services/tax/app/tax_app.h"
#include "services/tax/migrations.h"

namespace broadbill::tax {

absl::Status Register(rpc::Host& host) {
  ASSIGN_OR_RETURN(auto pool, db::OpenPool(host.DatabaseUrl("tax"), "tax", Migrations()));
  TaxApp* app = host.Own(std::make_unique<TaxApp>(pool, host.clock()));
  rpc::Service service("broadbill.tax.v1.Tax");
  service.Unary("ImportRates", app, &TaxApp::ImportRates)
      .Unary("ImportBoundaries", app, &TaxApp::ImportBoundaries)
      .Unary("CreateTaxRule", app, &TaxApp::CreateTaxRule)
      .Unary("SetTaxability", app, &TaxApp::SetTaxability)
      .Unary("CreateExemption", app, &TaxApp::CreateExemption)
      .Unary("ListJurisdictions", app, &TaxApp::ListJurisdictions)
      .Unary("ListTaxRules", app, &TaxApp::ListTaxRules)
      .Unary("ListExemptions", app, &TaxApp::ListExemptions)
      .Unary("ResolveAddress", app, &TaxApp::ResolveAddress)
      .Unary("BatchCalculate", app, &TaxApp::BatchCalculate);
  host.Add(std::move(service));
  return absl::OkStatus();
}

}  // namespace broadbill::tax
