"""The history of a subscription as it is known on a day: stretches of days with the same state."""

from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction


@dataclass(frozen=True)
class State:
    plan: object
    price: Fraction  # None: the plan's
    quantity: int
    suspended: bool

    def stopped(self):
        return self.suspended and self.plan.suspension == "stop"

    def full_price(self):
        """Dollars of a whole period, before discounts."""
        if self.suspended and self.plan.suspension == "hold":
            return self.plan.hold_price * self.quantity
        unit = self.plan.price if self.price is None else self.price
        return unit * self.quantity


@dataclass(frozen=True)
class Item:
    subscription: object
    states: tuple  # (effective date, State), ascending
    cancelled: date  # None: goes on

    def life(self, start, end):
        """The part of [start, end) in which the item lives: (from, to), empty unless from < to."""
        begin = max(start, self.subscription.start)
        return begin, (end if self.cancelled is None else min(end, self.cancelled))

    def stretches(self, start, end):
        """(from, to, State) of the days of [start, end) in which the item lives."""
        begin, end = self.life(start, end)
        result = []
        for i, (effective, state) in enumerate(self.states):
            until = self.states[i + 1][0] if i + 1 < len(self.states) else end
            low, high = max(effective, begin), min(until, end)
            if low < high:
                result.append((low, high, state))
        return result

    def plan_stretches(self, start, end):
        """(from, to, Plan): other changes than those of the plan do not cut."""
        result = []
        for low, high, state in self.stretches(start, end):
            if result and result[-1][2].code == state.plan.code:
                result[-1] = (result[-1][0], high, state.plan)
            else:
                result.append((low, high, state.plan))
        return result


def change_state(state, change, plans):
    if change.what == "plan":
        return replace(state, plan=plans[change.value], price=None)
    if change.what == "price":
        return replace(state, price=Fraction(change.value))
    if change.what == "quantity":
        return replace(state, quantity=int(change.value))
    if change.what == "suspend":
        return replace(state, suspended=True)
    if change.what == "resume":
        return replace(state, suspended=False)
    raise ValueError(f"unknown change {change.what}")


def item_as_known(subscription, changes, plans, known_on):
    """The item with the changes entered up to and including `known_on`, by effective date and then
    in the order of the file."""
    state = State(plans[subscription.plan], None, subscription.quantity, False)
    states, cancelled = [(subscription.start, state)], None
    known = [change for change in changes if change.entered <= known_on]
    for change in sorted(known, key=lambda change: change.effective):
        if change.what == "cancel":
            if cancelled is not None:
                raise ValueError(f"{subscription.id} is cancelled twice")
            cancelled = change.effective
            continue
        before, state = state, change_state(state, change, plans)
        if (state.plan.months, state.plan.arrears) != (before.plan.months, before.plan.arrears):
            raise ValueError(f"{subscription.id}: a change of the billing period is not foreseen")
        states.append((change.effective, state))
    return Item(subscription, tuple(states), cancelled)
