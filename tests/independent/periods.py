"""Civil dates: cycle days, anchored periods, local midnights."""

import calendar
from datetime import date, datetime, timezone


def cycle_date(month_number, cycle_day):
    """The cycle day in a month; months are numbered 12 * year + month - 1."""
    year, month = divmod(month_number, 12)
    month += 1
    return date(year, month, min(cycle_day, calendar.monthrange(year, month)[1]))


def month_number(day):
    return 12 * day.year + day.month - 1


def anchor_month(start, cycle_day):
    """The month whose cycle day is the first one on or after `start`."""
    number = month_number(start)
    return number if cycle_date(number, cycle_day) >= start else number + 1


def periods(start, cycle_day, months, first_day, last_day):
    """The periods of `months` months that touch [first_day, last_day], in order, anchored at the
    first cycle day on or after `start`. Every boundary is counted from the anchor."""
    anchor = anchor_month(start, cycle_day)
    n = (month_number(first_day) - anchor) // months - 1
    result = []
    while True:
        begin = cycle_date(anchor + n * months, cycle_day)
        end = cycle_date(anchor + (n + 1) * months, cycle_day)
        if begin > last_day:
            return result
        if end > first_day:
            result.append((begin, end))
        n += 1


def local_midnight(day, zone):
    """The Unix second at which the civil date begins."""
    moment = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(timezone.utc)
    return int(moment.timestamp())
