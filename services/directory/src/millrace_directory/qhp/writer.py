"""Write a chunk of QHP records to the directory, within the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncpg import Connection

from millrace_directory.bulk_import.publisher import EventPublisher
from millrace_directory.bulk_import.rejects import Reject, RejectedRowError
from millrace_directory.bulk_import.rows import (
    AddressRow,
    PracticeRow,
    ProviderRow,
    Source,
    practice_row,
    provider_location_row,
)
from millrace_directory.bulk_import.statements import LIVE_PRACTICES
from millrace_directory.bulk_import.writer import RowWriter
from millrace_directory.feed import Change
from millrace_directory.model import Action
from millrace_directory.provider.repository import PROVIDERS
from millrace_directory.provider_location.model import join_plan_years
from millrace_directory.provider_location.repository import PROVIDER_LOCATIONS
from millrace_directory.qhp import statements
from millrace_directory.qhp.chunks import Place, QhpChunk
from millrace_directory.qhp.records import UNKNOWN_PLAN, Facility, Individual
from millrace_directory.wire import Kind


@dataclass(slots=True)
class ChunkResult:
    """Numbers of written records, the rejected records, and the warnings."""

    individuals: int = 0
    facilities: int = 0
    rejects: list[Reject] = field(default_factory=list)
    warnings: list[Reject] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Lookup:
    """The live plans that a chunk names, and those of its NPIs that are in the directory: True if deleted."""

    plans: frozenset[str]
    npis: dict[str, bool]


class QhpWriter:
    """Writes chunks of QHP records. `plan_ids` are the ids of all plans in the files."""

    def __init__(
        self, connection: Connection, publisher: EventPublisher, row_writer: RowWriter, plan_ids: Sequence[str]
    ) -> None:
        self._connection = connection
        self._publisher = publisher
        self._row_writer = row_writer
        self._plan_ids = plan_ids

    async def write(self, chunk: QhpChunk) -> ChunkResult:
        """Create missing providers and practices, then set languages, accepted plans and acceptance of new patients."""
        lookup = await self._look_up(chunk)
        result = ChunkResult()
        individuals = [each for place, each in chunk.individuals.items() if _is_usable(place, each, lookup, result)]
        facilities = [each for place, each in chunk.facilities.items() if _is_usable(place, each, lookup, result)]
        used = {each.npi for each in individuals}
        result.individuals, result.facilities = len(individuals), len(facilities)
        result.warnings = [
            place.reject(RejectedRowError(UNKNOWN_PLAN, "plans", plan), each.npi)
            for place, each in chunk.individuals.items()
            for plan in each.plans
            if plan not in lookup.plans and each.npi in used
        ]
        await self._create(
            [each for each in individuals if each.npi not in lookup.npis],
            [each for each in facilities if each.npi not in lookup.npis],
        )
        await self._add_addresses(
            [each for each in individuals if each.npi in lookup.npis],
            [each for each in facilities if each.npi in lookup.npis],
        )
        await self._update(individuals, lookup.plans)
        return result

    async def _look_up(self, chunk: QhpChunk) -> _Lookup:
        # Plans are locked first, as by all writers: a concurrent deletion of a plan then finds its new acceptances.
        named = sorted({plan for each in chunk.individuals.values() for plan in each.plans})
        plans = await self._connection.fetch(statements.LOCK_PLANS, named)
        known = await self._connection.fetch(statements.KNOWN_NPIS, [each.npi for each in chunk.records])
        return _Lookup(frozenset(row["id"] for row in plans), {row["npi"]: row["deleted"] for row in known})

    async def _create(self, individuals: Sequence[Individual], facilities: Sequence[Facility]) -> None:
        records: Sequence[Individual | Facility] = [*individuals, *facilities]
        locations = [location for each in records for location, _ in each.addresses]
        if not locations:
            return
        await self._row_writer.write_organizations(
            [practice_row(each.npi, each.name, each.addresses[0][1]) for each in facilities],
            [_facility_address(each, location.id, phone) for each in facilities for location, phone in each.addresses],
            locations,
            [],
        )
        await self._row_writer.write_individuals(
            [_provider_row(each) for each in individuals],
            [
                provider_location_row(each.npi, location.id, each.taxonomies[0], phone)
                for each in individuals
                for location, phone in each.addresses
            ],
            [],
            [],
        )

    async def _add_addresses(self, individuals: Sequence[Individual], facilities: Sequence[Facility]) -> None:
        """Add the addresses of the records to known providers and practices, except those that were deleted there."""
        taxonomies = await self._missing(statements.MISSING_PROVIDER_LOCATIONS, individuals)
        missing = await self._missing(statements.MISSING_ADDRESSES, facilities)
        if not taxonomies and not missing:
            return
        added = [
            (each, at, phone) for each in individuals for at, phone in each.addresses if (each.npi, at.id) in taxonomies
        ]
        run = [(each, at, phone) for each in facilities for at, phone in each.addresses if (each.npi, at.id) in missing]
        practices = await self._connection.fetch(LIVE_PRACTICES, [each.npi for each, _, _ in run])
        await self._row_writer.write_organizations(
            [PracticeRow(*row) for row in practices],
            [_facility_address(each, at.id, phone) for each, at, phone in run],
            [at for _, at, _ in (*added, *run)],
            [],
        )
        await self._row_writer.write_individuals(
            [],
            [provider_location_row(each.npi, at.id, taxonomies[each.npi, at.id], phone) for each, at, phone in added],
            [],
            [],
        )

    async def _missing(
        self, statement: str, records: Sequence[Individual] | Sequence[Facility]
    ) -> dict[tuple[str, str], str]:
        """Return what a statement returns for the addresses that the directory doesn't have, by NPI and location id."""
        pairs = [(each.npi, location.id) for each in records for location, _ in each.addresses]
        rows = await self._connection.fetch(statement, [npi for npi, _ in pairs], [key for _, key in pairs])
        return {(row[0], row[1]): row[2] for row in rows}

    async def _update(self, individuals: Sequence[Individual], plans: frozenset[str]) -> None:
        languages = ((each.npi, each.languages) for each in individuals if each.languages is not None)
        await self._connection.copy_records_to_table("staged_languages", records=languages)
        await self._write(PROVIDERS, statements.WRITE_LANGUAGES)
        acceptance = (
            (
                each.npi,
                [location.id for location, _ in each.addresses],
                [plan for plan in each.plans if plan in plans],
                join_plan_years({plan: years for plan, years in each.plans.items() if plan in plans}),
                each.new_patients.given,
                each.new_patients.value,
            )
            for each in individuals
        )
        await self._connection.copy_records_to_table("staged_acceptance", records=acceptance)
        await self._write(PROVIDER_LOCATIONS, statements.WRITE_ACCEPTANCE, self._plan_ids)

    async def _write(self, kind: Kind[Any], statement: str, *arguments: object) -> None:
        rows = await self._connection.fetch(statement, *arguments)
        await self._publisher.publish(Change(kind, [row[0] for row in rows], Action.UPDATED))


def _is_usable(place: Place, record: Individual | Facility, lookup: _Lookup, result: ChunkResult) -> bool:
    """Return whether the record can be written; add it to the rejects if not."""
    deleted = lookup.npis.get(record.npi)
    try:
        if deleted:
            raise RejectedRowError("NPI was deleted from the directory", "npi", record.npi)
        if deleted is None and isinstance(record, Individual):
            _check_new(record)
    except RejectedRowError as error:
        result.rejects.append(place.reject(error, record.npi))
        return False
    return True


def _facility_address(facility: Facility, location_id: str, phone: str | None) -> AddressRow:
    return AddressRow(facility.npi, location_id, is_organization=True, source=Source.QHP, phone=phone)


def _check_new(individual: Individual) -> None:
    """Raise `RejectedRowError` if an individual who isn't in the directory can't be created from the record."""
    if individual.last_name is None or individual.first_name is None:
        raise RejectedRowError("no name", "name.first" if individual.last_name else "name.last")
    if not individual.taxonomies:
        raise RejectedRowError("unknown specialty", "specialty", ", ".join(individual.specialties))
    if not individual.addresses:
        raise RejectedRowError("no usable address", "addresses")


def _provider_row(individual: Individual) -> ProviderRow:
    return ProviderRow(
        npi=individual.npi,
        last_name=individual.last_name or "",
        first_name=individual.first_name or "",
        middle_name=individual.middle_name,
        suffix=individual.suffix,
        credential=None,
        sex=None,
        taxonomy=individual.taxonomies[0],
        taxonomies=individual.taxonomies,
    )
