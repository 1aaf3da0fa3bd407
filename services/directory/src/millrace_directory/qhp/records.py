"""Converts records of the CMS QHP provider directory to plans, individuals and facilities, without I/O.

Source: github.com/CMSgov/QHP-provider-formulary-APIs. Fields can be missing or null. A record with a value of a wrong
type, or with a text that can't be stored, is rejected.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, NamedTuple

from millrace_directory.bulk_import.rejects import RejectedRowError
from millrace_directory.bulk_import.rows import LocationRow, location_row, optional, text
from millrace_directory.bulk_import.texts import find_fault, is_surely_clean
from millrace_directory.insurance_plan.model import FIRST_YEAR, LAST_YEAR
from millrace_reference.languages import find_language_by_name
from millrace_reference.npi import is_valid_npi
from millrace_reference.specialties import find_taxonomy

UNUSABLE_ADDRESS: Final = "unusable address: ignored"
UNKNOWN_LANGUAGE: Final = "unknown language: ignored"
UNKNOWN_ACCEPTING: Final = "unknown value of accepting: ignored"
UNKNOWN_PLAN: Final = "unknown plan: ignored"

_HIOS = "HIOS-PLAN-ID"
_ISSUER_DIGITS = 5
_PLAN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ADDRESS_FIELDS = {"line1": "address", "line2": "address_2", "city": "city", "state": "state", "zip": "zip"}
"""Fields by the names that `location_row` has for them."""
_YEAR = re.compile(r"[0-9]{4}")
_ACCEPTING: Mapping[str, bool | None] = {"accepting": True, "not accepting": False, "accepting in some locations": None}
Object = Mapping[str, Any]
Address = tuple[LocationRow, str | None]
"""A location and its telephone number."""


class PlanRow(NamedTuple):
    """An insurance plan. Fields are columns of `insurance_plan` and of `staged_insurance_plan`."""

    id: str
    name: str
    issuer: str | None
    years: Sequence[int]
    network_tiers: Sequence[str]


@dataclass(frozen=True, slots=True)
class NewPatients:
    """Acceptance of new patients: `value` is True, False, or None if it depends on the location.

    `given` is False if the record doesn't contain the field.
    """

    given: bool
    value: bool | None


@dataclass(frozen=True, slots=True)
class Individual:
    """Converted record of a provider with the accepted plans. `languages` is None if the record has none."""

    npi: str
    last_name: str | None
    first_name: str | None
    middle_name: str | None
    suffix: str | None
    specialties: Sequence[str]
    """The names or codes in the record; those that are known have `taxonomies`."""
    taxonomies: Sequence[str]
    addresses: Sequence[Address]
    plans: Mapping[str, Sequence[int]]
    """The years of each accepted plan; none if the plan is accepted without a limit to years."""
    new_patients: NewPatients
    languages: Sequence[str] | None
    warnings: Sequence[RejectedRowError] = ()


@dataclass(frozen=True, slots=True)
class Facility:
    """Converted record of an organization with its addresses."""

    npi: str
    name: str
    addresses: Sequence[Address]
    warnings: Sequence[RejectedRowError] = ()


@dataclass(slots=True)
class _RecordReader:
    """Reads the fields of one object of a record, and collects warnings; raises `RejectedRowError`.

    `path` is the object's path in the record with a dot at its end, e.g. `plans[0].`; empty for the record itself.
    """

    record: Object
    path: str = ""
    warnings: list[RejectedRowError] = field(default_factory=list)
    """Values that are ignored, while the record is used."""

    def string(self, name: str) -> str:
        """Return a text without space around it; an empty text if it is absent."""
        value = self.record.get(name)
        return "" if value is None else _text(value, f"{self.path}{name}")

    def nested(self, name: str) -> "_RecordReader":
        value = self.record.get(name)
        return self._object({} if value is None else value, f"{self.path}{name}")

    def objects(self, name: str) -> list["_RecordReader"]:
        return [self._object(value, field) for value, field in self._items(name)]

    def strings(self, name: str) -> list[str]:
        return [_text(value, field) for value, field in self._items(name)]

    def years(self) -> list[int]:
        """Return the plan years, sorted; none if they are absent."""
        return sorted({_year(value, field) for value, field in self._items("years")})

    def addresses(self) -> list[Address]:
        """Return the usable addresses without duplicates; warn of the others."""
        found: dict[str, Address] = {}
        for each in self.objects("addresses"):
            parts = [each.string(name) for name in _ADDRESS_FIELDS.values()]
            phone = optional(each.string("phone"))
            try:
                row = location_row(*parts)
            except RejectedRowError as error:
                self.warnings.append(
                    RejectedRowError(UNUSABLE_ADDRESS, f"{each.path}{_ADDRESS_FIELDS[error.field]}", error.value)
                )
            else:
                found.setdefault(row.id, (row, phone))
        return list(found.values())

    def languages(self) -> list[str] | None:
        if self.record.get("languages") is None:
            return None
        named = [(find_language_by_name(name), name) for name in self.strings("languages")]
        self.warnings += [
            RejectedRowError(UNKNOWN_LANGUAGE, f"languages[{index}]", name)
            for index, (language, name) in enumerate(named)
            if language is None
        ]
        return sorted({language.code for language, _ in named if language is not None}) or None

    def new_patients(self) -> NewPatients:
        value = self.string("accepting")
        if not value:
            return NewPatients(given=False, value=None)
        if value not in _ACCEPTING:
            self.warnings.append(RejectedRowError(UNKNOWN_ACCEPTING, "accepting", value))
            return NewPatients(given=False, value=None)
        return NewPatients(given=True, value=_ACCEPTING[value])

    def _items(self, name: str) -> Iterator[tuple[Any, str]]:
        """Yield the items of a list, and the path of each."""
        values = self.record.get(name)
        if values is None:
            return
        if not isinstance(values, list):
            raise RejectedRowError("not a list", f"{self.path}{name}", values)
        for index, value in enumerate(values):
            yield value, f"{self.path}{name}[{index}]"

    def _object(self, value: object, field: str) -> "_RecordReader":
        if not isinstance(value, dict):
            raise RejectedRowError("not an object", field, value)
        return _RecordReader(value, f"{field}.", self.warnings)


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise RejectedRowError("not a text", field, value)
    if is_surely_clean(value):
        return text(value)
    if (fault := find_fault(value)) is not None:
        raise RejectedRowError(fault, field, value)
    return text(" ".join(value.split()))


def _year(value: object, field: str) -> int:
    """Return a plan year, which is a number or its text."""
    year = int(value) if isinstance(value, str) and _YEAR.fullmatch(value) else value
    if type(year) is not int:
        raise RejectedRowError("not a year", field, value)
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise RejectedRowError(f"year out of range ({FIRST_YEAR} to {LAST_YEAR})", field, value)
    return year


def looks_like_plan(record: object) -> bool:
    """Return whether an element is a record of a file of plans."""
    return isinstance(record, dict) and "plan_id" in record and "npi" not in record


def looks_like_provider(record: object) -> bool:
    """Return whether an element is a record of a file of providers."""
    return isinstance(record, dict) and "npi" in record and "plan_id" not in record


def identifier(record: object) -> object:
    """Return the NPI or plan id of a record of any type; an empty text if there is none."""
    return (record.get("npi") or record.get("plan_id") or "") if isinstance(record, dict) else ""


def read_plan(record: object) -> PlanRow:
    """Return the converted record of a plan; raise `RejectedRowError` if it is unusable.

    The issuer is the first five digits of a HIOS plan id.
    """
    if not isinstance(record, dict):
        raise RejectedRowError("not an object", value=record)
    reader = _RecordReader(record)
    plan, name = reader.string("plan_id"), reader.string("marketing_name")
    if not plan:
        raise RejectedRowError("no plan id", "plan_id")
    if not _PLAN_ID.fullmatch(plan):
        raise RejectedRowError("not a plan id", "plan_id", plan)
    if not name:
        raise RejectedRowError("no name", "marketing_name")
    tiers = (each.string("network_tier") for each in reader.objects("network"))
    return PlanRow(
        id=plan,
        name=name,
        issuer=plan[:_ISSUER_DIGITS] if reader.string("plan_id_type") == _HIOS else None,
        years=reader.years(),
        network_tiers=list(dict.fromkeys(filter(None, tiers))),
    )


def merge_plans(first: PlanRow, second: PlanRow) -> PlanRow:
    """Return one plan for two records of a plan id, e.g. one for each year: name and issuer are those of the later."""
    earlier, later = sorted((first, second), key=lambda plan: max(plan.years, default=0))
    return later._replace(
        years=sorted({*earlier.years, *later.years}),
        network_tiers=list(dict.fromkeys([*later.network_tiers, *earlier.network_tiers])),
    )


def read_provider(record: object) -> Individual | Facility:
    """Return the converted record of a provider or facility; raise `RejectedRowError` if it is unusable."""
    if not isinstance(record, dict):
        raise RejectedRowError("not an object", value=record)
    reader = _RecordReader(record)
    npi = reader.string("npi")
    if not is_valid_npi(npi):
        raise RejectedRowError("wrong NPI check digit", "npi", npi)
    match reader.string("type"):
        case "INDIVIDUAL":
            return _individual(reader, npi)
        case "FACILITY":
            return _facility(reader, npi)
        case other:
            raise RejectedRowError("unknown type", "type", other)


def _individual(reader: _RecordReader, npi: str) -> Individual:
    name = reader.nested("name")
    specialties = reader.strings("specialty")
    found = map(find_taxonomy, specialties)
    return Individual(
        npi=npi,
        last_name=name.string("last") or None,
        first_name=name.string("first") or None,
        middle_name=name.string("middle") or None,
        suffix=name.string("suffix") or None,
        specialties=specialties,
        taxonomies=list(dict.fromkeys(code for code in found if code is not None)),
        addresses=reader.addresses(),
        plans=_acceptance(reader),
        new_patients=reader.new_patients(),
        languages=reader.languages(),
        warnings=reader.warnings,
    )


def _acceptance(reader: _RecordReader) -> dict[str, Sequence[int]]:
    """Return the years of each accepted plan (of all its network tiers); no years if one of them has none."""
    found: dict[str, list[list[int]]] = {}
    for each in reader.objects("plans"):
        if plan := each.string("plan_id"):
            found.setdefault(plan, []).append(each.years())
    return {plan: sorted({*chain(*years)}) if all(years) else () for plan, years in sorted(found.items())}


def _facility(reader: _RecordReader, npi: str) -> Facility:
    name = reader.string("facility_name")
    if not name:
        raise RejectedRowError("no name", "facility_name")
    addresses = reader.addresses()
    if not addresses:
        raise RejectedRowError("no usable address", "addresses", reader.record.get("addresses") or "")
    return Facility(npi=npi, name=name, addresses=addresses, warnings=reader.warnings)
