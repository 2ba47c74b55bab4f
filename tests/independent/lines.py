"""The lines of a document."""

from dataclasses import dataclass, field
from datetime import date


@dataclass(eq=False)
class Line:
    kind: str
    subscription: str
    amount: int  # cents
    tax_class: str
    account_code: str
    start: date = None  # the interval [start, end); none for late fees
    end: date = None
    corrects: object = None  # the Line whose days this one takes back
    taxes: dict = field(default_factory=dict)  # jurisdiction -> cents
    credited: int = 0  # cents taken back of this line so far
    taxes_back: dict = field(default_factory=dict)  # jurisdiction -> cents taken back so far
