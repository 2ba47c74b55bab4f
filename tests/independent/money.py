"""Exact amounts: cents are int, everything finer is a Fraction, nothing is ever a float."""

from fractions import Fraction
from math import floor


def round_half_away(value):
    """The nearest whole number; a half goes away from zero."""
    value = Fraction(value)
    magnitude = floor(abs(value) + Fraction(1, 2))
    return -magnitude if value < 0 else magnitude


def cents(dollars):
    """Dollars, exact, as rounded cents."""
    return round_half_away(Fraction(dollars) * 100)


def parse_cents(text):
    """An amount of a file, which has at most two decimals, as cents."""
    value = Fraction(text) * 100
    if value.denominator != 1:
        raise ValueError(f"{text} has fractions of a cent")
    return value.numerator


def format_cents(amount):
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100}.{abs(amount) % 100:02d}"


def day_values(full, first, end, days):
    """Cents of the days [first, end), counted from 0, of a period of `days` days worth `full`
    dollars: the value up to day i is round(full * i / days)."""
    return cents(Fraction(full) * end / days) - cents(Fraction(full) * first / days)


def spread(total, weights):
    """`total` cents over `weights` by largest remainder, ties to the earlier part."""
    if total < 0:
        return [-part for part in spread(-total, weights)]
    whole = sum(weights)
    if total == 0 or whole == 0:
        return [0] * len(weights)
    exact = [Fraction(total * weight, whole) for weight in weights]
    parts = [floor(share) for share in exact]
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts
