"""Rules that several aggregates share: checks of one field each, without I/O."""

from collections.abc import Iterator
from dataclasses import dataclass

from millrace_reference.npi import is_valid_npi
from millrace_reference.phones import normalize_phone
from millrace_reference.places import find_nearest_zips, find_place
from millrace_reference.specialties import taxonomy_name

_STATES = """
AK AL AR AS AZ CA CO CT DC DE FL GA GU HI IA ID IL IN KS KY LA MA MD ME MI MN MO MP MS MT NC ND NE NH NJ NM NV NY OH
OK OR PA PR RI SC SD TN TX UT VA VI VT WA WI WV WY
"""
STATES = frozenset(_STATES.split())
"""USPS codes of the states, the District of Columbia and the territories."""


def load_tables() -> None:
    """Load the reference data of the checks, which takes 0.3 s, before the first request has to wait for it."""
    find_place("")
    taxonomy_name("")
    normalize_phone("")


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule: the field (dotted path in the resource), what is wrong, and what to do."""

    field: str
    detail: str
    remedy: str


def check_npi(field: str, npi: str) -> Iterator[Violation]:
    """Require ten digits, the last one the Luhn digit of `80840` and the first nine (45 CFR 162.406)."""
    if not is_valid_npi(npi):
        yield Violation(field, "Not an NPI: its check digit is wrong.", "Look the number up in NPPES.")


def check_taxonomy(field: str, code: str) -> Iterator[Violation]:
    """Require a code of the NUCC provider taxonomy."""
    if taxonomy_name(code) is None:
        yield Violation(field, "Not a NUCC taxonomy code.", "Send a code that /v1/specialties lists for the specialty.")


def check_state(field: str, state: str) -> Iterator[Violation]:
    """Require the USPS code of a state or territory."""
    if state not in STATES:
        yield Violation(field, "Not a state of the United States.", "Send its two-letter USPS code.")


def check_zip(field: str, code: str) -> Iterator[Violation]:
    """Require a ZIP code with a known position: searches by distance can't find other locations."""
    if find_place(code[:5]) is None:
        known = ", ".join(find_nearest_zips(code[:5]))
        remedy = f"Similar ZIP codes: {known}." if known else "Look the ZIP code up at the USPS."
        yield Violation(field, "Not a known ZIP code.", remedy)


def check_phone(field: str, number: str | None) -> Iterator[Violation]:
    """Require a valid telephone number in any spelling, or None."""
    if number is not None and normalize_phone(number) is None:
        yield Violation(field, "Not a valid telephone number.", "Send area code and number, or null.")
