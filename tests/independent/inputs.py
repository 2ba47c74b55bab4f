"""Reads the input folder: rows become plain objects, nothing is computed here."""

import csv
import os
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from zoneinfo import ZoneInfo

from money import parse_cents


@dataclass(frozen=True)
class Plan:
    code: str
    tax_class: str
    account_code: str
    price: Fraction
    arrears: bool
    months: int
    suspension: str
    hold_price: Fraction
    term_discount_percent: Fraction
    allowance_gb: int  # None: no data usage is billed
    prorate_allowance: bool
    block_gb: Fraction
    block_price: Fraction
    usage_tax_class: str
    usage_direction: str
    deck: str  # empty: no calls are billed


@dataclass(frozen=True)
class Account:
    number: str
    cycle_day: int
    terms_days: int
    postal_code: str
    currency: str
    zone: ZoneInfo


@dataclass(frozen=True)
class Discount:
    percent: Fraction  # None: an amount
    amount: Fraction
    start: date  # None: always was
    end: date  # None: for ever


@dataclass(frozen=True)
class Subscription:
    id: str
    account: str
    plan: str
    start: date
    paid_through: date  # None: nothing was billed by anyone
    quantity: int
    username: str
    did: str
    discounts: tuple
    entered: date  # None: known from the beginning


@dataclass(frozen=True)
class Change:
    entered: date
    effective: date
    what: str
    value: str


@dataclass(frozen=True)
class TaxRate:
    jurisdiction: str
    percent: Fraction
    start: date
    end: date
    tax_classes: frozenset


@dataclass
class Inputs:
    folder: str
    plans: dict
    accounts: dict
    subscriptions: list
    changes: dict  # subscription -> changes in file order
    tax_rates: list
    areas: dict  # postal code -> jurisdictions
    tokens: dict  # account -> token of its payment method
    payers: dict  # account -> (kind, days)
    opening_balances: list
    runs: list
    usage_files: list


def rows(folder, name):
    with open(os.path.join(folder, name), newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def optional_date(text):
    return date.fromisoformat(text) if text else None


def optional_number(text):
    return Fraction(text) if text else None


def read_plan(row):
    if row["usage_unit"] not in ("", "gb"):
        raise ValueError(f"plan {row['code']}: unknown usage unit {row['usage_unit']}")
    if row["timing"] not in ("advance", "arrears"):
        raise ValueError(f"plan {row['code']}: unknown timing {row['timing']}")
    if row["suspension"] not in ("keep", "stop", "hold"):
        raise ValueError(f"plan {row['code']}: unknown suspension {row['suspension']}")
    return Plan(
        code=row["code"],
        tax_class=row["tax_class"],
        account_code=row["account_code"],
        price=Fraction(row["price"]),
        arrears=row["timing"] == "arrears",
        months=int(row["months"]),
        suspension=row["suspension"],
        hold_price=optional_number(row["hold_price"]),
        term_discount_percent=optional_number(row["term_discount_percent"]),
        allowance_gb=int(row["allowance"]) if row["allowance"] else None,
        prorate_allowance=row["prorate_allowance"] == "yes",
        block_gb=optional_number(row["block_size"]),
        block_price=optional_number(row["block_price"]),
        usage_tax_class=row["usage_tax_class"],
        usage_direction=row["usage_direction"],
        deck=row["decks"],
    )


def read_subscription(row):
    for column in ("end_date", "price", "changes"):
        if row[column]:
            raise ValueError(f"{row['subscription_id']}: {column} is expected to be empty")
    discounts = ()
    if row["discount_percent"] or row["discount_amount"]:
        discounts = (
            Discount(
                percent=optional_number(row["discount_percent"]),
                amount=optional_number(row["discount_amount"]),
                start=optional_date(row["discount_from"]),
                end=optional_date(row["discount_to"]),
            ),
        )
    return Subscription(
        id=row["subscription_id"],
        account=row["account_number"],
        plan=row["plan"],
        start=date.fromisoformat(row["start_date"]),
        paid_through=optional_date(row["paid_through"]),
        quantity=int(row["quantity"]),
        username=row["radius_username"],
        did=row["did"],
        discounts=discounts,
        entered=optional_date(row.get("entered_date", "")),
    )


def read_accounts(folder):
    return {
        row["account_number"]: Account(
            number=row["account_number"],
            cycle_day=int(row["cycle_day"]),
            terms_days=int(row["terms_days"]),
            postal_code=row["postal_code"][:5],
            currency=row["currency"],
            zone=ZoneInfo(row["time_zone"]),
        )
        for row in rows(folder, "accounts.csv")
    }


def read_changes(folder):
    changes = defaultdict(list)
    for row in rows(folder, "changes.csv"):
        changes[row["subscription_id"]].append(
            Change(
                entered=date.fromisoformat(row["entered_date"]),
                effective=date.fromisoformat(row["effective_date"]),
                what=row["change"],
                value=row["value"],
            )
        )
    return changes


def read_tax_rates(folder):
    return [
        TaxRate(
            jurisdiction=row["jurisdiction_code"],
            percent=Fraction(row["rate"]),
            start=date.fromisoformat(row["valid_from"]),
            end=optional_date(row["valid_to"]),
            tax_classes=frozenset(row["tax_classes"].split()),
        )
        for row in rows(folder, "tax_rates.csv")
    ]


def read_inputs(folder):
    subscriptions = [read_subscription(row) for row in rows(folder, "subscriptions.csv")]
    subscriptions += [read_subscription(row) for row in rows(folder, "new_subscriptions.csv")]
    return Inputs(
        folder=folder,
        plans={row["code"]: read_plan(row) for row in rows(folder, "plans.csv")},
        accounts=read_accounts(folder),
        subscriptions=subscriptions,
        changes=read_changes(folder),
        tax_rates=read_tax_rates(folder),
        areas={
            row["postal_code"]: row["jurisdictions"].split()
            for row in rows(folder, "tax_areas.csv")
        },
        tokens={
            row["account_number"]: row["token"] for row in rows(folder, "payment_methods.csv")
        },
        payers={
            row["account_number"]: (row["kind"], int(row["pays_after_days"] or 0))
            for row in rows(folder, "payers.csv")
        },
        opening_balances=[
            (
                row["account_number"],
                parse_cents(row["amount"]),
                date.fromisoformat(row["due_date"]),
            )
            for row in rows(folder, "opening_balances.csv")
        ],
        runs=[date.fromisoformat(row["as_of"]) for row in rows(folder, "runs.csv")],
        usage_files=[
            (date.fromisoformat(row["loaded_date"]), row["file"], row["format"])
            for row in rows(folder, "usage.csv")
        ],
    )
