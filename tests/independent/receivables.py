"""What each account owes, as far as late fees depend on it."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from money import cents

GRACE_AND_STEP = timedelta(days=10)  # 5 days of grace, and the fee 5 days after
FEE_PERCENT = Fraction(3, 2)
LEAST_FEE = 100


@dataclass(eq=False)
class OpenItem:
    account: str
    due: date
    number: int  # order of posting; 0 for opening balances
    open: int
    fees: int  # late fees in it
    fee_date: date  # None: takes no late fee


def late_fee(base, least):
    return max(least, cents(Fraction(base, 100) * FEE_PERCENT / 100))


class Receivables:
    def __init__(self):
        self.items = defaultdict(list)
        self.credit = defaultdict(int)
        self.posted = 0

    def opening_balance(self, account, amount, due):
        self.items[account].append(OpenItem(account, due, 0, amount, 0, due + GRACE_AND_STEP))

    def post(self, account, total, due, fees):
        """A posted document: an invoice is owed, a credit note pays."""
        self.posted += 1
        if total > 0:
            item = OpenItem(account, due, self.posted, total, fees, due + GRACE_AND_STEP)
            self.items[account].append(item)
            self.pay(account, 0)
        elif total < 0:
            self.pay(account, -total)

    def pay(self, account, amount):
        """Oldest due date first, then the lower number; the rest waits for the next invoice."""
        left = self.credit[account] + amount
        for item in sorted(self.items[account], key=lambda item: (item.due, item.number)):
            part = min(left, item.open)
            item.open -= part
            left -= part
        self.credit[account] = left

    def owed(self, account):
        return sum(item.open for item in self.items[account])

    def late_fees(self, day):
        """(account, cents) of the fees of a day, by what is open now."""
        result = []
        for items in self.items.values():
            for item in items:
                base = item.open - min(item.open, item.fees)
                if item.fee_date == day and base > 0:
                    result.append((item.account, late_fee(base, LEAST_FEE)))
        return result
