"""The calendar of the demo: days in order, bill runs, payments, late fees."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

import inputs as files
import recurring
from items import item_as_known
from lines import Line
from money import round_half_away
from periods import local_midnight, periods
from receivables import Receivables
from tax import rates_at, take_back_tax, tax_new_lines
from usage import Sessions, included_gb, overage_cents
from voice import Calls, Deck, cost_millionths

FIRST_DAY = date(2026, 3, 1)
LAST_DAY = date(2026, 4, 2)
LATE_DECK_DAY = date(2026, 3, 3)
CLOSED_MONTHS = 3
CENT = 10**4  # millionths of a dollar


@dataclass(eq=False)
class Document:
    run: date
    account: str
    invoice_date: date
    due_date: date
    currency: str
    lines: list

    @property
    def net(self):
        return sum(line.amount for line in self.lines)

    @property
    def tax(self):
        return sum(sum(line.taxes.values()) for line in self.lines)

    @property
    def total(self):
        return self.net + self.tax

    @property
    def kind(self):
        return "credit_note" if self.total < 0 else "invoice"


@dataclass
class Proposal:
    """What an account would be billed at a run."""

    day_lines: list = field(default_factory=list)
    usage_lines: list = field(default_factory=list)  # (month, key, Line)
    fresh: bool = False  # something is billed for the first time
    coming_soon: bool = False  # another document is near
    held: bool = False  # a call without a rate waits


class Play:
    def __init__(self, inputs):
        self.inputs = inputs
        self.sessions = Sessions()
        self.calls = Calls()
        self.deck = Deck()
        self.coverage = recurring.Coverage()
        self.billed_usage = defaultdict(dict)  # (subscription, month) -> part of it -> cents
        self.fees = defaultdict(list)  # account -> late fees that wait
        self.receivables = Receivables()
        self.documents = []
        self.payments = defaultdict(list)  # day -> (account, cents)
        self.by_account = defaultdict(list)
        for subscription in inputs.subscriptions:
            self.by_account[subscription.account].append(subscription)

    def run(self):
        self.deck.load(files.rows(self.inputs.folder, "deck.csv"))
        for account, amount, due in self.inputs.opening_balances:
            self.receivables.opening_balance(account, amount, due)
        waiting = []
        day = FIRST_DAY
        while day <= LAST_DAY:
            late_fees = self.receivables.late_fees(day)
            if day == LATE_DECK_DAY:
                self.deck.load(files.rows(self.inputs.folder, "deck_late.csv"))
            self.load_usage(day)
            if day == LATE_DECK_DAY:
                for run, account in waiting:
                    self.bill(account, run, day)
                waiting = []
            if day in self.inputs.runs:
                for account in self.inputs.accounts.values():
                    if not self.bill(account, day, day):
                        waiting.append((day, account))
            for account, amount in self.payments[day]:
                self.receivables.pay(account, amount)
            for account, fee in late_fees:
                self.fees[account].append(fee)
            day += timedelta(days=1)
        return self.documents

    def load_usage(self, day):
        for loaded, name, form in self.inputs.usage_files:
            if loaded == day:
                target = {"detail": self.sessions, "asterisk": self.calls}[form]
                target.load(self.inputs.folder, name)

    def items(self, account, day):
        """The account's items as known at the end of the entries of a day, by start date."""
        known = [
            subscription
            for subscription in self.by_account[account.number]
            if subscription.entered is None or subscription.entered <= day
        ]
        known.sort(key=lambda subscription: (subscription.start, subscription.id))
        changes, plans = self.inputs.changes, self.inputs.plans
        return [item_as_known(one, changes.get(one.id, []), plans, day) for one in known]

    def bill(self, account, as_of, today):
        """Bills an account; False when its document is held."""
        proposal = Proposal()
        for item in self.items(account, today):
            lines, fresh = recurring.propose_item(item, account, as_of, self.coverage)
            proposal.day_lines += lines
            proposal.fresh = proposal.fresh or fresh
            if recurring.falls_due_soon(item, account, as_of):
                proposal.coming_soon = True
            self.propose_usage(item, account, as_of, proposal)
        if proposal.held:
            return False
        if proposal.fresh or not proposal.coming_soon:
            self.post(account, as_of, today, proposal)
        return True

    def propose_usage(self, item, account, as_of, proposal):
        """Data usage and calls of the last closed months, less what was billed of them."""
        for start, end in closed_months(item, account, as_of):
            worth, intervals = {}, {}
            for low, high, plan in item.plan_stretches(start, end):
                stretch = (low, high, plan)
                for what, amount in self.usage_of(item, account, (start, end), stretch, proposal):
                    worth[low, plan, what], intervals[low, plan, what] = amount, (low, high)
            month = (item.subscription.id, start)
            billed = self.billed_usage[month]
            for key in billed:
                if key not in worth:
                    worth[key], intervals[key] = 0, (start, end)
            for key, amount in worth.items():
                difference = amount - billed.get(key, 0)
                if difference:
                    proposal.fresh = proposal.fresh or key not in billed
                    line = usage_line(item.subscription.id, key, difference, intervals[key])
                    proposal.usage_lines.append((month, key, line))

    def usage_of(self, item, account, month, stretch, proposal):
        """(what, cents) of a stretch of a month: overage, then each destination."""
        low, high, plan = stretch
        subscription = item.subscription
        result = []
        if plan.allowance_gb is not None and subscription.username:
            used = self.sessions.bytes_between(
                subscription.username,
                local_midnight(low, account.zone),
                local_midnight(high, account.zone),
                plan.usage_direction,
            )
            included = included_gb(plan, (high - low).days, (month[1] - month[0]).days)
            result.append(("overage", overage_cents(plan, used, included)))
        if plan.deck and subscription.did:
            destinations = defaultdict(int)
            for call in self.calls.between(subscription.did, low, high):
                rate = self.deck.rate(call.called)
                if rate is None:
                    proposal.held = True
                else:
                    destinations[rate.destination] += cost_millionths(rate, call.seconds)
            for destination, millionths in sorted(destinations.items()):
                result.append((destination, round_half_away(Fraction(millionths, CENT))))
        return result

    def post(self, account, as_of, today, proposal):
        fees = [
            Line(kind="LATE_FEE", subscription="", amount=fee, tax_class="late_fee",
                 account_code="4900")
            for fee in self.fees.pop(account.number, [])
        ]
        lines = [day_line.line for day_line in proposal.day_lines] + fees
        lines += [line for _, _, line in proposal.usage_lines]
        lines = [line for line in lines if line.amount]
        if not lines:
            return
        new_lines = [line for line in lines if line.corrects is None]
        tax_new_lines(new_lines, rates_at(self.inputs, account, as_of))
        for line in lines:
            if line.corrects is not None:
                take_back_tax(line)
        for day_line in proposal.day_lines:
            recurring.record(day_line, self.coverage)
        for month, key, line in proposal.usage_lines:
            billed = self.billed_usage[month]
            billed[key] = billed.get(key, 0) + line.amount
        due = today + timedelta(days=account.terms_days)
        document = Document(as_of, account.number, today, due, account.currency, lines)
        self.documents.append(document)
        self.receivables.post(account.number, document.total, due, sum(f.amount for f in fees))
        self.schedule_payment(document)

    def schedule_payment(self, document):
        """What the customer will pay because of a document."""
        account, today = document.account, document.invoice_date
        kind, days = self.inputs.payers[account]
        if document.kind == "credit_note":
            return
        if kind == "transfer":
            self.payments[today + timedelta(days=days)].append((account, document.total))
        elif kind == "autopay":
            lost = self.inputs.tokens[account].startswith("sim_lost_")
            paid = today + timedelta(days=1 if lost else 0)
            self.payments[paid].append((account, self.receivables.owed(account)))


def closed_months(item, account, as_of):
    """The last closed months of an item, cut to its life: a month is closed when its end, or the
    item's cancellation in it, is not after the as-of date."""
    found = periods(item.subscription.start, account.cycle_day, 1, item.subscription.start, as_of)
    closed = []
    for start, end in found:
        begin, until = item.life(start, end)
        if begin < until <= as_of:
            closed.append((start, end))
    return closed[-CLOSED_MONTHS:]


def usage_line(subscription, key, amount, interval):
    _, plan, what = key
    data = what == "overage"
    return Line(
        kind="USAGE" if data else "VOICE",
        subscription=subscription,
        amount=amount,
        tax_class=plan.usage_tax_class if data else plan.tax_class,
        account_code=plan.account_code,
        start=interval[0],
        end=interval[1],
    )
