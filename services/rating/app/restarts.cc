#include "services/rating/app/restarts.h"

#include <algorithm>
#include <set>

#include "libs/status/macros.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {
namespace {

// Names that may be the access server's: names have strokes too.
template <class Visit>
void EachName(const std::string& session_id, const Visit& visit) {
  for (size_t at = session_id.find('/'); at != std::string::npos;
       at = session_id.find('/', at + 1)) {
    visit(session_id.substr(0, at));
  }
}

}  // namespace

absl::StatusOr<Restarts> Restarts::Load(db::Tx& tx, const std::vector<std::string>& session_ids) {
  std::set<std::string> names;
  for (const std::string& id : session_ids) {
    EachName(id, [&](std::string name) { names.insert(std::move(name)); });
  }
  Restarts out;
  if (names.empty()) return out;
  ASSIGN_OR_RETURN(const std::vector<RestartRow> rows,
                   db::Select<RestartRow>(tx, "WHERE nas = ANY($1) ORDER BY at",
                                          std::vector<std::string>(names.begin(), names.end())));
  for (const RestartRow& row : rows) out.by_nas_[row.nas].push_back(row.at);
  return out;
}

std::vector<absl::Time> Restarts::Of(const std::string& session_id) const {
  std::vector<absl::Time> out;
  EachName(session_id, [&](const std::string& name) {
    const auto found = by_nas_.find(name);
    if (found != by_nas_.end()) out.insert(out.end(), found->second.begin(), found->second.end());
  });
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace broadbill::rating
