"""Writes the rows of an NPPES publication to the directory, within the caller's transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from asyncpg import Connection

from millrace_directory.bulk_import.rows import (
    AddressRow,
    LocationRow,
    PracticeRow,
    ProviderLocationRow,
    Source,
    provider_location_row,
)
from millrace_directory.bulk_import.statements import LIVE_PRACTICES
from millrace_directory.bulk_import.writer import RowWriter
from millrace_directory.nppes.chunks import Chunk
from millrace_directory.nppes.reference_files import OtherName, SecondaryLocation

_MAIN, _REFERENCE = (Source.PRIMARY,), (Source.SECONDARY,)
_PROVIDERS = "SELECT npi, taxonomy FROM provider WHERE npi = ANY($1) AND deleted_at IS NULL"

Locations = Mapping[str, Sequence[SecondaryLocation]]
"""Secondary practice locations by NPI."""


class References(NamedTuple):
    """The rows of the reference files for the NPIs of a chunk. `locations` is None if their file isn't imported."""

    locations: Locations | None
    names: Mapping[str, Sequence[OtherName]]


async def write_chunk(writer: RowWriter, chunk: Chunk, references: References) -> None:
    """Write a chunk's organizations, individuals and deactivated NPIs with all their addresses.

    The addresses replace those of earlier imports; without secondary locations, only the primary ones.
    """
    locations = references.locations or {}
    replaced = _MAIN if references.locations is None else (*_MAIN, *_REFERENCE)
    individuals, organizations = chunk.individuals, chunk.organizations
    deactivated = sorted(chunk.deactivations)
    further = {npi: _further(locations.get(npi, ()), each.location.id) for npi, each in organizations.items()}
    further |= {npi: _further(locations.get(npi, ()), each.location.id) for npi, each in individuals.items()}
    await writer.write_organizations(
        [_named(each.practice, references.names.get(npi, ()), named=each.named) for npi, each in organizations.items()],
        [
            row
            for npi, each in organizations.items()
            for row in _addresses(npi, each.location.id, further[npi], is_organization=True)
        ],
        _locations(
            chain((each.location for each in organizations.values()), (each.location for each in individuals.values())),
            further,
        ),
        deactivated,
        replaced=replaced,
    )
    await writer.write_individuals(
        [each.provider for each in individuals.values()],
        [
            row
            for npi, each in individuals.items()
            for row in (each.provider_location, *_at_further(npi, each.provider.taxonomy, further[npi]))
        ],
        [
            row
            for npi, each in individuals.items()
            for row in _addresses(npi, each.location.id, further[npi], is_organization=False)
        ],
        deactivated,
        replaced=replaced,
    )


async def find_known(connection: Connection, npis: Sequence[str]) -> set[str]:
    """Return those of the NPIs whose practice or provider the directory has."""
    rows = [*await connection.fetch(LIVE_PRACTICES, npis), *await connection.fetch(_PROVIDERS, npis)]
    return {row["npi"] for row in rows}


async def write_remaining(connection: Connection, writer: RowWriter, locations: Locations) -> None:
    """Write secondary locations of practices and providers that the directory has, but the main file doesn't."""
    npis = list(locations)
    practices = [PracticeRow(*row) for row in await connection.fetch(LIVE_PRACTICES, npis)]
    taxonomies = {row["npi"]: row["taxonomy"] for row in await connection.fetch(_PROVIDERS, npis)}
    organizations = {row.npi for row in practices} - taxonomies.keys()
    known = {npi: _further(locations[npi], "") for npi in organizations | taxonomies.keys()}
    await writer.write_organizations(
        [row for row in practices if row.npi in organizations],
        [row for npi in sorted(organizations) for row in _addresses(npi, None, known[npi], is_organization=True)],
        _locations([], known),
        [],
        replaced=_REFERENCE,
    )
    await writer.write_individuals(
        [],
        [row for npi, taxonomy in taxonomies.items() for row in _at_further(npi, taxonomy, known[npi])],
        [row for npi in taxonomies for row in _addresses(npi, None, known[npi], is_organization=False)],
        [],
        replaced=_REFERENCE,
    )


def _further(rows: Iterable[SecondaryLocation], primary: str) -> list[SecondaryLocation]:
    """Return the locations other than the primary one, each once."""
    return list({row.location_id: row for row in rows if row.location_id != primary}.values())


def _named(practice: PracticeRow, names: Sequence[OtherName], *, named: bool) -> PracticeRow:
    """Return the practice with the name under which it does business: patients look for the name on the door."""
    return practice if named or not names else practice._replace(name=names[0].name)


def _addresses(
    npi: str, primary: str | None, further: Iterable[SecondaryLocation], *, is_organization: bool
) -> Iterator[AddressRow]:
    if primary is not None:
        yield AddressRow(npi, primary, is_organization, Source.PRIMARY)
    for row in further:
        phone = row.phone if is_organization else None
        yield AddressRow(npi, row.location_id, is_organization, Source.SECONDARY, phone)


def _at_further(npi: str, taxonomy: str, further: Iterable[SecondaryLocation]) -> Iterator[ProviderLocationRow]:
    return (provider_location_row(npi, row.location_id, taxonomy, row.phone) for row in further)


def _locations(
    primary: Iterable[LocationRow], further: Mapping[str, Sequence[SecondaryLocation]]
) -> Iterator[LocationRow]:
    yield from primary
    for rows in further.values():
        yield from (row.location for row in rows)
