// The same over the real services and PostgreSQL: many accounts live random lives side by side,
// entered through the public RPCs; runs of random dates draft or post, some drafts are voided, some
// posted lines credited by hand. In the end what each item was billed is what a single run bills
// it.
//
//   broadbill_service_properties [--histories 100] [--rounds 8] [--seed N]

#include <algorithm>
#include <cstdio>
#include <map>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "broadbill/accounts/v1/account.pb.h"
#include "broadbill/accounts/v1/snapshot.pb.h"
#include "broadbill/accounts/v1/subscription.pb.h"
#include "broadbill/invoicing/v1/bill_run.pb.h"
#include "broadbill/invoicing/v1/document.pb.h"
#include "libs/convert/convert.h"
#include "libs/db/pool.h"
#include "libs/rpc/host.h"
#include "libs/serve/args.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/imports.h"
#include "services/invoicing/app/clients/snapshots.h"
#include "tests/faults/state.h"
#include "tests/scenarios/runner/world.h"

namespace broadbill::properties {
namespace {

namespace accounts = broadbill::accounts::v1;
namespace pb = broadbill::invoicing::v1;

constexpr CivilDay kBegin(2026, 1, 1);
// Corrections may wait up to a month for the next cycle invoice: the last runs are one a day.
constexpr CivilDay kQuiet(2026, 12, 15);
constexpr CivilDay kEnd(2027, 1, 16);

class Lives {
 public:
  Lives(int64_t count, uint64_t seed) : count_(count), random_(seed) {
    db::Pool::Options options;
    options.url = world_.database_url();
    options.application = "properties";
    options.size_max = 2;
    pool_ = std::make_shared<db::Pool>(options);
    world_.SetClock(kBegin);
  }

  absl::Status Run(int64_t rounds) {
    RETURN_IF_ERROR(Load());
    for (int64_t round = 0; round < rounds; ++round) {
      for (auto& [item, account] : items_) {
        if (Pick(0, 1) == 0) Change(item, account);
      }
      RETURN_IF_ERROR(world_.Settle());
      const CivilDay as_of = kBegin + Pick(0, 300);
      const bool post = Pick(0, 1) == 0;
      RETURN_IF_ERROR(Bill(as_of, post ? pb::BillRun::POST : pb::BillRun::DRAFT));
      RETURN_IF_ERROR(post ? CreditSome() : VoidSome());
      RETURN_IF_ERROR(Check(absl::StrCat("round ", round)));
    }
    for (CivilDay day = kQuiet; day <= kEnd; ++day) {
      RETURN_IF_ERROR(Bill(day, pb::BillRun::POST));
    }
    ASSIGN_OR_RETURN(const int64_t before, Documents());
    RETURN_IF_ERROR(Bill(kEnd, pb::BillRun::POST));
    ASSIGN_OR_RETURN(const int64_t after, Documents());
    if (after != before) return InternalError("TWICE", "a second run makes documents");
    RETURN_IF_ERROR(Check("the end"));
    return Compare();
  }

  std::string Summary() const {
    return absl::StrCat(changes_, " changes, ", refused_, " refused, ", voided_, " drafts voided, ",
                        credited_.size(), " lines credited by hand, ", compared_,
                        " items compared");
  }

 private:
  int Pick(int low, int high) {
    return low + static_cast<int>(random_() % static_cast<uint64_t>(high - low + 1));
  }

  absl::Status Import(const std::string& kind, const std::string& content) {
    const std::string method = program::ImportKinds().at(kind).method;
    const size_t from = method.find('.') + 1;
    ASSIGN_OR_RETURN(
        const auto result,
        program::RunImport(*world_.Channel(method.substr(from, method.find('.', from) - from)),
                           world_.context(), kind, kind, content, {}));
    if (result.rows_read() > 0 && result.rows_refused() == 0) return absl::OkStatus();
    return FailedPreconditionError("IMPORT", kind + ": " + result.ShortDebugString());
  }

  absl::Status Load() {
    RETURN_IF_ERROR(
        Import("tax-areas", "country,region,postal_code,jurisdictions\nUS,MN,55401,US-27\n"));
    RETURN_IF_ERROR(Import("plans",
                           "code,name,tax_class,account_code,price,months,timing,suspension\n"
                           "home,Home,internet_access,4000,49.99,1,ADVANCE,STOP\n"
                           "fast,Fast,internet_access,4000,79.99,1,ADVANCE,STOP\n"
                           "year,Year,internet_access,4000,599.88,12,ADVANCE,STOP\n"
                           "late,Late,internet_access,4000,30,1,ARREARS,STOP\n"));
    std::string people = "account_number,name,cycle_day,city,region,postal_code,country\n";
    std::string subscriptions = "account_number,plan,start_date\n";
    static constexpr const char* kPlans[] = {"home", "fast", "year", "late"};
    for (int64_t i = 0; i < count_; ++i) {
      const std::string number = absl::StrFormat("P%05d", i);
      absl::StrAppend(&people, number, ",Person ", i, ",", Pick(1, 31),
                      ",Minneapolis,MN,55401,US\n");
      absl::StrAppend(&subscriptions, number, ",", kPlans[Pick(0, 3)], ",",
                      FormatDate(kBegin + Pick(0, 60)), "\n");
    }
    RETURN_IF_ERROR(Import("accounts", people));
    RETURN_IF_ERROR(Import("subscriptions", subscriptions));
    ASSIGN_OR_RETURN(const db::Result rows,
                     pool_->Exec("SELECT subscription_id, account_id FROM accounts.subscription "
                                 "JOIN accounts.account USING (account_id) ORDER BY "
                                 "account_number"));
    for (int i = 0; i < rows.size(); ++i) {
      items_.emplace_back(rows.Get<Uuid>(i, 0), rows.Get<Uuid>(i, 1));
    }
    return world_.Settle();
  }

  // What accounts refuses (a change after the end, a resumption of what runs) has not happened.
  void Count(const absl::Status& status) { ++(status.ok() ? changes_ : refused_); }

  void Change(const Uuid& item, const Uuid& account) {
    const CivilDay day = kBegin + Pick(0, 330);
    const int dice = Pick(0, 9);
    if (dice == 0) {
      accounts::CreateDiscountRequest request;
      request.set_account_id(account.ToText("acc"));
      auto* discount = request.mutable_discount();
      discount->set_subscription_id(item.ToText("sub"));
      discount->set_label(absl::StrCat("Off ", changes_));
      (Pick(0, 1) == 0 ? discount->mutable_percent() : discount->mutable_amount())
          ->set_value("12.5");
      *discount->mutable_from_date() = convert::ToProto(day);
      if (Pick(0, 1) == 0) *discount->mutable_to_date() = convert::ToProto(day + Pick(1, 90));
      return Count(
          world_.Call<accounts::Discount>("broadbill.accounts.v1.Accounts/CreateDiscount", request)
              .status());
    }
    if (dice == 1) {
      accounts::ChangeCycleDayRequest request;
      request.set_account_id(account.ToText("acc"));
      request.set_cycle_day(Pick(1, 31));
      *request.mutable_effective_date() = convert::ToProto(day);
      return Count(
          world_.Call<accounts::Account>("broadbill.accounts.v1.Accounts/ChangeCycleDay", request)
              .status());
    }
    accounts::CreateSubscriptionChangeRequest request;
    request.set_subscription_id(item.ToText("sub"));
    auto* change = request.mutable_change();
    *change->mutable_effective_date() = convert::ToProto(day);
    static constexpr const char* kPlans[] = {"home", "fast", "year", "late"};
    if (dice < 4) {
      change->mutable_plan()->set_plan_id(kPlans[Pick(0, 3)]);
      change->mutable_plan()->set_when(accounts::ChangePlan::ON_DATE);
    } else if (dice == 4) {
      change->mutable_quantity()->mutable_quantity()->set_value(absl::StrCat(Pick(1, 3)));
    } else if (dice == 5) {
      change->mutable_price()->mutable_amount()->set_value(absl::StrCat(Pick(20, 90), ".95"));
      change->mutable_price()->set_reason("agreed");
    } else if (dice < 8) {
      change->mutable_suspend()->set_reason("asked for");
    } else if (dice == 8) {
      change->mutable_resume();
    } else {
      change->mutable_cancel()->set_reason("moved away");
    }
    Count(world_
              .Call<accounts::Subscription>(
                  "broadbill.accounts.v1.Accounts/CreateSubscriptionChange", request)
              .status());
  }

  absl::Status Bill(CivilDay as_of, pb::BillRun::Mode mode) {
    world_.SetClock(std::max(world_.today(), as_of));
    pb::CreateBillRunRequest request;
    *request.mutable_as_of() = convert::ToProto(as_of);
    request.set_mode(mode);
    ASSIGN_OR_RETURN(
        pb::BillRun run,
        world_.Call<pb::BillRun>("broadbill.invoicing.v1.Invoicing/CreateBillRun", request));
    pb::GetBillRunRequest get;
    get.set_bill_run_id(run.bill_run_id());
    while (run.state() != pb::BillRun::DONE && run.state() != pb::BillRun::DRAFTED) {
      absl::SleepFor(absl::Milliseconds(10));
      ASSIGN_OR_RETURN(
          run, world_.Call<pb::BillRun>("broadbill.invoicing.v1.Invoicing/GetBillRun", get));
    }
    if (run.progress().exceptions() > 0) {
      ASSIGN_OR_RETURN(const db::Result rows,
                       pool_->Exec("SELECT message FROM invoicing.run_exception LIMIT 1"));
      return InternalError("EXCEPTION", rows.Get<std::string>(0, 0));
    }
    return world_.Settle();
  }

  absl::StatusOr<int64_t> Documents() {
    ASSIGN_OR_RETURN(const db::Result rows, pool_->Exec("SELECT count(*) FROM invoicing.document"));
    return rows.Get<int64_t>(0, 0);
  }

  // Half of the drafts, the newest first, so that none is superseded; the others are posted.
  absl::Status VoidSome() {
    ASSIGN_OR_RETURN(
        const db::Result rows,
        pool_->Exec("SELECT document_id FROM invoicing.document d WHERE NOT EXISTS (SELECT FROM "
                    "invoicing.posting p WHERE p.document_id = d.document_id) AND NOT EXISTS "
                    "(SELECT FROM invoicing.voiding v WHERE v.document_id = d.document_id) "
                    "ORDER BY document_id DESC"));
    for (int i = 0; i < rows.size(); ++i) {
      const std::string id = rows.Get<Uuid>(i, 0).ToText("doc");
      if (Pick(0, 1) == 0) {
        pb::VoidDocumentRequest request;
        request.set_document_id(id);
        request.set_reason("a mistake");
        RETURN_IF_ERROR(
            world_.Call<pb::Document>("broadbill.invoicing.v1.Invoicing/VoidDocument", request)
                .status());
        ++voided_;
      } else {
        pb::PostDocumentRequest request;
        request.set_document_id(id);
        RETURN_IF_ERROR(
            world_.Call<pb::Document>("broadbill.invoicing.v1.Invoicing/PostDocument", request)
                .status());
      }
    }
    return world_.Settle();
  }

  // A part of a few lines: lowers what unused days can still give back.
  absl::Status CreditSome() {
    ASSIGN_OR_RETURN(
        const db::Result rows,
        pool_->Exec("SELECT l.document_id, l.line_id, l.item_id FROM invoicing.line l JOIN "
                    "invoicing.document d USING (account_id, document_id) WHERE l.kind = 1 AND "
                    "d.kind = 1 AND l.amount > 500 AND EXISTS (SELECT FROM invoicing.posting p "
                    "WHERE p.document_id = l.document_id) ORDER BY l.line_id"));
    for (int i = 0; i < 3 && rows.size() > 0; ++i) {
      const int row = Pick(0, rows.size() - 1);
      pb::CreateCreditNoteRequest request;
      request.set_document_id(rows.Get<Uuid>(row, 0).ToText("doc"));
      request.set_reason("goodwill");
      request.set_post(true);
      auto* line = request.add_lines();
      line->set_line_id(rows.Get<Uuid>(row, 1).ToText("lin"));
      *line->mutable_amount() = convert::ToMoney(Pick(1, 500), "USD");
      // Refused when less is left of it.
      if (world_.Call<pb::Document>("broadbill.invoicing.v1.Invoicing/CreateCreditNote", request)
              .ok()) {
        ++credited_[rows.Get<Uuid>(row, 2)];
      }
    }
    return world_.Settle();
  }

  absl::Status Check(const std::string& when) {
    ASSIGN_OR_RETURN(std::vector<std::string> broken, faults::BrokenInvariants(*pool_));
    // A credit by hand names the days of its line and takes none of them away; drafts of the mode
    // DRAFT are told as well.
    const auto other = [&](const std::string& one) {
      return (!credited_.empty() && absl::StartsWith(one, "an item's covered days")) ||
             absl::StartsWith(one, "another number of events");
    };
    broken.erase(std::remove_if(broken.begin(), broken.end(), other), broken.end());
    static constexpr std::pair<const char*, const char*> kMore[] = {
        {"an open amount below zero", "SELECT 1 FROM payments.item WHERE open < 0"},
        {"a credit below zero", "SELECT 1 FROM payments.credit WHERE unapplied < 0"},
        {"a line below its credits",
         "SELECT l.line_id FROM invoicing.line l JOIN invoicing.line c ON c.account_id = "
         "l.account_id AND c.corrects_line_id = l.line_id LEFT JOIN invoicing.line f ON "
         "f.account_id = l.account_id AND f.document_id = l.document_id AND f.parent_line_id = "
         "l.line_id WHERE l.kind = 1 AND NOT EXISTS (SELECT FROM invoicing.voiding v WHERE "
         "v.document_id IN (c.document_id, l.document_id)) AND c.kind = 7 GROUP BY l.line_id, "
         "l.amount HAVING l.amount + sum(c.amount) / count(DISTINCT coalesce(f.line_id, "
         "l.line_id)) < 0"}};
    for (const auto& [name, sql] : kMore) {
      ASSIGN_OR_RETURN(const db::Result rows, pool_->Exec(std::string(sql)));
      if (!rows.empty()) broken.push_back(absl::StrCat(name, ": ", rows.size(), " cases"));
    }
    if (broken.empty()) return absl::OkStatus();
    return InternalError("BROKEN", when + ": " + broken.front());
  }

  // What each item's documents say against one run over its final state.
  absl::Status Compare() {
    ASSIGN_OR_RETURN(
        const db::Result rows,
        pool_->Exec("SELECT l.item_id, sum(l.amount)::int8 FROM invoicing.line l WHERE l.item_id "
                    "IS NOT NULL AND NOT EXISTS (SELECT FROM invoicing.voiding v WHERE "
                    "v.document_id = l.document_id) GROUP BY 1"));
    std::map<Uuid, int64_t> billed;
    for (int i = 0; i < rows.size(); ++i) billed[rows.Get<Uuid>(i, 0)] = rows.Get<int64_t>(i, 1);
    std::vector<Uuid> ids;
    for (const auto& [item, account] : items_) ids.push_back(account);
    ASSIGN_OR_RETURN(const auto snapshots,
                     invoicing::FetchSnapshots(*world_.Channel("accounts"), ids, {}));
    for (const auto& snapshot : snapshots.snapshots()) {
      for (const auto& in : snapshot.items()) {
        const invoicing::Item item = invoicing::ToItem(in);
        if (credited_.count(item.item_id) > 0) continue;
        ASSIGN_OR_RETURN(const auto bill,
                         invoicing::BillItem(item, invoicing::ToSchedules(snapshot), {}, kEnd,
                                             snapshot.bill_ahead_days(), 2));
        int64_t once = 0;
        for (const invoicing::Line& line : bill.lines) once += line.amount;
        ++compared_;
        if (once == billed[item.item_id]) continue;
        RETURN_IF_ERROR(Show(item.item_id));
        for (const invoicing::Line& line : bill.lines) {
          std::printf("  once: %s %lld\n", line.days.ToString().c_str(),
                      static_cast<long long>(line.amount));
        }
        return InternalError("BILLED",
                             absl::StrCat("account ", snapshot.account_number(), " was billed ",
                                          billed[item.item_id], ", a single run bills ", once, "\n",
                                          in.ShortDebugString()));
      }
    }
    return absl::OkStatus();
  }

  // The lines of an item, for the one who looks for the reason.
  absl::Status Show(const Uuid& item) {
    ASSIGN_OR_RETURN(
        const db::Result rows,
        pool_->Exec("SELECT concat_ws(' ', d.as_of, l.kind, l.start_date, l.end_date, l.amount, "
                    "l.derivation, (SELECT 'void' FROM invoicing.voiding v WHERE v.document_id = "
                    "d.document_id)) FROM invoicing.line l JOIN invoicing.document d USING "
                    "(account_id, document_id) WHERE l.item_id = $1 ORDER BY d.document_id, "
                    "l.position",
                    item));
    for (int i = 0; i < rows.size(); ++i) {
      std::printf("  billed: %s\n", rows.Get<std::string>(i, 0).c_str());
    }
    return absl::OkStatus();
  }

  const int64_t count_;
  std::mt19937_64 random_;
  scenarios::World world_;
  std::shared_ptr<db::Pool> pool_;
  std::vector<std::pair<Uuid, Uuid>> items_;  // and their accounts
  std::map<Uuid, int> credited_;
  int64_t changes_ = 0, refused_ = 0, voided_ = 0, compared_ = 0;
};

int Main(const serve::Args& args) {
  const auto seed =
      static_cast<uint64_t>(args.GetInt("seed", static_cast<int64_t>(std::random_device()())));
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  Lives lives(args.GetInt("histories", 100), seed);
  const absl::Status status = lives.Run(args.GetInt("rounds", 8));
  std::printf("%s\n", lives.Summary().c_str());
  if (!status.ok()) std::printf("FAILED: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace broadbill::properties

int main(int argc, char** argv) {
  broadbill::rpc::BlockSignals();
  return broadbill::properties::Main(broadbill::serve::ParseArgs(argc, argv, {}));
}
