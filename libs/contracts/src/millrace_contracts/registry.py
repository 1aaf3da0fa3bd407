"""Which entities there are, how their subjects read, and how their data is decoded."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from millrace_contracts.entities import (
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
from millrace_contracts.texts import field_with_nul

E = TypeVar("E", bound=Entity)


@dataclass(frozen=True, slots=True)
class Contract(Generic[E]):
    """One entity on the wire. `name` heads the subject and names the schema; `key` lists the fields of the subject."""

    name: str
    type: type[E]
    key: tuple[str, ...]
    version: int = 1

    @property
    def dataschema(self) -> str:
        return f"urn:millrace:{self.name}:{self.version}"

    def subject(self, entity: E) -> str:
        return "/".join([self.name, *[str(getattr(entity, field)) for field in self.key]])

    def decode(self, data: bytes | msgspec.Raw) -> E:
        """Raises `ContractError` naming the field."""
        try:
            entity = msgspec.json.decode(data, type=self.type)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ContractError(f"{self.name}: {error}") from error
        if (field := field_with_nul(data, entity)) is not None:
            raise ContractError(f"{self.name}: the text holds U+0000 - at `{field}`")
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

CONTRACTS: dict[str, Contract[Entity]] = {
    contract.name: contract  # type: ignore[misc] # each contract reads its own entity; the table only looks them up
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
    )
}


def contract_of(envelope: Envelope) -> Contract[Entity]:
    """The contract of an envelope's data. Raises `ContractError` for an unknown entity or a newer major version."""
    contract = CONTRACTS.get(envelope.entity)
    if contract is None:
        raise ContractError(f"subject: unknown entity {envelope.entity!r}")
    if envelope.dataschema != contract.dataschema:
        raise ContractError(f"dataschema: {envelope.dataschema!r} is not {contract.dataschema!r}")
    if len(envelope.subject.split("/")) != 1 + len(contract.key):
        raise ContractError(f"subject: {contract.name} needs {'/'.join(contract.key)}")
    return contract


def entity_of(envelope: Envelope) -> Entity | None:
    """The decoded entity, None for a deletion. Raises `ContractError`, also where subject and data disagree."""
    contract = contract_of(envelope)
    if envelope.deleted:
        return None
    entity = contract.decode(envelope.data)
    if contract.subject(entity) != envelope.subject:
        raise ContractError(f"subject: {envelope.subject!r} is not that of the data")
    return entity
