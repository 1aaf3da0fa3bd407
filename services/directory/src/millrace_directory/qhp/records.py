"""Converts records of the CMS QHP provider directory to plans, individuals and facilities, without I/O.

Source: github.com/CMSgov/QHP-provider-formulary-APIs. Fields can be missing or of a wrong type; such a record is
rejected, or converted without them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from millrace_directory.bulk_import.rejects import RejectedRowError
from millrace_directory.bulk_import.rows import LocationRow, location_row, optional, text
from millrace_reference.languages import find_language_by_name
from millrace_reference.npi import is_valid_npi
from millrace_reference.specialties import find_taxonomy

UNUSABLE_ADDRESS: Final = "unusable address: ignored"
UNKNOWN_LANGUAGE: Final = "unknown language: ignored"
UNKNOWN_ACCEPTING: Final = "unknown value of accepting: ignored"
UNKNOWN_PLAN: Final = "unknown plan: ignored"

_HIOS = "HIOS-PLAN-ID"
_ISSUER_DIGITS = 5
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
    taxonomies: Sequence[str]
    addresses: Sequence[Address]
    plans: Sequence[str]
    new_patients: NewPatients
    languages: Sequence[str] | None
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Facility:
    """Converted record of an organization with its addresses."""

    npi: str
    name: str
    addresses: Sequence[Address]
    warnings: Sequence[str] = ()


@dataclass(slots=True)
class _RecordReader:
    """Reads the fields of one record, and collects warnings."""

    record: Object
    warnings: list[str] = field(default_factory=list)

    def string(self, name: str, within: Object | None = None) -> str:
        value = (self.record if within is None else within).get(name)
        return text(value) if isinstance(value, str) else ""

    def objects(self, name: str) -> list[Object]:
        value = self.record.get(name)
        return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

    def strings(self, name: str) -> list[str]:
        value = self.record.get(name)
        return [text(each) for each in value if isinstance(each, str)] if isinstance(value, list) else []

    def addresses(self) -> list[Address]:
        """Return the usable addresses without duplicates; warn of the others."""
        found: dict[str, Address] = {}
        for each in self.objects("addresses"):
            parts = (self.string(name, each) for name in ("address", "address_2", "city", "state", "zip"))
            try:
                row = location_row(*parts)
            except RejectedRowError:
                self.warnings.append(UNUSABLE_ADDRESS)
            else:
                found.setdefault(row.id, (row, optional(self.string("phone", each))))
        return list(found.values())

    def languages(self) -> list[str] | None:
        if "languages" not in self.record:
            return None
        named = [(find_language_by_name(name), name) for name in self.strings("languages")]
        self.warnings += [UNKNOWN_LANGUAGE for language, _ in named if language is None]
        return sorted({language.code for language, _ in named if language is not None}) or None

    def new_patients(self) -> NewPatients:
        value = self.record.get("accepting")
        if value is None:
            return NewPatients(given=False, value=None)
        if value not in _ACCEPTING:
            self.warnings.append(UNKNOWN_ACCEPTING)
            return NewPatients(given=False, value=None)
        return NewPatients(given=True, value=_ACCEPTING[value])


def read_plan(record: object) -> PlanRow:
    """Return the converted record of a plan; raise `RejectedRowError` if it is unusable.

    The issuer is the first five digits of a HIOS plan id.
    """
    if not isinstance(record, dict):
        raise RejectedRowError("not an object")
    reader = _RecordReader(record)
    plan, name = reader.string("plan_id"), reader.string("marketing_name")
    if not plan:
        raise RejectedRowError("no plan id")
    if not name:
        raise RejectedRowError("no name")
    years = record.get("years")
    tiers = (reader.string("network_tier", each) for each in reader.objects("network"))
    return PlanRow(
        id=plan,
        name=name,
        issuer=plan[:_ISSUER_DIGITS] if record.get("plan_id_type") == _HIOS else None,
        years=sorted({year for year in years if type(year) is int}) if isinstance(years, list) else [],
        network_tiers=list(dict.fromkeys(filter(None, tiers))),
    )


def read_provider(record: object) -> Individual | Facility:
    """Return the converted record of a provider or facility; raise `RejectedRowError` if it is unusable."""
    if not isinstance(record, dict):
        raise RejectedRowError("not an object")
    reader = _RecordReader(record)
    npi = reader.string("npi")
    if not is_valid_npi(npi):
        raise RejectedRowError("wrong NPI check digit")
    match record.get("type"):
        case "INDIVIDUAL":
            return _individual(reader, npi)
        case "FACILITY":
            return _facility(reader, npi)
    raise RejectedRowError("unknown type")


def _individual(reader: _RecordReader, npi: str) -> Individual:
    name = reader.record.get("name")
    parts: Object = name if isinstance(name, dict) else {}
    found = (find_taxonomy(each) for each in reader.strings("specialty"))
    plans = (reader.string("plan_id", each) for each in reader.objects("plans"))
    return Individual(
        npi=npi,
        last_name=reader.string("last", parts) or None,
        first_name=reader.string("first", parts) or None,
        middle_name=reader.string("middle", parts) or None,
        suffix=reader.string("suffix", parts) or None,
        taxonomies=list(dict.fromkeys(code for code in found if code is not None)),
        addresses=reader.addresses(),
        plans=sorted(set(filter(None, plans))),
        new_patients=reader.new_patients(),
        languages=reader.languages(),
        warnings=reader.warnings,
    )


def _facility(reader: _RecordReader, npi: str) -> Facility:
    name = reader.string("facility_name")
    if not name:
        raise RejectedRowError("no name")
    addresses = reader.addresses()
    if not addresses:
        raise RejectedRowError("no usable address")
    return Facility(npi=npi, name=name, addresses=addresses, warnings=reader.warnings)
