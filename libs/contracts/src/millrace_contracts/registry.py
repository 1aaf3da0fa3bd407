"""The registry of entities: names, subjects, schema versions, and decoding."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from millrace_contracts.entities import (
    Account,
    Appointment,
    Availability,
    Entity,
    InsurancePlan,
    Location,
    Patient,
    Practice,
    Provider,
    ProviderLocation,
    ReviewSummary,
    WaitlistOffer,
)
from millrace_contracts.envelope import ContractError, Envelope

E = TypeVar("E", bound=Entity)


@dataclass(frozen=True, slots=True)
class Contract(Generic[E]):
    """The contract of one entity. Its subjects are `name` and the values of the fields `key`, separated by slashes."""

    name: str
    type: type[E]
    key: tuple[str, ...]
    version: int = 1

    @property
    def dataschema(self) -> str:
        return f"urn:millrace:{self.name}:{self.version}"

    def subject(self, entity: E) -> str:
        """Return the subject of an event about the entity, e.g. `availability/1234567893/<id>/2026-W48`."""
        return "/".join([self.name, *[str(getattr(entity, field)) for field in self.key]])

    def decode(self, data: bytes | msgspec.Raw) -> E:
        """Decode an entity; raise `ContractError` that names the invalid field."""
        try:
            entity = msgspec.json.decode(data, type=self.type)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ContractError(f"{self.name}: {error}") from error
        if (field := _find_nul(data, entity)) is not None:
            raise ContractError(f"{self.name}: the text contains U+0000 - at `{field}`")
        return entity


PRACTICE = Contract("practice", Practice, ("id",))
PROVIDER = Contract("provider", Provider, ("npi",))
LOCATION = Contract("location", Location, ("id",))
PROVIDER_LOCATION = Contract("provider-location", ProviderLocation, ("npi", "id"))
INSURANCE_PLAN = Contract("insurance-plan", InsurancePlan, ("id",))
AVAILABILITY = Contract("availability", Availability, ("npi", "provider_location_id", "week"))
REVIEW_SUMMARY = Contract("review-summary", ReviewSummary, ("npi",))
APPOINTMENT = Contract("appointment", Appointment, ("id",))
WAITLIST_OFFER = Contract("waitlist-offer", WaitlistOffer, ("id",))
PATIENT = Contract("patient", Patient, ("id",))
ACCOUNT = Contract("account", Account, ("id",))

CONTRACTS: dict[str, Contract[Entity]] = {
    contract.name: contract  # type: ignore[misc] # Contract is invariant; the table is only for lookups
    for contract in (
        PRACTICE,
        PROVIDER,
        LOCATION,
        PROVIDER_LOCATION,
        INSURANCE_PLAN,
        AVAILABILITY,
        REVIEW_SUMMARY,
        APPOINTMENT,
        WAITLIST_OFFER,
        PATIENT,
        ACCOUNT,
    )
}


def get_contract(envelope: Envelope) -> Contract[Entity]:
    """Return the contract of an event's entity; raise `ContractError` for an unknown entity or schema version."""
    contract = CONTRACTS.get(envelope.entity)
    if contract is None:
        raise ContractError(f"subject: unknown entity {envelope.entity!r}")
    if envelope.dataschema != contract.dataschema:
        raise ContractError(f"dataschema: {envelope.dataschema!r} is not {contract.dataschema!r}")
    if len(envelope.subject.split("/")) != 1 + len(contract.key):
        raise ContractError(f"subject: {contract.name} needs {'/'.join(contract.key)}")
    return contract


def decode_entity(envelope: Envelope) -> Entity | None:
    """Return an event's entity, None for a deletion; raise `ContractError`, also if subject and data don't match."""
    contract = get_contract(envelope)
    if envelope.is_deletion:
        return None
    entity = contract.decode(envelope.data)
    if contract.subject(entity) != envelope.subject:
        raise ContractError(f"subject: {envelope.subject!r} is not the subject of the data")
    return entity


_ESCAPED_NUL = b"\\u0000"


def _find_nul(data: bytes | msgspec.Raw, entity: Entity) -> str | None:
    """Return the path of a text that contains U+0000, which PostgreSQL rejects; None if there is none.

    JSON can contain U+0000 only as an escape, so data without the escape isn't searched.
    """
    return _find_nul_in(msgspec.to_builtins(entity), "$") if _ESCAPED_NUL in bytes(data) else None


def _find_nul_in(value: Any, path: str) -> str | None:
    if isinstance(value, str):
        return path if "\0" in value else None
    if isinstance(value, dict):
        items = ((f"{path}.{name}", each) for name, each in value.items())
    elif isinstance(value, list | tuple):
        items = ((f"{path}[{index}]", each) for index, each in enumerate(value))
    else:
        return None
    return next((result for at, each in items if (result := _find_nul_in(each, at))), None)
