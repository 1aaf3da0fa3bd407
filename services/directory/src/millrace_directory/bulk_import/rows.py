"""Rows of the staging tables, which the importers of all file formats make.

Identifiers are text, which the driver accepts: creating millions of UUID objects would only take time.
"""

from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from millrace_contracts.entities import practice_id, provider_location_id
from millrace_directory.bulk_import.rejects import RejectedRowError
from millrace_directory.rules import STATES
from millrace_reference.addresses import location_id
from millrace_reference.places import find_place

_ABSENT = frozenset({"<UNAVAIL>", "--"})
_ZIP_LENGTHS = (5, 9)


class LocationRow(NamedTuple):
    """Location at an address of a provider or practice. Fields are columns of `location` and `staged_location`."""

    id: str
    line1: str
    line2: str | None
    city: str
    state: str
    zip: str


class ProviderRow(NamedTuple):
    """Provider. Fields are columns of `provider` and of `staged_provider`."""

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
    """Provider-location. Fields are columns of `provider_location` and of `staged_provider_location`."""

    id: str
    npi: str
    location_id: str
    taxonomy: str
    phone: str | None


class PracticeRow(NamedTuple):
    """Practice. Fields are columns of `practice` and of `staged_practice`."""

    id: str
    npi: str
    name: str
    phone: str | None


class Source(IntEnum):
    """The file that named an address; of several, the lowest counts."""

    PRIMARY = 0
    """The main file of NPPES."""
    SECONDARY = 1
    """The Practice Location Reference File of NPPES."""
    QHP = 2


class AddressRow(NamedTuple):
    """An address of an NPI in a file. Fields are columns of `imported_address` and of `staged_address`.

    `phone` is the number of an organization there if it isn't that of the practice.
    """

    npi: str
    location_id: str
    is_organization: bool
    source: int
    phone: str | None = None


def text(value: str) -> str:
    """Return a stripped field; an empty text for `<UNAVAIL>` and `--`, with which NPPES marks absent values."""
    value = value.strip()
    return "" if value in _ABSENT else value


def optional(value: str) -> str | None:
    """Return a stripped field; None if it is empty, `<UNAVAIL>` or `--`, with which NPPES marks absent values."""
    return text(value) or None


# Cached: many rows have the same address, those of one practice or hospital, and normalizing it takes longest.
@lru_cache(65_536)
def location_row(line1: str, line2: str, city: str, state: str, zip_code: str) -> LocationRow:
    """Return the row of an address in the United States or a territory; raise `RejectedRowError` for others.

    The `field` of the error is the name of the parameter, `zip` for the ZIP code.
    """
    digits = zip_code.replace("-", "").strip()
    if not digits:
        raise RejectedRowError("no ZIP code", "zip", zip_code)
    if len(digits) not in _ZIP_LENGTHS or not (digits.isascii() and digits.isdigit()):
        raise RejectedRowError("not a ZIP code", "zip", zip_code)
    line1, city, given_state = text(line1), text(city), state
    state = text(given_state).upper()
    if not line1 or not city:
        raise RejectedRowError("no practice address", "city" if line1 else "line1")
    if state not in STATES:
        raise RejectedRowError("unknown state", "state", given_state)
    zip5 = digits[:5]
    if find_place(zip5) is None:
        raise RejectedRowError("unknown ZIP code", "zip", zip_code)
    second = optional(line2)
    key = location_id(line1=line1, line2=second, city=city, state=state, zip5=zip5)
    return LocationRow(key, line1, second, city, state, digits)


def provider_location_row(npi: str, location: str, taxonomy: str, phone: str | None) -> ProviderLocationRow:
    return ProviderLocationRow(provider_location_id(npi, location), npi, location, taxonomy, phone)


def practice_row(npi: str, name: str, phone: str | None) -> PracticeRow:
    return PracticeRow(practice_id(npi), npi, name, phone)
