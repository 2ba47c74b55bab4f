"""Recurring charges, their discounts and their credits.

Every billing period of an item has layers: the price itself and one per discount. A layer says for
each day what a whole period at that day's terms is worth. What was billed is kept per day, too; a
run bills the days at which the two differ.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from lines import Line
from money import day_values
from periods import periods

PRICE = "price"
LOOK_AHEAD = timedelta(days=31)


@dataclass(frozen=True)
class Worth:
    """What a whole period is worth at the terms of a day. Equal worths are the same charge."""

    plan: object
    price: Fraction
    quantity: int
    full: Fraction  # negative for discounts


@dataclass(frozen=True)
class Period:
    start: date
    end: date

    def value(self, worth, low, high):
        """Cents of the days [low, high)."""
        days = (self.end - self.start).days
        return day_values(worth.full, (low - self.start).days, (high - self.start).days, days)


class Coverage:
    """What documents billed: per period, layer and day the terms and the line."""

    def __init__(self):
        self.days = defaultdict(dict)  # (subscription, period, layer) -> day -> (Worth, Line)
        self.periods = defaultdict(set)  # subscription -> periods of which anything was billed
        self.layers = defaultdict(set)  # (subscription, period) -> layers


@dataclass(eq=False)
class DayLine:
    """A proposed line and the days it adds to a layer or takes from it."""

    line: Line
    layer: tuple  # (subscription, period, layer)
    worth: Worth  # None: the days are taken away


def discount_layers(item, state):
    """(layer, amount off a whole period, from, to), in order; percents are of what is left."""
    left = state.full_price()
    terms = []
    if state.plan.term_discount_percent is not None:
        terms.append(("term", state.plan.term_discount_percent, None, None, None))
    for number, discount in enumerate(item.subscription.discounts):
        terms.append((number, discount.percent, discount.amount, discount.start, discount.end))
    result = []
    for layer, percent, amount, start, end in terms:
        off = left * percent / 100 if percent is not None else min(amount, left)
        left -= off
        result.append((layer, off, start, end))
    return result


def worth_by_layer(item, period):
    """layer -> day -> Worth of the days of a period that should be billed."""
    layers = defaultdict(dict)
    for low, high, state in item.stretches(period.start, period.end):
        if state.stopped():
            continue
        price = state.full_price()
        amounts = [(PRICE, price, low, high)]
        for layer, off, start, end in discount_layers(item, state):
            amounts.append((layer, -off, max(low, start or low), min(high, end or high)))
        for layer, full, begin, until in amounts:
            worth = Worth(state.plan, price / state.quantity, state.quantity, full)
            for i in range((until - begin).days):
                layers[layer][begin + timedelta(days=i)] = worth
    return layers


def due_date(item, period):
    """When a period falls due; None for one without life."""
    begin, end = item.life(period.start, period.end)
    if begin >= end:
        return None
    return end if item.states[0][1].plan.arrears else begin


def item_periods(item, account, last_day):
    """The periods of an item that begin up to `last_day` and that a former system did not bill."""
    subscription = item.subscription
    first = max(subscription.start, subscription.paid_through or subscription.start)
    months = item.states[0][1].plan.months
    found = periods(subscription.start, account.cycle_day, months, first, last_day)
    return [Period(start, end) for start, end in found]


def consecutive(days, same):
    """[low, high) of adjacent days for which same(day) is equal."""
    groups = []
    for day in sorted(days):
        if groups and groups[-1][1] == day and same(groups[-1][0]) == same(day):
            groups[-1][1] = day + timedelta(days=1)
        else:
            groups.append([day, day + timedelta(days=1)])
    return groups


def propose_layer(item, period, layer, wanted, coverage):
    """The lines that turn what was billed of a layer into what is wanted."""
    key = (item.subscription.id, period, layer)
    billed = coverage.days[key]
    lines = []
    surplus = [day for day, (worth, _) in billed.items() if wanted.get(day) != worth]
    for low, high in consecutive(surplus, lambda day: (billed[day][0], id(billed[day][1]))):
        worth, original = billed[low]
        kind = "CREDIT" if layer == PRICE else "DISCOUNT"
        amount = -period.value(worth, low, high)
        lines.append(DayLine(new_line(item, kind, worth, amount, low, high, original), key, None))
    missing = [day for day in wanted if day not in billed or billed[day][0] != wanted[day]]
    for low, high in consecutive(missing, lambda day: wanted[day]):
        worth = wanted[low]
        kind = "RECURRING" if layer == PRICE else "DISCOUNT"
        amount = period.value(worth, low, high)
        lines.append(DayLine(new_line(item, kind, worth, amount, low, high, None), key, worth))
    return lines


def new_line(item, kind, worth, amount, low, high, corrects):
    plan = worth.plan
    return Line(
        kind=kind,
        subscription=item.subscription.id,
        amount=amount,
        tax_class=plan.tax_class,
        account_code=plan.account_code,
        start=low,
        end=high,
        corrects=corrects,
    )


def propose_item(item, account, as_of, coverage):
    """(lines, whether a due period has nothing billed yet) of an item at a run."""
    subscription = item.subscription.id
    lines, fresh = [], False
    for period in item_periods(item, account, as_of):
        due = due_date(item, period)
        wanted = {}
        if due is not None and due <= as_of:
            wanted = worth_by_layer(item, period)
            fresh = fresh or (bool(wanted) and period not in coverage.periods[subscription])
        for layer in ordered_layers(wanted, coverage.layers[subscription, period]):
            lines += propose_layer(item, period, layer, wanted.get(layer, {}), coverage)
    return lines, fresh


def ordered_layers(wanted, billed):
    names = set(wanted) | set(billed)
    return sorted(names, key=lambda name: (name != PRICE, name != "term", str(name)))


def record(day_line, coverage):
    """Writes a posted line into the coverage."""
    subscription, period, layer = day_line.layer
    coverage.periods[subscription].add(period)
    coverage.layers[subscription, period].add(layer)
    days = coverage.days[day_line.layer]
    day = day_line.line.start
    while day < day_line.line.end:
        if day_line.worth is None:
            del days[day]
        else:
            days[day] = (day_line.worth, day_line.line)
        day += timedelta(days=1)


def falls_due_soon(item, account, as_of):
    """Whether a period falls due within the 31 days after a run; stopped stretches do not count."""
    for period in item_periods(item, account, as_of + LOOK_AHEAD):
        due = due_date(item, period)
        if due is None or not as_of < due <= as_of + LOOK_AHEAD:
            continue
        if any(not state.stopped() for *_, state in item.stretches(period.start, period.end)):
            return True
    return False
