"""Compares computed documents with an export."""

import csv
import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta

from money import format_cents, parse_cents

SHOWN = 20
LINE_KEY = ("kind", "subscription_id", "tax_class", "account_code")


@dataclass(eq=False)
class Exported:
    row: dict
    lines: list = field(default_factory=list)
    taxes: list = field(default_factory=list)


def read_export(folder):
    """number -> Exported; a line or tax of an unknown document is an error of the export."""
    documents, problems = {}, []
    for row in read(folder, "documents.csv"):
        if row["number"] in documents:
            problems.append(f"number {row['number']} stands twice")
        documents[row["number"]] = Exported(row)
    for name, attribute in (("lines.csv", "lines"), ("taxes.csv", "taxes")):
        for row in read(folder, name):
            document = documents.get(row["number"])
            if document is None or document.row["account_number"] != row["account_number"]:
                problems.append(f"{name}: no document {row['number']} of {row['account_number']}")
            else:
                getattr(document, attribute).append(row)
    return documents, problems


def read(folder, name):
    with open(os.path.join(folder, name), newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def check_numbers(documents):
    """Numbers of a series count from 1 without gaps; later numbers never have earlier dates."""
    problems = []
    series = defaultdict(list)
    for number, document in documents.items():
        prefix, year, count = number.split("-")
        wanted = {"invoice": "INV", "credit_note": "CN"}[document.row["kind"]]
        if prefix != wanted or year != document.row["invoice_date"][:4]:
            problems.append(f"{number}: {document.row['kind']} of {document.row['invoice_date']}")
        series[prefix, year].append((int(count), document.row))
    for (prefix, year), members in sorted(series.items()):
        members.sort(key=lambda member: member[0])
        counts = [count for count, _ in members]
        if counts != list(range(1, len(counts) + 1)):
            problems.append(f"{prefix}-{year}: {len(counts)} numbers, the last is {counts[-1]}")
        for (_, before), (_, after) in zip(members, members[1:]):
            if before["invoice_date"] > after["invoice_date"]:
                problems.append(f"{after['number']} is dated before {before['number']}")
    return problems


def check_sums(documents):
    """A document adds up: positions from 1, net = lines, tax = taxes, total = net + tax."""
    problems = []
    for number, document in documents.items():
        row = document.row
        net = sum(parse_cents(line["amount"]) for line in document.lines)
        tax = sum(parse_cents(line["amount"]) for line in document.taxes)
        positions = [int(line["position"]) for line in document.lines]
        if positions != list(range(1, len(positions) + 1)):
            problems.append(f"{number}: line positions {positions}")
        stated = tuple(parse_cents(row[name]) for name in ("net", "tax", "total"))
        if (net, tax, net + tax) != stated:
            problems.append(f"{number}: lines or taxes do not add up to the document")
    return problems


def exported_facts(document):
    """All that is compared, in a form that does not depend on how days are cut into lines."""
    row = document.row
    facts = {name: row[name] for name in ("kind", "invoice_date", "due_date", "currency")}
    facts.update({name: parse_cents(row[name]) for name in ("net", "tax", "total")})
    lines = [
        (
            line_key(*(line[name] for name in LINE_KEY)),
            line["start_date"] and date.fromisoformat(line["start_date"]),
            line["end_date"] and date.fromisoformat(line["end_date"]),
            parse_cents(line["amount"]),
        )
        for line in document.lines
    ]
    taxes = [
        (tax["jurisdiction_code"], parse_cents(tax["base"]), parse_cents(tax["amount"]))
        for tax in document.taxes
    ]
    return add_details(facts, lines, taxes)


def computed_facts(document):
    facts = {
        "kind": document.kind,
        "invoice_date": document.invoice_date.isoformat(),
        "due_date": document.due_date.isoformat(),
        "currency": document.currency,
        "net": document.net,
        "tax": document.tax,
        "total": document.total,
    }
    lines = [
        (
            line_key(line.kind, line.subscription, line.tax_class, line.account_code),
            line.start,
            line.end,
            line.amount,
        )
        for line in document.lines
    ]
    taxes = [
        (jurisdiction, line.amount, amount)
        for line in document.lines
        for jurisdiction, amount in line.taxes.items()
    ]
    return add_details(facts, lines, taxes)


def line_key(kind, subscription, tax_class, account_code):
    return " ".join([kind, subscription, tax_class, account_code])


def add_details(facts, lines, taxes):
    """Amounts per charge, the days each is for, bases and taxes per jurisdiction."""
    amounts, days, bases, jurisdictions = Counter(), Counter(), Counter(), Counter()
    for key, start, end, amount in lines:
        amounts[key] += amount
        if start and not key.startswith("DISCOUNT"):
            for i in range((end - start).days):
                days[f"{key} {start + timedelta(days=i)}"] += 1
    for jurisdiction, base, amount in taxes:
        bases[jurisdiction] += base
        jurisdictions[jurisdiction] += amount
    facts["amount of"] = amounts
    facts["lines for"] = days
    facts["base of"] = bases
    facts["tax of"] = jurisdictions
    return facts


def differences(computed, exported):
    """Texts of what differs between two sides; either may be missing."""
    if computed is None or exported is None:
        return ["missing in the export" if exported is None else "surplus in the export"]
    texts = []
    for name, value in computed.items():
        other = exported[name]
        if not isinstance(value, Counter):
            if value != other:
                texts.append(f"{name}: computed {show(value)}, exported {show(other)}")
            continue
        form = str if name == "lines for" else show
        for key in sorted(set(value) | set(other)):
            if value[key] != other[key]:
                sides = f"computed {form(value[key])}, exported {form(other[key])}"
                texts.append(f"{name} {key}: {sides}")
    return texts


def show(value):
    return format_cents(value) if isinstance(value, int) else value


def print_documents(computed, exported):
    """Both sides of a document in full."""
    if computed is not None:
        for line in computed.lines:
            taxes = " ".join(f"{j}={format_cents(a)}" for j, a in line.taxes.items() if a)
            interval = f"{line.start or ''}..{line.end or ''}"
            print(f"    computed {line.kind} {line.subscription} {interval}"
                  f" {format_cents(line.amount)} {taxes}")
    if exported is not None:
        for line in exported.lines:
            print(f"    exported {line['kind']} {line['subscription_id']}"
                  f" {line['start_date']}..{line['end_date']} {line['amount']}"
                  f" {line['description']}")
        for tax in exported.taxes:
            print(f"    exported tax {tax['jurisdiction_code']} {tax['amount']} on {tax['base']}")


def by_run_and_account(documents):
    """(run, account) -> Exported, and the problems of a second document of one."""
    found, problems = {}, []
    for number, document in documents.items():
        key = (document.row["run_as_of"], document.row["account_number"])
        if key in found:
            problems.append(f"{number}: {key[1]} has another document of the run of {key[0]}")
        found[key] = document
    return found, problems


def compare(computed_documents, folder):
    """Prints every disagreement and the totals; whether all agree."""
    by_number, problems = read_export(folder)
    exported, doubles = by_run_and_account(by_number)
    problems += doubles + check_numbers(by_number) + check_sums(by_number)
    for problem in problems[:SHOWN]:
        print(f"export: {problem}")
    computed = {(d.run.isoformat(), d.account): d for d in computed_documents}
    agreed, different = [], 0
    for run, account in sorted(set(computed) | set(exported)):
        mine, theirs = computed.get((run, account)), exported.get((run, account))
        texts = differences(
            computed_facts(mine) if mine else None, exported_facts(theirs) if theirs else None
        )
        if not texts:
            agreed.append(theirs)
            continue
        different += 1
        if different <= SHOWN:
            print(f"{account}, run of {run}, {theirs.row['number'] if theirs else 'no number'}:")
            for text in texts:
                print(f"  {text}")
            print_documents(mine, theirs)
    if problems:
        print(f"independent: {len(problems):,} problems within the export")
    if different:
        print(f"independent: {different:,} documents differ")
    lines = sum(len(document.lines) for document in agreed)
    taxes = sum(len(document.taxes) for document in agreed)
    counts = f"{len(agreed):,} documents, {lines:,} lines, {taxes:,} taxes"
    print(f"independent: {counts} agree to the cent")
    return bool(agreed) and not different and not problems
