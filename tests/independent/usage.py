"""Data usage from RADIUS detail files."""

import os
from bisect import bisect_right
from collections import defaultdict
from fractions import Fraction
from math import ceil

from money import cents

GIGABYTE = 10**9


class Sessions:
    """The readings loaded so far: user -> session -> second -> (bytes down, bytes up)."""

    def __init__(self):
        self.users = defaultdict(lambda: defaultdict(dict))

    def load(self, folder, name):
        for record in detail_records(os.path.join(folder, name)):
            self.add(record)

    def add(self, record):
        second = int(record["Timestamp"])
        start = second - int(record["Acct-Session-Time"])
        down, up = octets(record, "Output"), octets(record, "Input")
        session = (record["NAS-IP-Address"], record["Acct-Session-Id"])
        readings = self.users[record["User-Name"]][session]
        self.keep(readings, start, (0, 0), session)
        if second > start:
            self.keep(readings, second, (down, up), session)

    def keep(self, readings, second, counters, session):
        if readings.setdefault(second, counters) != counters:
            raise ValueError(f"session {session}: two readings of {second} differ")

    def bytes_between(self, user, begin, end, direction):
        """Bytes in [begin, end), Unix seconds."""
        total = 0
        for readings in self.users[user].values():
            points = sorted(readings.items())
            down = bytes_before(points, 0, end) - bytes_before(points, 0, begin)
            up = bytes_before(points, 1, end) - bytes_before(points, 1, begin)
            total += {"download": down, "upload": up, "both": down + up}[direction]
        return total


def detail_records(path):
    record = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith(("\t", " ")) and line.strip():
                name, _, value = line.strip().partition(" = ")
                record[name] = value.strip('"')
            elif record:
                yield record
                record = {}
    if record:
        yield record


def octets(record, way):
    words = int(record.get(f"Acct-{way}-Gigawords", 0))
    return words * 2**32 + int(record[f"Acct-{way}-Octets"])


def bytes_before(points, way, second):
    """Bytes of a session before a moment; between two readings by cumulative floor."""
    after = bisect_right(points, second, key=lambda point: point[0])
    if after == 0:
        return 0
    earlier, counters = points[after - 1]
    if after == len(points):
        return counters[way]
    later, next_counters = points[after]
    grown = next_counters[way] - counters[way]
    if grown < 0:
        raise ValueError("a counter of a session went back")
    return counters[way] + grown * (second - earlier) // (later - earlier)


def included_gb(plan, days, days_of_month):
    if days == days_of_month or not plan.prorate_allowance:
        return plan.allowance_gb
    return ceil(Fraction(plan.allowance_gb * days, days_of_month))


def overage_cents(plan, octets_used, included):
    over = max(0, octets_used - included * GIGABYTE)
    blocks = ceil(over / (plan.block_gb * GIGABYTE))
    return cents(blocks * plan.block_price)
