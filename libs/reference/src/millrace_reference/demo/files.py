"""Writes the demo data as files in the formats of CMS (NPPES and QHP), row by row in constant memory."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TextIO

import msgspec

from millrace_reference.demo.areas import Area, split_into_parts
from millrace_reference.demo.people import Person, draw_person
from millrace_reference.demo.plans import ISSUERS, YEARS, Plan, all_plans, draw_plans_of_person, draw_plans_of_practice
from millrace_reference.demo.practices import Practice, draw_practice
from millrace_reference.demo.sampling import WeightedChoice
from millrace_reference.npi import npi_check_digit
from millrace_reference.nppes import COLUMNS, address_columns
from millrace_reference.specialties import taxonomy_name

NPPES_FILE = "nppes.csv"
PLANS_FILE = "qhp-plans.json"
PROVIDERS_FILE = "qhp-providers.json"
ISSUERS_FILE = "qhp-issuers.csv"
ISSUER_COLUMNS = ("IssuerId", "IssuerMarketPlaceMarketingName")
"""Columns of the CMS file of plan attributes that name a plan's issuer."""

_NPIS = 100_000_000
_STEP = 72_653_981  # coprime to the number of NPIs, so that each occurs once, in no apparent order
_UPDATED_ON = "2026-06-01"
_ACCEPTING = WeightedChoice(
    [("accepting", 74.0), ("not accepting", 16.0), ("accepting in some locations", 6.0), (None, 4.0)]
)
_COLUMN_INDEX = {name: index for index, name in enumerate(COLUMNS)}
_EMPTY = ("",) * len(COLUMNS)

Record = dict[str, str]


@dataclass(frozen=True, slots=True)
class Member:
    """A provider of a practice with NPI and accepted plans; `accepting` is the QHP status for new patients."""

    npi: str
    person: Person
    practice: Practice
    plans: tuple[Plan, ...]
    accepting: str | None


def write_demo(directory: Path, *, providers: int, seed: int, progress: Callable[[int], None]) -> None:
    """Write the NPPES file and the QHP files, equal for equal arguments. Reports added providers to `progress`."""
    random = Random(seed)  # noqa: S311 # not used for secrets
    npis = _generate_npis(random)
    with _Files.opened(directory) as files:
        for area, count in split_into_parts(providers):
            _write_area(random, npis, area, count, files=files, progress=progress)


def write_demo_in_parts(
    directory: Path, *, providers: int, seed: int, progress: Callable[[int], None], parts: int | None = None
) -> None:
    """Write such files for each part of the demo, or for the first `parts` ones, to a directory of its own.

    A part is a metropolitan area; the first area is two parts, a small one and the rest. The directories are named
    like `01-of-13-new-york`. All parts together have the providers of `write_demo`.
    """
    random = Random(seed)  # noqa: S311 # not used for secrets
    npis = _generate_npis(random)
    split = split_into_parts(providers)
    for number, (area, count) in enumerate(split[:parts], 1):
        with _Files.opened(directory / f"{number:02}-of-{len(split):02}-{area.slug}") as files:
            _write_area(random, npis, area, count, files=files, progress=progress)


class _Files:
    """The files of one directory while they are written."""

    def __init__(self, nppes: TextIO, qhp: TextIO) -> None:
        self._table = csv.writer(nppes, quoting=csv.QUOTE_ALL, lineterminator="\n")
        self._qhp = qhp
        self._encoder = msgspec.json.Encoder()
        self._is_empty = True
        self._table.writerow(COLUMNS)

    @classmethod
    @contextmanager
    def opened(cls, directory: Path) -> Iterator["_Files"]:
        """Write the files of plans and issuers, and yield the others."""
        directory.mkdir(parents=True, exist_ok=True)
        plans = msgspec.json.encode([_plan_json(plan) for plan in all_plans()])
        (directory / PLANS_FILE).write_bytes(msgspec.json.format(plans))
        _write_issuers(directory / ISSUERS_FILE)
        with (
            (directory / NPPES_FILE).open("w", encoding="utf-8", newline="") as nppes,
            (directory / PROVIDERS_FILE).open("w", encoding="utf-8") as qhp,
        ):
            files = cls(nppes, qhp)
            yield files
            qhp.write("[]\n" if files._is_empty else "\n]\n")

    def add_practice(self, npi: str, practice: Practice) -> None:
        self._table.writerow(_row(_organization(npi, practice)))

    def add_member(self, member: Member) -> None:
        self._table.writerow(_row(_individual(member)))
        self._qhp.write("[\n" if self._is_empty else ",\n")
        self._qhp.write(self._encoder.encode(_provider_json(member)).decode())
        self._is_empty = False


def _write_area(
    random: Random, npis: Iterator[str], area: Area, count: int, *, files: _Files, progress: Callable[[int], None]
) -> None:
    written = 0
    while written < count:
        practice = draw_practice(random, area)
        if practice.name:
            files.add_practice(next(npis), practice)
        networks = draw_plans_of_practice(random, practice.address.state)
        members = min(practice.size, count - written)
        for _ in range(members):
            files.add_member(_draw_member(random, next(npis), practice, networks))
        written += members
        progress(members)


def _write_issuers(path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(ISSUER_COLUMNS)
        table.writerows((issuer.number, issuer.name) for issuer in ISSUERS)


def _generate_npis(random: Random) -> Iterator[str]:
    """Yield valid NPIs that begin with 2, so that they are fictitious: assigned ones begin with 1."""
    number = random.randrange(_NPIS)
    while True:
        first9 = str(2 * _NPIS + number)
        yield f"{first9}{npi_check_digit(first9)}"
        number = (number + _STEP) % _NPIS


def _draw_member(random: Random, npi: str, practice: Practice, networks: tuple[Plan, ...]) -> Member:
    return Member(
        npi=npi,
        person=draw_person(random, practice.group.roles.draw(random)),
        practice=practice,
        plans=draw_plans_of_person(random, networks),
        accepting=_ACCEPTING.draw(random),
    )


def _row(record: Record) -> list[str]:
    row = list(_EMPTY)
    for column, value in record.items():
        row[_COLUMN_INDEX[column]] = value
    return row


def _organization(npi: str, practice: Practice) -> Record:
    return {
        "NPI": npi,
        "Entity Type Code": "2",
        "Provider Organization Name (Legal Business Name)": practice.name,
        "Healthcare Provider Taxonomy Code_1": "261QM1300X",
        "Healthcare Provider Primary Taxonomy Switch_1": "Y",
        **_addresses(practice),
    }


def _individual(member: Member) -> Record:
    person = member.person
    return {
        "NPI": member.npi,
        "Entity Type Code": "1",
        "Provider Last Name (Legal Name)": person.last,
        "Provider First Name": person.first,
        "Provider Middle Name": person.middle,
        "Provider Name Suffix Text": person.suffix,
        "Provider Credential Text": person.credential,
        "Provider Enumeration Date": person.since,
        "Last Update Date": person.updated,
        "Provider Sex Code": person.sex,
        "Healthcare Provider Taxonomy Code_1": person.taxonomy,
        "Healthcare Provider Primary Taxonomy Switch_1": "Y",
        "Is Sole Proprietor": "N" if member.practice.size > 1 else "Y",
        **_addresses(member.practice),
    }


def _addresses(practice: Practice) -> Record:
    address = practice.address
    values = (address.line1, address.line2, address.city, address.state, address.zip, "US", practice.phone, "")
    return {
        column: value
        for columns in (address_columns("Mailing"), address_columns("Practice Location"))
        for column, value in zip(columns, values, strict=True)
    }


def _plan_json(plan: Plan) -> dict[str, Any]:
    return {
        "plan_id_type": "HIOS-PLAN-ID",
        "plan_id": plan.id,
        "marketing_name": plan.name,
        "years": list(YEARS),
        "network": [{"network_tier": plan.tier}],
        "last_updated_on": _UPDATED_ON,
    }


def _provider_json(member: Member) -> dict[str, Any]:
    person, address = member.person, member.practice.address
    accepting = {"accepting": member.accepting} if member.accepting is not None else {}
    return {
        "npi": member.npi,
        "type": "INDIVIDUAL",
        "name": {"first": person.first.title(), "last": person.last.title()},
        "addresses": [
            {
                "address": address.line1,
                "address_2": address.line2,
                "city": address.city,
                "state": address.state,
                "zip": address.zip[:5],
                "phone": member.practice.phone,
            }
        ],
        "specialty": [taxonomy_name(person.taxonomy)],
        **accepting,
        "languages": list(person.languages),
        "last_updated_on": _UPDATED_ON,
        "plans": [
            {"plan_id_type": "HIOS-PLAN-ID", "plan_id": plan.id, "network_tier": plan.tier, "years": list(YEARS)}
            for plan in member.plans
        ],
    }
