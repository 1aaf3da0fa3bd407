"""What the importers make of their files, whatever the format: plain rows for the staging tables.

Identifiers stay text, as the driver takes it: millions of UUID objects would be made for nothing.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from millrace_contracts.entities import location_id, practice_id, provider_location_id
from millrace_directory.rules import STATES
from millrace_reference.places import place

_ABSENT = frozenset({"<UNAVAIL>", "--"})
_ZIP_LENGTHS = (5, 9)


class Rejected(Exception):  # noqa: N818 # it is the row that is rejected
    """The row can't be used; the text is the reason, the same for all rows with the same fault."""


class LocationRow(NamedTuple):
    """An address where someone practises. Fields in the order of `staged_location`."""

    id: str
    line1: str
    line2: str | None
    city: str
    state: str
    zip: str


class ProviderRow(NamedTuple):
    """A person. Fields in the order of `staged_provider`."""

    npi: str
    last_name: str
    first_name: str
    middle_name: str | None
    suffix: str | None
    credential: str | None
    sex: str | None
    taxonomy: str
    taxonomies: Sequence[str]


class ProviderLocationRow(NamedTuple):
    """A person at an address. Fields in the order of `staged_provider_location`."""

    id: str
    npi: str
    location_id: str
    taxonomy: str
    phone: str | None


class PracticeRow(NamedTuple):
    """An organization and its address. Fields in the order of `staged_practice`."""

    id: str
    npi: str
    name: str
    phone: str | None
    location_id: str


def text(value: str) -> str:
    """A field without the white space around it; empty where the register says that it has none."""
    value = value.strip()
    return "" if value in _ABSENT else value


def optional(value: str) -> str | None:
    return text(value) or None


# Many rows in a row have the same address: those of one practice.
@lru_cache(8_192)
def location_row(line1: str, line2: str, city: str, state: str, zip_code: str) -> LocationRow:
    """The location at an address in the United States or a territory. Raises `Rejected`."""
    digits = zip_code.replace("-", "").strip()
    if not digits:
        raise Rejected("no ZIP code")
    if len(digits) not in _ZIP_LENGTHS or not (digits.isascii() and digits.isdigit()):
        raise Rejected("not a ZIP code")
    line1, city, state = text(line1), text(city), text(state).upper()
    if not line1 or not city:
        raise Rejected("no practice address")
    if state not in STATES:
        raise Rejected("unknown state")
    zip5 = digits[:5]
    if place(zip5) is None:
        raise Rejected("unknown ZIP code")
    second = optional(line2)
    key = location_id(line1=line1, line2=second, city=city, state=state, zip5=zip5)
    return LocationRow(key, line1, second, city, state, digits)


def provider_location_row(npi: str, location: str, taxonomy: str, phone: str | None) -> ProviderLocationRow:
    return ProviderLocationRow(provider_location_id(npi, location), npi, location, taxonomy, phone)


def practice_row(npi: str, name: str, phone: str | None, location: str) -> PracticeRow:
    return PracticeRow(practice_id(npi), npi, name, phone, location)
