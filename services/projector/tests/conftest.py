"""Fixtures: settings and clients of empty stores, and a factory of entities and records."""

import itertools
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from millrace_contracts import registry
from millrace_contracts.entities import Address, Availability, InsurancePlan, Opening, Provider, ProviderLocation
from millrace_contracts.envelope import Envelope, encode
from millrace_feeds.transport import Record
from millrace_projector.settings import ProjectorSettings
from millrace_projector.stores import Stores, open_stores
from millrace_readmodel.dynamodb import truth_client
from millrace_readmodel.truth import create_table
from millrace_reference.refine import refine

NPI = "1234567893"


@pytest.fixture
async def settings(redis_url: str, aws_endpoint: str, unique_name: Callable[[str], str]) -> ProjectorSettings:
    """Return settings that point to an empty Redis and a new table for the source of truth."""
    table = unique_name("truth")
    async with truth_client(region="us-east-1", endpoint_url=aws_endpoint) as client:
        await create_table(client, table)
    return ProjectorSettings(redis_url=redis_url, truth_table=table, aws_endpoint_url=aws_endpoint)


@pytest.fixture
async def stores(settings: ProjectorSettings) -> AsyncIterator[Stores]:
    async with open_stores(settings, name="test") as opened:
        yield opened


class Factory:
    """Makes entities of the directory, and records of the stream `entities` with their normalized content."""

    def __init__(self) -> None:
        self._sequence = itertools.count(1)

    def provider(self, npi: str = NPI, last_name: str = "LOVELACE") -> Provider:
        return Provider(npi=npi, first_name="ADA", last_name=last_name, taxonomy="207N00000X", sex="F")

    def location(self, npi: str = NPI, zip_code: str = "10001", plans: tuple[str, ...] = ()) -> ProviderLocation:
        return ProviderLocation(
            id=str(uuid.uuid5(uuid.NAMESPACE_OID, npi)),
            npi=npi,
            location_id="00000000-0000-5000-8000-000000000001",
            address=Address(line1="1 MAIN ST", city="NEW YORK", state="NY", zip=zip_code),
            taxonomy="207N00000X",
            accepted_plans=plans,
        )

    def week(self, npi: str = NPI, starts: tuple[str, ...] = ("2026-11-24T09:00:00-05:00",)) -> Availability:
        return Availability(
            provider_location_id=str(uuid.uuid5(uuid.NAMESPACE_OID, npi)),
            npi=npi,
            week="2026-W48",
            time_zone="America/New_York",
            openings=tuple(Opening(start=start, minutes=20) for start in starts),
        )

    def plan(self, identifier: str = "11111AA1111111") -> InsurancePlan:
        return InsurancePlan(id=identifier, name="Gold")

    def record(self, entity: Any, version: int = 1, *, deleted: bool = False, shard: str = "shard-0") -> Record:
        contract = self._contract(entity)
        subject = contract.subject(entity)
        envelope = Envelope(
            id=str(uuid.uuid4()),
            source="/services/directory",
            type=f"millrace.{contract.name}.updated",
            subject=subject,
            time="2026-11-21T00:00:00.000Z",
            dataschema=contract.dataschema,
            partitionkey=subject,
            entityversion=version,
            data=msgspec.Raw(b"null" if deleted else msgspec.json.encode(refine(entity))),
        )
        return self.raw(encode(envelope), key=subject, shard=shard)

    def raw(self, body: bytes, *, key: str = "key", shard: str = "shard-0") -> Record:
        number = next(self._sequence)
        return Record("entities", shard, str(number), key, body, arrived=1000.0 + number)

    def line(self, entity: Any, version: int = 1, *, deleted: bool = False) -> bytes:
        """Return the entity as a line of the directory's snapshot."""
        data = None if deleted else entity
        subject = self._contract(entity).subject(entity)
        return msgspec.json.encode({"subject": subject, "version": version, "data": data})

    def _contract(self, entity: Any) -> Any:
        return next(contract for contract in registry.CONTRACTS.values() if isinstance(entity, contract.type))


@pytest.fixture
def make() -> Factory:
    return Factory()
