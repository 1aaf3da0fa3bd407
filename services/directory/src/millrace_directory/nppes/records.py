"""Converts rows of the NPPES dissemination file to providers, practices and deactivated NPIs, without I/O."""

from collections.abc import Sequence
from datetime import date, datetime
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

from millrace_directory.bulk_import.errors import UnusableFileError
from millrace_directory.bulk_import.rejects import RejectedRowError
from millrace_directory.bulk_import.rows import (
    LocationRow,
    PracticeRow,
    ProviderLocationRow,
    ProviderRow,
    location_row,
    optional,
    practice_row,
    provider_location_row,
    text,
)
from millrace_directory.bulk_import.texts import find_fault, is_surely_clean
from millrace_reference.npi import is_valid_npi
from millrace_reference.nppes import DOING_BUSINESS_AS, OTHER_NAME_COLUMNS, TAXONOMIES, address_columns
from millrace_reference.specialties import find_specialty_by_taxonomy

TWO_PRIMARY: Final = "two primary taxonomies: used the first one"
NO_PRIMARY: Final = "no primary taxonomy: used the first one"
UNKNOWN_SEX: Final = "unknown sex code: ignored"
UNKNOWN_SECONDARY: Final = "unknown secondary taxonomy code: ignored"

# NPPES has territories of the United States as countries.
COUNTRIES = frozenset({"", "US", "PR", "GU", "VI", "AS", "MP", "UM"})
_SEXES = frozenset({"F", "M", "X"})
_UNDISCLOSED = "U"
_INDIVIDUAL, _ORGANIZATION = "1", "2"

IDENTIFIER: Final = "NPI"
_KIND, _ORGANIZATION_NAME = "Entity Type Code", "Provider Organization Name (Legal Business Name)"
_LAST_NAME, _FIRST_NAME = "Provider Last Name (Legal Name)", "Provider First Name"
_OTHER_NAME, _OTHER_NAME_TYPE = OTHER_NAME_COLUMNS[1:3]
_DEACTIVATED, _REACTIVATED = "NPI Deactivation Date", "NPI Reactivation Date"
_ADDRESS = address_columns("Practice Location")[:-1]  # without the fax number
_COUNTRY = _ADDRESS[-2]
_ADDRESS_COLUMNS = dict(zip(("line1", "line2", "city", "state", "zip"), _ADDRESS, strict=False))
"""Columns by the names that `location_row` has for them."""

_FIELDS = (
    IDENTIFIER,
    _KIND,
    _ORGANIZATION_NAME,
    _LAST_NAME,
    _FIRST_NAME,
    "Provider Middle Name",
    "Provider Name Suffix Text",
    "Provider Credential Text",
    _OTHER_NAME,
    _OTHER_NAME_TYPE,
    *_ADDRESS,
    _DEACTIVATED,
    _REACTIVATED,
    "Provider Sex Code",
)
_OLD_NAMES = {"Provider Sex Code": "Provider Gender Code"}
_CODES = tuple(f"Healthcare Provider Taxonomy Code_{number}" for number in range(1, TAXONOMIES + 1))
_SWITCHES = tuple(f"Healthcare Provider Primary Taxonomy Switch_{number}" for number in range(1, TAXONOMIES + 1))


class Individual(NamedTuple):
    """Converted row of a provider, with the practice address."""

    provider: ProviderRow
    location: LocationRow
    provider_location: ProviderLocationRow
    warnings: Sequence[str] = ()


class Organization(NamedTuple):
    """Converted row of an organization: a practice and its address.

    `named` says that its name is the one under which it does business, not the legal one.
    """

    practice: PracticeRow
    location: LocationRow
    named: bool = False


class Deactivation(NamedTuple):
    """Converted row of an NPI that is no longer in use."""

    npi: str


Record: TypeAlias = Individual | Organization | Deactivation


class Layout:
    """Positions of the required columns in a file, and the conversion of its rows.

    Raises `UnusableFileError` if the header lacks a required column.
    """

    def __init__(self, header: Sequence[str]) -> None:
        at = {name.strip(): index for index, name in enumerate(header)}
        for new, old in _OLD_NAMES.items():
            if new not in at and old in at:
                at[new] = at[old]
        missing = [name for name in (*_FIELDS, *_CODES, *_SWITCHES) if name not in at]
        if missing:
            raise UnusableFileError(
                f"The header isn't that of an NPPES file: {len(missing)} columns are missing, first {missing[0]!r}."
            )
        self.header = header
        self._fields = itemgetter(*(at[name] for name in _FIELDS))
        self._codes = itemgetter(*(at[name] for name in _CODES))
        self._switches = itemgetter(*(at[name] for name in _SWITCHES))

    def read(self, row: Sequence[str]) -> Record:
        """Return the converted row, which has the fields of the header; raise `RejectedRowError` if it is unusable."""
        fields = clean_fields(_FIELDS, self._fields(row))
        (
            npi,
            kind,
            organization,
            *person,
            other_name,
            other_type,
            line1,
            line2,
            city,
            state,
            zip_code,
            country,
            phone,
            off,
            on,
            sex,
        ) = fields
        if not is_valid_npi(npi):
            raise RejectedRowError("wrong NPI check digit", IDENTIFIER, npi)
        if off and is_deactivated(off, on):
            return Deactivation(npi)
        if kind not in (_INDIVIDUAL, _ORGANIZATION):
            raise RejectedRowError("no entity type", _KIND, kind)
        if text(country).upper() not in COUNTRIES:
            raise RejectedRowError("practice address outside the country", _COUNTRY, country)
        try:
            location = location_row(line1, line2, city, state, zip_code)
        except RejectedRowError as error:
            raise RejectedRowError(error.reason, _ADDRESS_COLUMNS[error.field], error.value) from None
        if kind == _ORGANIZATION:
            name = text(organization)
            if not name:
                raise RejectedRowError("no name", _ORGANIZATION_NAME, organization)
            business = optional(other_name) if other_type == DOING_BUSINESS_AS else None
            return Organization(practice_row(npi, business or name, optional(phone)), location, named=bool(business))
        last, first, middle, suffix, credential = map(optional, person)
        if last is None or first is None:
            raise RejectedRowError("no name", _LAST_NAME if last is None else _FIRST_NAME)
        taxonomy, taxonomies, warnings = primary_taxonomy(self._codes(row), self._switches(row))
        known_sex = sex if sex in _SEXES else None
        if sex and sex not in _SEXES and sex != _UNDISCLOSED:
            warnings.append(UNKNOWN_SEX)
        provider = ProviderRow(npi, last, first, middle, suffix, credential, known_sex, taxonomy, taxonomies)
        provider_location = provider_location_row(npi, location.id, taxonomy, optional(phone))
        return Individual(provider, location, provider_location, warnings)


def clean_fields(names: Sequence[str], fields: Sequence[str]) -> Sequence[str]:
    """Return the fields with spaces for line breaks; raise `RejectedRowError` for a text that can't be imported.

    `names` are those of their columns.
    """
    if is_surely_clean("".join(fields)):
        return fields
    for name, value in zip(names, fields, strict=True):
        if (fault := find_fault(value)) is not None:
            raise RejectedRowError(fault, name, value)
    return [" ".join(value.split()) for value in fields]


def is_deactivated(off: str, on: str) -> bool:
    """Return whether an NPI was deactivated on the date `off` and not reactivated (`on`) then or later.

    Dates are MM/DD/YYYY, or empty for none; raise `RejectedRowError` for others.
    """
    deactivated = _date(_DEACTIVATED, off) if off else None
    reactivated = _date(_REACTIVATED, on) if on else None
    return deactivated is not None and (reactivated is None or reactivated < deactivated)


def _date(column: str, value: str) -> date:
    try:
        return datetime.strptime(value.strip(), "%m/%d/%Y").date()  # noqa: DTZ007 # a day has no time zone
    except ValueError:
        raise RejectedRowError("not a date (MM/DD/YYYY)", column, value) from None


def _used_indexes(codes: tuple[str, ...]) -> Sequence[int]:
    """Return the indexes of the taxonomy codes that aren't empty: nearly always only the first one."""
    if codes[0] and codes.count("") == len(codes) - 1:
        return (0,)
    return [index for index, code in enumerate(codes) if code]


def primary_taxonomy(codes: tuple[str, ...], switches: tuple[str, ...]) -> tuple[str, list[str], list[str]]:
    """Return (primary code, all known codes beginning with it, warnings).

    Raise `RejectedRowError` if the primary code is unknown.
    """
    used = [(codes[index], switches[index]) for index in _used_indexes(codes)]
    if not used:
        raise RejectedRowError("no taxonomy code", _CODES[0])
    warnings = []
    primaries = [code for code, switch in used if switch == "Y"]
    if len(primaries) > 1:
        warnings.append(TWO_PRIMARY)
    elif not primaries:
        warnings.append(NO_PRIMARY)
    primary = primaries[0] if primaries else used[0][0]
    if find_specialty_by_taxonomy(primary) is None:
        raise RejectedRowError("unknown taxonomy code", _CODES[codes.index(primary)], primary)
    if len(used) == 1:
        return primary, [primary], warnings
    known = [code for code, _ in used if find_specialty_by_taxonomy(code) is not None]
    if len(known) < len(used):
        warnings.append(UNKNOWN_SECONDARY)
    return primary, list(dict.fromkeys([primary, *known])), warnings
