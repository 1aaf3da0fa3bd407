"""Rules that several aggregates share: pure checks of one field each, which say what is wrong and what helps."""

from collections.abc import Iterator
from dataclasses import dataclass

from millrace_reference.npi import is_valid_npi
from millrace_reference.phones import e164
from millrace_reference.places import nearest_zips, place
from millrace_reference.specialties import taxonomy_name

_STATES = """
AK AL AR AS AZ CA CO CT DC DE FL GA GU HI IA ID IL IN KS KY LA MA MD ME MI MN MO MP MS MT NC ND NE NH NJ NM NV NY OH
OK OR PA PR RI SC SD TN TX UT VA VI VT WA WI WV WY
"""
STATES = frozenset(_STATES.split())
"""USPS codes of the states, the District of Columbia and the territories."""


def load_tables() -> None:
    """Read what the checks look up, some 0.3 s; else the first request that needs it would hold up all others."""
    place("")
    taxonomy_name("")
    e164("")


@dataclass(frozen=True, slots=True)
class Violation:
    """A field (dotted path in the resource) that breaks a rule: what is wrong, and what to do about it."""

    field: str
    detail: str
    remedy: str


def check_npi(field: str, npi: str) -> Iterator[Violation]:
    """Ten digits whose last one is the Luhn digit over `80840` and the first nine (45 CFR 162.406)."""
    if not is_valid_npi(npi):
        yield Violation(field, f"{npi!r} is not an NPI: its check digit is wrong.", "Look the number up in NPPES.")


def check_taxonomy(field: str, code: str) -> Iterator[Violation]:
    """A code of the NUCC provider taxonomy."""
    if taxonomy_name(code) is None:
        yield Violation(
            field,
            f"{code!r} is not a NUCC taxonomy code.",
            "Take a code that /v1/specialties lists under the specialty.",
        )


def check_state(field: str, state: str) -> Iterator[Violation]:
    """A USPS code of a state or territory."""
    if state not in STATES:
        yield Violation(field, f"{state!r} is not a state of the United States.", "Send its two-letter USPS code.")


def check_zip(field: str, code: str) -> Iterator[Violation]:
    """A ZIP code whose place is known: without one, what is there can't be found by distance."""
    if place(code[:5]) is None:
        known = ", ".join(nearest_zips(code[:5]))
        remedy = f"ZIP codes like it: {known}." if known else "Look the ZIP code up at the USPS."
        yield Violation(field, f"{code!r} is not a known ZIP code.", remedy)


def check_phone(field: str, number: str | None) -> Iterator[Violation]:
    """A number that can be called, in any spelling."""
    if number is not None and e164(number) is None:
        yield Violation(
            field, f"{number!r} is not a valid telephone number.", "Send area code and number, or null for none."
        )
