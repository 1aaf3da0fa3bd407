"""Make events of the stream `changes`, as services publish them, and records with them."""

import itertools

import msgspec

from millrace_contracts.entities import Address, Entity, Practice, ProviderLocation
from millrace_contracts.envelope import Envelope, encode
from millrace_contracts.registry import CONTRACTS
from millrace_feeds.transport import Record

TIME = "2026-03-01T10:00:00.000Z"
SHARD = "shardId-000000000000"
_sequence = itertools.count(1)


def practice(name: str = "Harbor Clinic", *, key: str = "a") -> Practice:
    return Practice(id=key, name=name, phone="(415) 555-2671")


def location(*, taxonomy: str = "207Q00000X") -> ProviderLocation:
    address = Address(line1="1 MARKET ST", city="SAN FRANCISCO", state="CA", zip="94105")
    return ProviderLocation(id="pl-1", npi="1234567893", location_id="l-1", address=address, taxonomy=taxonomy)


def change(entity: Entity, version: int, *, deleted: bool = False, replay: bool = False) -> Envelope:
    """Make the change of an entity to a version; its id is derived from both."""
    contract = next(each for each in CONTRACTS.values() if isinstance(entity, each.type))
    subject = contract.subject(entity)
    return Envelope(
        id=f"{subject}@{version}",
        source="/services/directory",
        type=f"millrace.{contract.name}.{'deleted' if deleted else 'updated'}",
        subject=subject,
        time=TIME,
        dataschema=contract.dataschema,
        partitionkey=subject,
        entityversion=version,
        data=msgspec.Raw(b"null") if deleted else msgspec.Raw(msgspec.json.encode(entity)),
        replay=replay,
    )


def record(envelope: Envelope, *, shard: str = SHARD) -> Record:
    return raw_record(envelope.subject, encode(envelope), shard=shard)


def raw_record(key: str, body: bytes, *, shard: str = SHARD) -> Record:
    return Record("changes", shard, str(next(_sequence)), key, body, arrived=0.0)
