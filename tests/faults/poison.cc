// A bill run over many accounts of which some cannot be billed, in ten ways: all others are posted,
// each of these waits with its reason, and after the fix a retry posts just them.
//
//   broadbill_poison [--accounts 2000] [--each 2]

#include <cstdio>
#include <functional>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "broadbill/accounts/v1/account.pb.h"
#include "broadbill/common/v1/address.pb.h"
#include "broadbill/invoicing/v1/bill_run.pb.h"
#include "broadbill/invoicing/v1/pending_charge.pb.h"
#include "broadbill/rating/v1/waiting.pb.h"
#include "libs/convert/convert.h"
#include "libs/db/pool.h"
#include "libs/rpc/host.h"
#include "libs/serve/args.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/imports.h"
#include "tests/scenarios/runner/world.h"

namespace broadbill::faults {
namespace {

namespace invoicing = broadbill::invoicing::v1;
namespace rating = broadbill::rating::v1;
using invoicing::RunException;

class Poison {
 public:
  Poison(int64_t accounts, int64_t each) : count_(accounts), each_(each) {
    db::Pool::Options options;
    options.url = world_.database_url();
    options.application = "poison";
    options.size_max = 2;
    pool_ = std::make_shared<db::Pool>(options);
    world_.SetClock(CivilDay(2026, 3, 1));
  }

  absl::Status Run() {
    RETURN_IF_ERROR(Load());
    // A month before, everything is sound; coverage and a line of calls exist.
    RETURN_IF_ERROR(Bill(CivilDay(2026, 3, 1), count_, {}).status());
    for (const Way& way : Ways()) {
      const std::set<std::string> numbers = NumbersOf(way);
      RETURN_IF_ERROR(way.spoil(numbers));
      for (const std::string& number : numbers) expected_[number] = way.reason;
    }
    RETURN_IF_ERROR(world_.Settle());
    world_.SetClock(CivilDay(2026, 4, 1));
    const auto spoilt = static_cast<int64_t>(expected_.size());
    ASSIGN_OR_RETURN(const std::string run, Bill(CivilDay(2026, 4, 1), count_ - spoilt, expected_));
    ASSIGN_OR_RETURN(const std::set<std::string> before, Posted());
    // A retry before the fix posts nothing.
    RETURN_IF_ERROR(Retry(run, 0, spoilt));
    for (const Way& way : Ways()) RETURN_IF_ERROR(way.mend(NumbersOf(way)));
    RETURN_IF_ERROR(world_.Settle());
    RETURN_IF_ERROR(Retry(run, spoilt, 0));
    return JustThose(before);
  }

 private:
  struct Way {
    std::string name;
    RunException::Reason reason;
    std::function<absl::Status(const std::set<std::string>&)> spoil, mend;
  };

  // Numbers of a way's accounts, spread over all of them.
  std::set<std::string> NumbersOf(const Way& way) {
    const std::vector<Way>& ways = Ways();
    int64_t at = 0;
    while (ways[static_cast<size_t>(at)].name != way.name) ++at;
    std::set<std::string> out;
    const int64_t all = each_ * static_cast<int64_t>(ways.size());
    for (int64_t i = 0; i < each_; ++i) {
      out.insert(Number((i * static_cast<int64_t>(ways.size()) + at) * count_ / all));
    }
    return out;
  }

  static std::string Number(int64_t i) { return absl::StrFormat("A%06d", i); }

  static std::string Quoted(const std::set<std::string>& numbers) {
    std::string out;
    for (const std::string& number : numbers) {
      absl::StrAppend(&out, out.empty() ? "'" : ",'", number, "'");
    }
    return out;
  }

  static std::string AccountsOf(const std::set<std::string>& numbers) {
    return absl::StrCat(
        "account_id IN (SELECT account_id FROM accounts.account WHERE "
        "account_number IN (",
        Quoted(numbers), "))");
  }

  absl::Status Sql(const std::string& text) { return pool_->Exec(text).status(); }

  const std::vector<Way>& Ways() {
    if (!ways_.empty()) return ways_;
    const auto sql = [this](std::string head, std::string tail) {
      return [this, head, tail](const std::set<std::string>& numbers) {
        return Sql(absl::StrCat(head, AccountsOf(numbers), tail));
      };
    };
    ways_ = {
        {"an address without tax area", RunException::MISSING_TAX_AREA,
         [this](const auto& numbers) { return Move(numbers, "99501"); },
         [this](const auto& numbers) { return Move(numbers, "55401"); }},
        {"a call without a rate", RunException::UNRATED_USAGE,
         [this](const auto& numbers) { return Call(numbers); },
         [this](const auto&) { return AddRate(); }},
        {"a charge out of range", RunException::INVALID_DATA,
         [this](const auto& numbers) { return Charge(numbers); },
         [this](const auto& numbers) { return CancelCharges(numbers); }},
        {"a price out of range", RunException::INVALID_DATA,
         sql("UPDATE accounts.subscription SET price_override = 900000000000000000000 WHERE ", ""),
         sql("UPDATE accounts.subscription SET price_override = NULL WHERE ", "")},
        {"an unknown currency", RunException::INVALID_DATA,
         sql("UPDATE accounts.account SET currency = 'QQQ' WHERE ", ""),
         sql("UPDATE accounts.account SET currency = 'USD' WHERE ", "")},
        {"a plan in another currency", RunException::INVALID_DATA,
         sql("UPDATE accounts.account SET currency = 'EUR' WHERE ", ""),
         sql("UPDATE accounts.account SET currency = 'USD' WHERE ", "")},
        {"contradicting dates", RunException::INVALID_DATA,
         sql("INSERT INTO accounts.discount (account_id, discount_id, label, percent, from_date, "
             "to_date, periods, position, account_code) SELECT account_id, account_id, 'Spring', "
             "10, '2026-05-01', '2026-04-01', 0, 1, '' FROM accounts.account WHERE ",
             ""),
         sql("DELETE FROM accounts.discount WHERE ", "")},
        {"a plan without price", RunException::INVALID_DATA,
         sql("UPDATE accounts.subscription SET plan_id = (SELECT plan_id FROM accounts.plan WHERE "
             "code = 'bare') WHERE ",
             ""),
         sql("UPDATE accounts.subscription SET plan_id = (SELECT plan_id FROM accounts.plan WHERE "
             "code = 'home') WHERE ",
             "")},
        {"a corrupted coverage", RunException::INVALID_DATA,
         [this](const auto& numbers) { return Corrupt(numbers); },
         [this](const auto&) {
           return Sql(
               "UPDATE invoicing.item_coverage c SET pieces = k.pieces FROM kept k WHERE "
               "k.account_id = c.account_id AND k.item_id = c.item_id");
         }},
        {"a row that the database refuses", RunException::REFUSED,
         [this](const auto& numbers) { return Refuse(numbers); },
         [this](const auto&) {
           return Sql("ALTER TABLE invoicing.item_coverage DROP CONSTRAINT refused");
         }},
    };
    return ways_;
  }

  absl::Status Import(const std::string& kind, const std::string& content,
                      const std::map<std::string, std::string>& fields = {}) {
    const std::string method = program::ImportKinds().at(kind).method;
    const size_t from = method.find('.') + 1;
    ASSIGN_OR_RETURN(
        const auto result,
        program::RunImport(*world_.Channel(method.substr(from, method.find('.', from) - from)),
                           world_.context(), kind, kind, content, fields));
    if (result.rows_read() > 0 && result.rows_refused() == 0) return absl::OkStatus();
    return FailedPreconditionError("IMPORT", kind + ": " + result.ShortDebugString());
  }

  absl::Status Load() {
    RETURN_IF_ERROR(
        Import("tax-areas", "country,region,postal_code,jurisdictions\nUS,MN,55401,US-27\n"));
    RETURN_IF_ERROR(Import("deck", "prefix,destination,rate_per_minute\n1,United States,0.0127\n",
                           {{"deck_code", "retail"}, {"currency_code", "USD"}}));
    const std::string head = "code,name,tax_class,account_code,price,decks\n";
    RETURN_IF_ERROR(Import("plans", head + "home,Home 300,internet_access,4000,49.99,retail\n"
                                           "bare,Bare 100,internet_access,4000,19.99,\n"));
    RETURN_IF_ERROR(Sql("UPDATE accounts.plan SET body = body - 'prices' WHERE code = 'bare'"));
    std::string accounts = "account_number,name,cycle_day,city,region,postal_code,country\n";
    std::string subscriptions = "account_number,plan,start_date,did\n";
    for (int64_t i = 0; i < count_; ++i) {
      absl::StrAppend(&accounts, Number(i), ",Customer ", i, ",1,Minneapolis,MN,55401,US\n");
      absl::StrAppend(&subscriptions, Number(i), ",home,2026-03-01,", Did(Number(i)), "\n");
    }
    RETURN_IF_ERROR(Import("accounts", accounts));
    RETURN_IF_ERROR(Import("subscriptions", subscriptions));
    ASSIGN_OR_RETURN(const db::Result rows,
                     pool_->Exec("SELECT account_number, account_id FROM accounts.account"));
    for (int i = 0; i < rows.size(); ++i) {
      ids_[rows.Get<std::string>(i, 0)] = rows.Get<Uuid>(i, 1).ToText("acc");
      numbers_[rows.Get<Uuid>(i, 1).ToText("acc")] = rows.Get<std::string>(i, 0);
    }
    return world_.Settle();
  }

  static std::string Did(const std::string& number) { return "+1612" + number.substr(1) + "0"; }

  // Bills in mode POST; `posted` documents and these exceptions must come out.
  absl::StatusOr<std::string> Bill(CivilDay as_of, int64_t posted,
                                   const std::map<std::string, RunException::Reason>& waiting) {
    const absl::Time begin = absl::Now();
    invoicing::CreateBillRunRequest request;
    *request.mutable_as_of() = convert::ToProto(as_of);
    request.set_mode(invoicing::BillRun::POST);
    ASSIGN_OR_RETURN(
        invoicing::BillRun run,
        world_.Call<invoicing::BillRun>("broadbill.invoicing.v1.Invoicing/CreateBillRun", request));
    invoicing::GetBillRunRequest get;
    get.set_bill_run_id(run.bill_run_id());
    while (run.state() != invoicing::BillRun::DONE) {
      absl::SleepFor(absl::Milliseconds(20));
      ASSIGN_OR_RETURN(
          run, world_.Call<invoicing::BillRun>("broadbill.invoicing.v1.Invoicing/GetBillRun", get));
    }
    RETURN_IF_ERROR(world_.Settle());
    std::printf("%s: %lld accounts, %lld posted, %lld exceptions in %.1f s\n",
                FormatDate(as_of).c_str(), static_cast<long long>(run.progress().accounts_total()),
                static_cast<long long>(run.progress().documents_posted()),
                static_cast<long long>(run.progress().exceptions()),
                absl::ToDoubleSeconds(absl::Now() - begin));
    if (run.progress().documents_posted() != posted) {
      return InternalError("POSTED", absl::StrCat("not ", posted, " documents were posted"));
    }
    RETURN_IF_ERROR(Exceptions(run.bill_run_id(), waiting));
    return run.bill_run_id();
  }

  absl::Status Exceptions(const std::string& run,
                          const std::map<std::string, RunException::Reason>& waiting) {
    std::map<std::string, RunException::Reason> found;
    invoicing::ListRunExceptionsRequest request;
    request.set_bill_run_id(run);
    do {
      ASSIGN_OR_RETURN(const auto page,
                       world_.Call<invoicing::ListRunExceptionsResponse>(
                           "broadbill.invoicing.v1.Invoicing/ListRunExceptions", request));
      for (const RunException& one : page.exceptions()) {
        const std::string& number = numbers_[one.account_id()];
        if (!found.emplace(number, one.reason()).second) {
          return InternalError("TWICE", number + " waits twice: " + one.message());
        }
        if (shown_.insert(WayOf(number)).second) {
          std::printf("  %-34s %-17s %s\n", WayOf(number).c_str(),
                      RunException::Reason_Name(one.reason()).c_str(), one.message().c_str());
        }
      }
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    if (found == waiting) return absl::OkStatus();
    for (const auto& [number, reason] : waiting) {
      if (found.count(number) > 0 && found[number] == reason) continue;
      return InternalError("REASON",
                           absl::StrCat(WayOf(number), " (", number, ") does not wait as ",
                                        RunException::Reason_Name(reason)));
    }
    return InternalError("EXCEPTIONS", absl::StrCat(found.size() - waiting.size(), " too many"));
  }

  std::string WayOf(const std::string& number) {
    for (const Way& way : Ways()) {
      if (NumbersOf(way).count(number) > 0) return way.name;
    }
    return "sound";
  }

  absl::Status Retry(const std::string& run, int64_t resolved, int64_t open) {
    invoicing::RetryRunExceptionsRequest request;
    request.set_bill_run_id(run);
    ASSIGN_OR_RETURN(const auto response,
                     world_.Call<invoicing::RetryRunExceptionsResponse>(
                         "broadbill.invoicing.v1.Invoicing/RetryRunExceptions", request));
    std::printf("retry: %lld posted, %lld still wait\n",
                static_cast<long long>(response.resolved()),
                static_cast<long long>(response.open()));
    if (response.resolved() == resolved && response.open() == open) return world_.Settle();
    return InternalError("RETRY", absl::StrCat("not ", resolved, " resolved and ", open, " open"));
  }

  // Account numbers with a posted document for April.
  absl::StatusOr<std::set<std::string>> Posted() {
    ASSIGN_OR_RETURN(const db::Result rows,
                     pool_->Exec("SELECT a.account_number FROM invoicing.posting p JOIN "
                                 "invoicing.document d USING (account_id, document_id) JOIN "
                                 "accounts.account a USING (account_id) WHERE d.as_of = "
                                 "'2026-04-01'"));
    std::set<std::string> out;
    for (int i = 0; i < rows.size(); ++i) {
      if (!out.insert(rows.Get<std::string>(i, 0)).second) {
        return InternalError("TWICE", rows.Get<std::string>(i, 0) + " was billed twice");
      }
    }
    return out;
  }

  absl::Status JustThose(const std::set<std::string>& before) {
    ASSIGN_OR_RETURN(const std::set<std::string> after, Posted());
    for (const std::string& number : after) {
      if (before.count(number) + expected_.count(number) != 1) {
        return InternalError("POSTED", number + " was posted by the retry");
      }
    }
    if (static_cast<int64_t>(after.size()) != count_) {
      return InternalError("POSTED", absl::StrCat(after.size(), " accounts are billed"));
    }
    ASSIGN_OR_RETURN(const db::Result gaps,
                     pool_->Exec("SELECT series FROM invoicing.series s JOIN invoicing.posting p "
                                 "USING (series) GROUP BY series, next_number HAVING count(*) <> "
                                 "next_number - 1"));
    return gaps.empty() ? absl::OkStatus() : InternalError("GAPS", "numbers have gaps");
  }

  // ---- ways to spoil and to mend

  absl::Status Move(const std::set<std::string>& numbers, const std::string& zip) {
    broadbill::common::v1::Address address;
    address.set_city("Somewhere");
    address.set_region("MN");
    address.set_postal_code(zip);
    address.set_country_code("US");
    for (const std::string& number : numbers) {
      ASSIGN_OR_RETURN(const Uuid id, Uuid::Parse("acc", ids_[number]));
      RETURN_IF_ERROR(pool_
                          ->Exec("UPDATE accounts.location SET address = $2 WHERE account_id = $1",
                                 id, db::Bytes{address.SerializeAsString()})
                          .status());
    }
    return absl::OkStatus();
  }

  absl::Status Call(const std::set<std::string>& numbers) {
    std::string calls;
    for (const std::string& number : numbers) {
      absl::StrAppend(&calls, "\"\",\"", Did(number).substr(2),
                      "\",\"01181312345678\",\"c\",\"x\",\"s\",\"\",\"Dial\",\"\",\"2026-03-13 "
                      "10:00:00\",\"2026-03-13 10:00:05\",\"2026-03-13 10:01:06\",66,60,"
                      "\"ANSWERED\",\"D\",\"",
                      number, "\",\"\",\"\",\"", number, "\",1\n");
    }
    return Import("calls", calls, {{"time_zone", "America/Chicago"}});
  }

  absl::Status AddRate() {
    RETURN_IF_ERROR(Import("deck", "prefix,destination,rate_per_minute\n81,Japan,0.10\n",
                           {{"deck_code", "retail"}}));
    return world_
        .Call<rating::RetryWaitingRecordsResponse>("broadbill.rating.v1.Rating/RetryWaitingRecords",
                                                   rating::RetryWaitingRecordsRequest())
        .status();
  }

  absl::Status Charge(const std::set<std::string>& numbers) {
    for (const std::string& number : numbers) {
      invoicing::CreatePendingChargeRequest request;
      request.set_account_id(ids_[number]);
      auto* charge = request.mutable_charge();
      charge->set_description("Works");
      charge->set_tax_class("installation");
      charge->set_account_code("4200");
      charge->mutable_unit_price()->set_value("1");
      *charge->mutable_due_date() = convert::ToProto(CivilDay(2026, 3, 10));
      ASSIGN_OR_RETURN(const auto made,
                       world_.Call<invoicing::PendingCharge>(
                           "broadbill.invoicing.v1.Invoicing/CreatePendingCharge", request));
      charges_[number] = made.charge_id();
    }
    // The API refuses such an amount; another program may have written it.
    return Sql(
        "UPDATE invoicing.pending_charge SET quantity = 1000000000, unit_price = 1000000000000 "
        "WHERE " +
        AccountsOf(numbers));
  }

  absl::Status CancelCharges(const std::set<std::string>& numbers) {
    for (const std::string& number : numbers) {
      invoicing::CancelPendingChargeRequest request;
      request.set_account_id(ids_[number]);
      request.set_charge_id(charges_[number]);
      RETURN_IF_ERROR(world_
                          .Call<invoicing::PendingCharge>(
                              "broadbill.invoicing.v1.Invoicing/CancelPendingCharge", request)
                          .status());
    }
    return absl::OkStatus();
  }

  absl::Status Corrupt(const std::set<std::string>& numbers) {
    RETURN_IF_ERROR(
        Sql("CREATE TABLE kept AS SELECT account_id, item_id, pieces FROM "
            "invoicing.item_coverage WHERE " +
            AccountsOf(numbers)));
    return Sql("UPDATE invoicing.item_coverage SET pieces = '\\x00' WHERE " + AccountsOf(numbers));
  }

  absl::Status Refuse(const std::set<std::string>& numbers) {
    std::string list;
    for (const std::string& number : numbers) {
      ASSIGN_OR_RETURN(const Uuid id, Uuid::Parse("acc", ids_[number]));
      absl::StrAppend(&list, list.empty() ? "'" : ",'", id.ToHex(), "'");
    }
    return Sql(
        absl::StrCat("ALTER TABLE invoicing.item_coverage ADD CONSTRAINT refused CHECK "
                     "(account_id NOT IN (",
                     list, ")) NOT VALID"));
  }

  const int64_t count_, each_;
  scenarios::World world_;
  std::shared_ptr<db::Pool> pool_;
  std::vector<Way> ways_;
  std::map<std::string, std::string> ids_, numbers_, charges_;
  std::map<std::string, RunException::Reason> expected_;
  std::set<std::string> shown_;
};

int Main(const serve::Args& args) {
  Poison poison(args.GetInt("accounts", 2000), args.GetInt("each", 2));
  const absl::Status status = poison.Run();
  if (!status.ok()) std::printf("FAILED: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace broadbill::faults

int main(int argc, char** argv) {
  broadbill::rpc::BlockSignals();
  return broadbill::faults::Main(broadbill::serve::ParseArgs(argc, argv, {}));
}
