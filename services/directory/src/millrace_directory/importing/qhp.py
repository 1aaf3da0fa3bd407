"""Records of the CMS QHP provider directory as plans, people and facilities: pure.

Source: github.com/CMSgov/QHP-provider-formulary-APIs. Fields may be missing or of another type than they should have;
such a record is rejected or read without them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from millrace_directory.importing.rows import LocationRow, Rejected, location_row, optional, text
from millrace_reference.languages import language_named
from millrace_reference.npi import is_valid_npi
from millrace_reference.specialties import taxonomy_named

UNUSABLE_ADDRESS: Final = "an address that can't be used: left out"
UNKNOWN_LANGUAGE: Final = "unknown language: left out"
UNKNOWN_ACCEPTING: Final = "unknown value of accepting: left out"
UNKNOWN_PLAN: Final = "unknown plan: left out"

_HIOS = "HIOS-PLAN-ID"
_ISSUER_DIGITS = 5
_ACCEPTING: Mapping[str, bool | None] = {
    "accepting": True,
    "not accepting": False,
    "accepting in some locations": None,
}
Object = Mapping[str, Any]


class PlanRow(NamedTuple):
    """A plan. Fields in the order of `staged_plan`."""

    id: str
    name: str
    issuer: str | None
    years: Sequence[int]
    network_tiers: Sequence[str]


@dataclass(frozen=True, slots=True)
class Accepting:
    """Whether new patients are accepted: True, False, None where it differs; `said` tells whether the file says so."""

    said: bool
    value: bool | None


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who accepts plans. `languages` is None where the record has none."""

    npi: str
    last_name: str | None
    first_name: str | None
    middle_name: str | None
    suffix: str | None
    taxonomies: Sequence[str]
    places: Sequence[tuple[LocationRow, str | None]]
    plans: Sequence[str]
    accepting: Accepting
    languages: Sequence[str] | None
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Facility:
    """A practice at its addresses."""

    npi: str
    name: str
    places: Sequence[tuple[LocationRow, str | None]]
    warnings: Sequence[str] = ()


@dataclass(slots=True)
class _Reading:
    """One record, and what was odd about it."""

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

    def places(self) -> list[tuple[LocationRow, str | None]]:
        """The addresses in the country, each once."""
        found: dict[object, tuple[LocationRow, str | None]] = {}
        for each in self.objects("addresses"):
            parts = (self.string(name, each) for name in ("address", "address_2", "city", "state", "zip"))
            try:
                row = location_row(*parts)
            except Rejected:
                self.warnings.append(UNUSABLE_ADDRESS)
            else:
                found.setdefault(row.id, (row, optional(self.string("phone", each))))
        return list(found.values())

    def languages(self) -> list[str] | None:
        if "languages" not in self.record:
            return None
        named = [(language_named(name), name) for name in self.strings("languages")]
        self.warnings += [UNKNOWN_LANGUAGE for language, _ in named if language is None]
        return sorted({language.code for language, _ in named if language is not None}) or None

    def accepting(self) -> Accepting:
        value = self.record.get("accepting")
        if value is None:
            return Accepting(said=False, value=None)
        if value not in _ACCEPTING:
            self.warnings.append(UNKNOWN_ACCEPTING)
            return Accepting(said=False, value=None)
        return Accepting(said=True, value=_ACCEPTING[value])


def read_plan(record: object) -> PlanRow:
    """Raises `Rejected`. The issuer is the first five digits of a HIOS plan id: the format holds no name of it."""
    if not isinstance(record, dict):
        raise Rejected("not an object")
    reading = _Reading(record)
    plan, name = reading.string("plan_id"), reading.string("marketing_name")
    if not plan:
        raise Rejected("no plan id")
    if not name:
        raise Rejected("no name")
    years = record.get("years")
    tiers = (reading.string("network_tier", each) for each in reading.objects("network"))
    return PlanRow(
        id=plan,
        name=name,
        issuer=plan[:_ISSUER_DIGITS] if record.get("plan_id_type") == _HIOS else None,
        years=sorted({year for year in years if type(year) is int}) if isinstance(years, list) else [],
        network_tiers=list(dict.fromkeys(filter(None, tiers))),
    )


def read_provider(record: object) -> Person | Facility:
    """Raises `Rejected`."""
    if not isinstance(record, dict):
        raise Rejected("not an object")
    reading = _Reading(record)
    npi = reading.string("npi")
    if not is_valid_npi(npi):
        raise Rejected("wrong NPI check digit")
    match record.get("type"):
        case "INDIVIDUAL":
            return _person(reading, npi)
        case "FACILITY":
            return _facility(reading, npi)
    raise Rejected("unknown type")


def _person(reading: _Reading, npi: str) -> Person:
    name = reading.record.get("name")
    parts: Object = name if isinstance(name, dict) else {}
    found = (taxonomy_named(each) for each in reading.strings("specialty"))
    plans = (reading.string("plan_id", each) for each in reading.objects("plans"))
    return Person(
        npi=npi,
        last_name=reading.string("last", parts) or None,
        first_name=reading.string("first", parts) or None,
        middle_name=reading.string("middle", parts) or None,
        suffix=reading.string("suffix", parts) or None,
        taxonomies=list(dict.fromkeys(code for code in found if code is not None)),
        places=reading.places(),
        plans=sorted(set(filter(None, plans))),
        accepting=reading.accepting(),
        languages=reading.languages(),
        warnings=reading.warnings,
    )


def _facility(reading: _Reading, npi: str) -> Facility:
    name = reading.string("facility_name")
    if not name:
        raise Rejected("no name")
    places = reading.places()
    if not places:
        raise Rejected("no address that can be used")
    return Facility(npi=npi, name=name, places=places, warnings=reading.warnings)
