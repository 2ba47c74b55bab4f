#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "broadbill/common/v1/address.pb.h"
#include "broadbill/common/v1/import_result.pb.h"
#include "broadbill/tax/v1/area.pb.h"
#include "broadbill/tax/v1/calculation.pb.h"
#include "broadbill/tax/v1/exemption.pb.h"
#include "broadbill/tax/v1/rule.pb.h"
#include "libs/calendar/clock.h"
#include "libs/db/pool.h"
#include "libs/rpc/context.h"
#include "services/tax/domain/areas.h"
#include "services/tax/domain/engine.h"
#include "services/tax/store/rows.h"

namespace broadbill::tax {

namespace pb = broadbill::tax::v1;
using ImportResult = broadbill::common::v1::ImportResult;

// Where an address lies.
struct Area {
  std::vector<std::string> codes;  // jurisdictions, sorted
  pb::ResolutionMethod method = pb::RESOLUTION_METHOD_UNSPECIFIED;
  std::string matched, data_version;
  DateInterval valid;
};

// All reference data at one version, ready for calculation; immutable and shared by calls.
class TaxData {
 public:
  // The areas of `before` are taken over when they did not change; it may be nullptr.
  static absl::StatusOr<std::shared_ptr<const TaxData>> Load(db::Tx& tx, const TaxData* before);

  // By ZIP+4, then ZIP5, then city and region, then country. Empty codes: nothing matched.
  Area Resolve(const broadbill::common::v1::Address& address, CivilDay day) const;
  // Rules of an area's jurisdictions, whatever their dates; stable for the life of the data.
  const std::vector<const Rule*>& RulesOf(const std::vector<std::string>& codes) const;

  int64_t version = 0, area_version = 0;
  std::string name;
  std::map<std::string, JurisdictionRow> jurisdictions;
  std::vector<Taxability> taxability;

 private:
  std::vector<std::unique_ptr<Rule>> rules_;
  std::multimap<std::string, const Rule*> by_code_;
  std::shared_ptr<const AreaIndex> areas_;
  mutable absl::Mutex mutex_;
  mutable std::map<std::string, std::unique_ptr<std::vector<const Rule*>>> compiled_
      ABSL_GUARDED_BY(mutex_);
};

class TaxApp {
 public:
  TaxApp(std::shared_ptr<db::Pool> pool, const Clock& clock)
      : pool_(std::move(pool)), clock_(clock) {}

  // import_rates.cc, import_areas.cc
  absl::StatusOr<ImportResult> ImportRates(const rpc::Context&, const pb::ImportRatesRequest&);
  absl::StatusOr<ImportResult> ImportBoundaries(const rpc::Context&,
                                                const pb::ImportBoundariesRequest&);

  // rules.cc
  absl::StatusOr<pb::TaxRule> CreateTaxRule(const rpc::Context&, const pb::CreateTaxRuleRequest&);
  absl::StatusOr<pb::Taxability> SetTaxability(const rpc::Context&,
                                               const pb::SetTaxabilityRequest&);
  absl::StatusOr<pb::Exemption> CreateExemption(const rpc::Context&,
                                                const pb::CreateExemptionRequest&);

  // queries.cc
  absl::StatusOr<pb::ListJurisdictionsResponse> ListJurisdictions(
      const rpc::Context&, const pb::ListJurisdictionsRequest&);
  absl::StatusOr<pb::ListTaxRulesResponse> ListTaxRules(const rpc::Context&,
                                                        const pb::ListTaxRulesRequest&);
  absl::StatusOr<pb::ListExemptionsResponse> ListExemptions(const rpc::Context&,
                                                            const pb::ListExemptionsRequest&);
  absl::StatusOr<pb::ResolveAddressResponse> ResolveAddress(const rpc::Context&,
                                                            const pb::ResolveAddressRequest&);
  absl::StatusOr<pb::BatchCalculateResponse> BatchCalculate(const rpc::Context&,
                                                            const pb::BatchCalculateRequest&);

 private:
  // The data in force now: reloaded when its version in the database rose.
  absl::StatusOr<std::shared_ptr<const TaxData>> Data();

  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
  absl::Mutex mutex_;
  std::shared_ptr<const TaxData> data_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace broadbill::tax
