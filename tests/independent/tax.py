"""Taxes of a document."""

from fractions import Fraction

from money import cents, round_half_away, spread


def rates_at(inputs, account, day):
    """The rates of the jurisdictions of the account's address on the tax date."""
    jurisdictions = inputs.areas[account.postal_code]
    return [
        rate
        for rate in inputs.tax_rates
        if rate.jurisdiction in jurisdictions
        and rate.start <= day
        and (rate.end is None or day < rate.end)
    ]


def tax_new_lines(lines, rates):
    """Each rate once per document, spread over the lines it taxes."""
    for rate in rates:
        taxed = [line for line in lines if line.tax_class in rate.tax_classes]
        base = sum(line.amount for line in taxed)
        tax = cents(Fraction(base, 100) * rate.percent / 100)
        for line, part in zip(taxed, spread(tax, [line.amount for line in taxed])):
            line.taxes[rate.jurisdiction] = line.taxes.get(rate.jurisdiction, 0) + part


def take_back_tax(credit):
    """A credit takes the tax of its line back: of T on net N, after C credited in all,
    round(T * C / N) is gone."""
    original = credit.corrects
    original.credited -= credit.amount
    for jurisdiction, tax in original.taxes.items():
        gone = round_half_away(Fraction(tax * original.credited, original.amount))
        before = original.taxes_back.get(jurisdiction, 0)
        original.taxes_back[jurisdiction] = gone
        credit.taxes[jurisdiction] = before - gone
