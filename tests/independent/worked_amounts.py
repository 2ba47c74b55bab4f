"""The worked amounts of the billing rules, computed by the same functions that bill the demo."""

from datetime import date
from fractions import Fraction
from zoneinfo import ZoneInfo

import recurring
from compare import computed_facts, differences
from inputs import Account, Change, Discount, Plan, Subscription, TaxRate
from items import item_as_known
from lines import Line
from money import cents, day_values, round_half_away, spread
from periods import cycle_date, local_midnight, month_number, periods
from play import Document
from receivables import Receivables, late_fee
from tax import take_back_tax, tax_new_lines
from usage import GIGABYTE, bytes_before, included_gb, overage_cents
from voice import Deck, billed_seconds, cost_millionths, e164_digits

ACCOUNT = Account("A1", 1, 15, "55401", "USD", ZoneInfo("America/Chicago"))


def plan(code, price, **others):
    values = {
        "code": code, "tax_class": "internet_access", "account_code": "4000",
        "price": Fraction(price), "arrears": False, "months": 1, "suspension": "stop",
        "hold_price": None, "term_discount_percent": None, "allowance_gb": None,
        "prorate_allowance": True, "block_gb": None, "block_price": None,
        "usage_tax_class": "", "usage_direction": "both", "deck": "",
    }
    values.update(others)
    return Plan(**values)


PLANS = {
    one.code: one
    for one in (
        plan("49.99", "49.99"),
        plan("79.99", "79.99"),
        plan("hold", "49.99", suspension="hold", hold_price=Fraction(5)),
        plan("keep", "49.99", suspension="keep"),
        plan("arrears", "49.99", arrears=True),
        plan("year", "599.88", months=12, term_discount_percent=Fraction(10)),
    )
}


class Customer:
    """One subscription that is changed and billed."""

    def __init__(self, code, start, discounts=(), account=ACCOUNT):
        self.subscription = Subscription("S1", "A1", code, start, None, 1, "", "", discounts, None)
        self.account = account
        self.changes = []
        self.coverage = recurring.Coverage()

    def change(self, what, effective, value=""):
        self.changes.append(Change(effective, effective, what, value))
        return self

    def bill(self, as_of):
        """The amounts of the run, in order; they are written into the coverage."""
        item = item_as_known(self.subscription, self.changes, PLANS, date.max)
        lines, _ = recurring.propose_item(item, self.account, as_of, self.coverage)
        for line in lines:
            recurring.record(line, self.coverage)
        return [line.line.amount for line in lines]


def day(month, number, year=2026):
    return date(year, month, number)


def numbers():
    halves = [round_half_away(Fraction(n, 2)) for n in (1, 3, -1, -3)]
    yield "half away from zero", halves, [1, 2, -1, -2]
    yield "10.00 in three", spread(1000, [1, 1, 1]), [334, 333, 333]
    yield "5 by 3:7", spread(5, [3, 7]), [2, 3]
    yield "-5 by 3:7", spread(-5, [3, 7]), [-2, -3]
    stays = [day_values("49.99", 0, 9, 31), day_values("49.99", 19, 24, 31)]
    gone = [day_values("49.99", 9, 19, 31), day_values("49.99", 24, 31, 31)]
    yield "49.99 for parts of March", (stays, gone), ([1451, 806], [1613, 1129])
    before = Customer("49.99", day(3, 1)).change("suspend", day(3, 10))
    before.change("resume", day(3, 20)).change("cancel", day(3, 25))
    yield "suspended and cancelled, then billed", before.bill(day(3, 31)), [1451, 806]
    after = Customer("49.99", day(3, 1))
    yield "billed", after.bill(day(3, 1)), [4999]
    after.change("suspend", day(3, 10)).change("resume", day(3, 20)).change("cancel", day(3, 25))
    yield "then suspended and cancelled", after.bill(day(3, 31)), [-1613, -1129]
    yield "nothing is billed twice", after.bill(day(3, 31)), []


def dates():
    january = month_number(day(1, 31))
    ends = [cycle_date(january + n, 31) for n in range(3)]
    yield "cycle day 31", ends, [day(1, 31), day(2, 28), day(3, 31)]
    yield "a year from Mar 10 to Apr 1", Customer("year", day(3, 10)).bill(day(3, 10)), [3616, -362]
    yield "anchored in the start month", day_values("599.88", 9, 365, 365), 58509
    yield "249.95 for [Jun 1, Jun 15)", day_values("249.95", 0, 14, 30), 11664
    found = periods(day(1, 31), 31, 1, day(1, 31), day(3, 1))
    yield "periods", found, [(day(1, 31), day(2, 28)), (day(2, 28), day(3, 31))]
    zone = ACCOUNT.zone
    hours = (local_midnight(day(3, 9), zone) - local_midnight(day(3, 8), zone)) // 3600
    yield "the day clocks go forward", hours, 23


def recurring_charges():
    yield "49.99 from Mar 10", Customer("49.99", day(3, 10)).bill(day(3, 10)), [3548]
    middle = Account("A1", 15, 15, "55401", "USD", ACCOUNT.zone)
    hundred = {"100": plan("100", "100.00")}
    subscription = Subscription("S1", "A1", "100", day(1, 1, 2011), None, 1, "", "", (), None)
    item = item_as_known(subscription, [], hundred, date.max)
    lines, _ = recurring.propose_item(item, middle, day(1, 1, 2011), recurring.Coverage())
    yield "100.00 from Jan 1 to Jan 15", [line.line.amount for line in lines], [4516]
    changes = (("plan", "79.99", [-3548, 5677]), ("quantity", "3", [-3548, 10643]))
    for what, value, wanted in changes:
        customer = Customer("49.99", day(3, 1))
        customer.bill(day(3, 1))
        yield f"{what} on Mar 10", customer.change(what, day(3, 10), value).bill(day(3, 10)), wanted
    down = Customer("79.99", day(3, 1))
    down.bill(day(3, 1))
    yield "down on Mar 10", down.change("plan", day(3, 10), "49.99").bill(day(3, 10)), [-5677, 3548]
    year = Customer("year", day(1, 1))
    yield "12 months, 10 % off", year.bill(day(1, 1)), [59988, -5999]
    back = year.change("cancel", day(5, 15)).bill(day(5, 15))
    yield "of them stays and is credited", (53989 + sum(back), -sum(back)), (19821, 34168)
    yield "keep", Customer("keep", day(3, 1)).change("suspend", day(3, 10)).bill(day(3, 1)), [4999]
    held = Customer("hold", day(3, 1)).change("suspend", day(3, 10)).bill(day(3, 1))
    yield "hold at 5.00 from Mar 10", held, [1451, day_values(5, 9, 31, 31)]
    late = Customer("arrears", day(3, 10))
    yield "arrears before the end", late.bill(day(3, 31)), []
    yield "arrears at the end", late.bill(day(4, 1)), [3548]


def discounts():
    def percent(number):
        return Discount(Fraction(number), None, None, None)

    five = Discount(None, Fraction(5), None, None)
    twenty = Customer("79.99", day(3, 10), (percent(20),)).bill(day(3, 10))
    yield "79.99 less 20 % from Mar 10", twenty, [5677, -1136]
    both = Customer("49.99", day(3, 1), (percent(10), five)).bill(day(3, 1))
    yield "10 %, then 5.00", both, [4999, -500, -500]
    yield "5.00 from Mar 10", Customer("49.99", day(3, 10), (five,)).bill(day(3, 10)), [3548, -355]
    short = Discount(Fraction(20), None, day(3, 1), day(3, 21))
    yield "20 % to Mar 21", Customer("49.99", day(3, 1), (short,)).bill(day(3, 1)), [4999, -645]
    back = Customer("49.99", day(3, 1), (percent(10),))
    back.bill(day(3, 1))
    yield "given back", back.change("cancel", day(3, 10)).bill(day(3, 10)), [-3548, 355]


def usage():
    points = [(0, (0, 0)), (2, (600_000_001, 7))]
    halves = [bytes_before(points, 0, second) for second in (-1, 0, 1, 2, 9)]
    yield "600,000,001 cut in half", halves, [0, 0, 300_000_000, 600_000_001, 600_000_001]
    wireless = plan("w", "34.99", allowance_gb=250, block_gb=Fraction(50), block_price=Fraction(10))
    used = [250 * GIGABYTE, 250 * GIGABYTE + 1, 300 * GIGABYTE, 300 * GIGABYTE + 1]
    blocks = [overage_cents(wireless, one, 250) for one in used]
    yield "started blocks", blocks, [0, 1000, 1000, 2000]
    yield "prorated allowance", [included_gb(wireless, n, 31) for n in (31, 10)], [250, 81]
    whole = [cents(n * Fraction("0.001")) for n in (333, 666)]
    yield "333, then 666 units at 0.001", [whole[0], whole[1] - whole[0]], [33, 34]


def voice():
    deck = Deck()
    deck.load(
        {"prefix": prefix, "destination": prefix, "rate_per_minute": rate, "connect_fee": fee,
         "first_increment": first, "next_increment": following}
        for prefix, rate, fee, first, following in (
            ("1", "0.0127", "0", 1, 1), ("44", "0.06", "0", 60, 60),
            ("447", "0.19", "0.05", 60, 60), ("52", "0.048", "0.4", 30, 6),
        )
    )
    seconds = [billed_seconds(deck.rate("521"), 31), billed_seconds(deck.rate("441"), 61)]
    yield "31 s at 30/6 and 61 s at 60/60", seconds, [36, 120]
    yield "7 s at 0.0127", cost_millionths(deck.rate("16515550100"), 7), 1482
    yield "0 s, connect fee included", cost_millionths(deck.rate("521"), 0), 0
    yield "with a connect fee", cost_millionths(deck.rate("447700"), 61), 430000
    yield "longest prefix", [deck.rate(n).destination for n in ("4420", "4477")], ["44", "447"]
    yield "no rate", deck.rate("8816"), None
    digits = [e164_digits(n) for n in ("01144770", "16515550100", "6515550100")]
    yield "dialled numbers", digits, ["44770", "16515550100", "16515550100"]


def taxes():
    def rate(jurisdiction, percent):
        return TaxRate(jurisdiction, Fraction(percent), date.min, None, frozenset(["voice"]))

    def line(amount, tax_class="voice", corrects=None):
        return Line("RECURRING", "S1", amount, tax_class, "4200", corrects=corrects)

    quebec = line(10000)
    tax_new_lines([quebec], [rate("CA", "5"), rate("QC", "9.975")])
    yield "Quebec", quebec.taxes, {"CA": 500, "QC": 998}
    december = line(3100)
    tax_new_lines([december], [rate("X", "6")])
    yield "31.00 at 6 %", december.taxes, {"X": 186}
    three = [line(999), line(999), line(999), line(5000, "internet_access")]
    tax_new_lines(three, [rate("X", "1")])
    yield "once per document, spread", [one.taxes.get("X") for one in three], [10, 10, 10, None]
    odd = line(999)
    odd.taxes = {"X": 7}
    credits = [line(-part, corrects=odd) for part in (500, 499)]
    for credit in credits:
        take_back_tax(credit)
    yield "the last credit takes the rest", [credit.taxes["X"] for credit in credits], [-4, -3]


def late_fees():
    yield "87.45 and 49.99 at 1.5 %", [late_fee(8745, 0), late_fee(4999, 0)], [131, 75]
    yield "at least 1.00", late_fee(4999, 100), 100
    book = Receivables()
    book.opening_balance("A1", 1000, day(3, 31))
    book.post("A1", 8745, day(3, 16), 0)
    yield "fee date", (book.late_fees(day(3, 25)), book.late_fees(day(3, 26))), ([], [("A1", 131)])
    book.pay("A1", 8745)
    yield "oldest due first", (book.late_fees(day(3, 26)), book.owed("A1")), ([], 1000)


def comparison():
    """A cent, a day, a date or a jurisdiction off is seen."""

    def facts(amount=999, end=day(4, 1), due=day(3, 16), jurisdiction="X", tax=5):
        line = Line("RECURRING", "S1", amount, "voice", "4200", day(3, 1), end)
        line.taxes = {jurisdiction: tax}
        return computed_facts(Document(day(3, 1), "A1", day(3, 1), due, "USD", [line]))

    yield "equal", differences(facts(), facts()), []
    yield "missing", bool(differences(facts(), None)), True
    for name, wrong in (("amount", 1000), ("end", day(3, 31)), ("due", day(3, 17)),
                        ("jurisdiction", "Y"), ("tax", 6)):
        yield f"another {name}", bool(differences(facts(), facts(**{name: wrong}))), True


def self_test():
    count, wrong = 0, 0
    for group in (numbers, dates, recurring_charges, discounts, usage, voice, taxes, late_fees,
                  comparison):
        for text, computed, wanted in group():
            count += 1
            if computed != wanted:
                wrong += 1
                print(f"{group.__name__}: {text}: computed {computed}, worked amount {wanted}")
    print(f"independent: {count - wrong} of {count} worked amounts agree")
    return 1 if wrong else 0
