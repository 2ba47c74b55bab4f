"""Calls from Asterisk's Master.csv, rated by a deck."""

import csv
import os
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import ceil

from money import round_half_away


@dataclass(frozen=True)
class Call:
    line: str  # +1612…
    called: str  # E.164 digits
    day: date  # local civil date of the answer
    seconds: int


@dataclass(frozen=True)
class Rate:
    destination: str
    per_minute: Fraction
    connect_fee: Fraction
    first: int
    following: int


def e164_digits(dialled):
    if dialled.startswith("011"):
        return dialled[3:]
    if len(dialled) == 11 and dialled.startswith("1"):
        return dialled
    if len(dialled) == 10:
        return "1" + dialled
    raise ValueError(f"unknown form of a dialled number: {dialled}")


def billed_seconds(rate, seconds):
    if seconds <= 0:
        return 0
    further = max(0, seconds - rate.first)
    return rate.first + ceil(Fraction(further, rate.following)) * rate.following


def cost_millionths(rate, seconds):
    """Millionths of a dollar of a call."""
    if seconds <= 0:
        return 0
    cost = rate.connect_fee + Fraction(billed_seconds(rate, seconds), 60) * rate.per_minute
    return round_half_away(cost * 10**6)


class Deck:
    def __init__(self):
        self.rates = {}  # prefix -> Rate

    def load(self, rows):
        for row in rows:
            self.rates[row["prefix"]] = Rate(
                destination=row["destination"],
                per_minute=Fraction(row["rate_per_minute"]),
                connect_fee=Fraction(row["connect_fee"]),
                first=int(row["first_increment"]),
                following=int(row["next_increment"]),
            )

    def rate(self, digits):
        """The rate of the longest prefix, or None."""
        for length in range(len(digits), 0, -1):
            if digits[:length] in self.rates:
                return self.rates[digits[:length]]
        return None


class Calls:
    """The calls loaded so far that count, by line."""

    def __init__(self):
        self.by_line = defaultdict(list)
        self.seen = {}

    def load(self, folder, name):
        with open(os.path.join(folder, name), newline="", encoding="utf-8") as file:
            for row in csv.reader(file):
                self.add(row)

    def add(self, row):
        identity = (row[16], row[20])
        if identity in self.seen:
            if self.seen[identity] != row:
                raise ValueError(f"call {identity} stands in two different rows")
            return
        self.seen[identity] = row
        seconds = int(row[13] or 0)
        if row[14] != "ANSWERED" or seconds <= 0:
            return
        answer = date.fromisoformat(row[10][:10])
        call = Call("+" + row[1], e164_digits(row[2]), answer, seconds)
        self.by_line[call.line].append(call)

    def between(self, line, begin, end):
        return [call for call in self.by_line[line] if begin <= call.day < end]
