"""A chunk of QHP records into the directory, within the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncpg import Connection

from millrace_directory.events import Action
from millrace_directory.feed import Change
from millrace_directory.importing import qhp_statements
from millrace_directory.importing.chunks import Reject
from millrace_directory.importing.events import Emitter
from millrace_directory.importing.qhp import UNKNOWN_PLAN, Facility, Person
from millrace_directory.importing.qhp_chunks import QhpChunk
from millrace_directory.importing.rows import ProviderRow, Rejected, practice_row, provider_location_row
from millrace_directory.importing.writing import Writer
from millrace_directory.provider.wire import PROVIDERS
from millrace_directory.provider_location.wire import PROVIDER_LOCATIONS
from millrace_directory.wire import Kind


@dataclass(slots=True)
class Outcome:
    """What became of a chunk's records."""

    people: int = 0
    facilities: int = 0
    rejects: list[Reject] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Sorted:
    """What the directory knows of a chunk."""

    plans: frozenset[str]
    known: dict[str, bool]
    """NPIs that are there or were; the value tells whether they are gone."""


class QhpWriter:
    """Writes chunks. `covered` are the plans that the files speak for."""

    def __init__(self, connection: Connection, emitter: Emitter, writer: Writer, covered: Sequence[str]) -> None:
        self._connection = connection
        self._emitter = emitter
        self._writer = writer
        self._covered = covered

    async def write(self, chunk: QhpChunk) -> Outcome:
        """Create who isn't there, then set languages, accepted plans and new patients."""
        there = await self._look_up(chunk)
        outcome = Outcome()
        people = [each for number, each in chunk.people.items() if _usable(number, each, there, outcome)]
        facilities = [each for number, each in chunk.facilities.items() if _usable(number, each, there, outcome)]
        outcome.people, outcome.facilities = len(people), len(facilities)
        outcome.warnings = [UNKNOWN_PLAN for each in people for plan in each.plans if plan not in there.plans]
        await self._create(
            [each for each in people if each.npi not in there.known],
            [each for each in facilities if each.npi not in there.known],
        )
        await self._update(people, there.plans)
        return outcome

    async def _look_up(self, chunk: QhpChunk) -> _Sorted:
        # Locked first, as every writer does: a plan that is withdrawn meanwhile finds who accepts it.
        named = sorted({plan for each in chunk.people.values() for plan in each.plans})
        plans = await self._connection.fetch(qhp_statements.LOCK_PLANS, named)
        npis = [each.npi for each in chunk.records]
        known = await self._connection.fetch(qhp_statements.KNOWN, npis)
        return _Sorted(frozenset(row["id"] for row in plans), {row["npi"]: row["deleted"] for row in known})

    async def _create(self, people: Sequence[Person], facilities: Sequence[Facility]) -> None:
        everyone: Sequence[Person | Facility] = [*people, *facilities]
        places = [place for each in everyone for place, _ in each.places]
        if not places:
            return
        practices = [practice_row(each.npi, each.name, each.places[0][1], each.places[0][0].id) for each in facilities]
        await self._writer.organizations(practices, places, [])
        await self._writer.individuals(
            [_provider_row(each) for each in people],
            [
                provider_location_row(each.npi, place.id, each.taxonomies[0], phone)
                for each in people
                for place, phone in each.places
            ],
            [],
            remember=False,
        )

    async def _update(self, people: Sequence[Person], plans: frozenset[str]) -> None:
        languages = ((each.npi, each.languages) for each in people if each.languages is not None)
        await self._connection.copy_records_to_table("staged_languages", records=languages)
        await self._written(PROVIDERS, qhp_statements.WRITE_LANGUAGES)
        acceptance = (
            (
                each.npi,
                [place.id for place, _ in each.places],
                [plan for plan in each.plans if plan in plans],
                each.accepting.said,
                each.accepting.value,
            )
            for each in people
        )
        await self._connection.copy_records_to_table("staged_acceptance", records=acceptance)
        await self._written(PROVIDER_LOCATIONS, qhp_statements.WRITE_ACCEPTANCE, self._covered)

    async def _written(self, kind: Kind[Any], statement: str, *arguments: object) -> None:
        rows = await self._connection.fetch(statement, *arguments)
        await self._emitter.emit(Change(kind, [row[0] for row in rows], Action.UPDATED))


def _usable(number: int, each: Person | Facility, there: _Sorted, outcome: Outcome) -> bool:
    """Whether the record can be used; else it is among the rejects."""
    gone = there.known.get(each.npi)
    try:
        if gone:
            raise Rejected("NPI has left the directory")
        if gone is None and isinstance(each, Person):
            _check_new(each)
    except Rejected as fault:
        outcome.rejects.append(Reject(number, each.npi, str(fault)))
        return False
    return True


def _check_new(person: Person) -> None:
    """What a person needs who isn't in the directory. Raises `Rejected`."""
    if person.last_name is None or person.first_name is None:
        raise Rejected("no name")
    if not person.taxonomies:
        raise Rejected("unknown specialty")
    if not person.places:
        raise Rejected("no address that can be used")


def _provider_row(person: Person) -> ProviderRow:
    return ProviderRow(
        npi=person.npi,
        last_name=person.last_name or "",
        first_name=person.first_name or "",
        middle_name=person.middle_name,
        suffix=person.suffix,
        credential=None,
        sex=None,
        taxonomy=person.taxonomies[0],
        taxonomies=person.taxonomies,
    )
