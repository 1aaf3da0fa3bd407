"""The entities in events: complete states, never differences.

Readers ignore unknown fields, and fields that were added to a version have defaults. Fields marked *clean* are absent
in `changes`; the refinery sets them in `entities`. Identifiers are opaque text unless a format is given.
"""

import hashlib
import uuid
from typing import Literal, TypeAlias

import msgspec

Sex: TypeAlias = Literal["F", "M", "X"]
Mode: TypeAlias = Literal["in_person", "video"]
PatientKind: TypeAlias = Literal["existing", "new"]
AccountRole: TypeAlias = Literal["patient", "staff", "support", "admin"]
NAMESPACE = uuid.UUID("8f0a1f52-4d0c-5c55-9a57-5b6f6f3a5d10")


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all entities: frozen, keyword-only."""


class Address(Entity, frozen=True, kw_only=True):
    """A postal address in the United States or a territory. `zip` is `12345` or `12345-6789` once clean."""

    line1: str
    city: str
    state: str
    zip: str
    line2: str | None = None


class Position(Entity, frozen=True, kw_only=True):
    """WGS 84 degrees."""

    lat: float
    lon: float


class Practice(Entity, frozen=True, kw_only=True):
    """An organization that runs locations. `npi` is its organizational NPI when it has one."""

    id: str
    name: str
    npi: str | None = None
    phone: str | None = None


class Provider(Entity, frozen=True, kw_only=True):
    """A person who sees patients. `taxonomies` are NUCC codes; `taxonomy` is the primary one."""

    npi: str
    last_name: str
    first_name: str
    taxonomy: str
    middle_name: str | None = None
    suffix: str | None = None
    credential: str | None = None
    sex: Sex | None = None
    taxonomies: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes, sorted; English included when spoken."""
    display_name: str | None = None
    """Clean: the name to display, e.g. `Maria O'Connell-Ruiz, MD`."""
    specialty: str | None = None
    """Clean: slug of the specialty of `taxonomy`."""


class Location(Entity, frozen=True, kw_only=True):
    """A place where patients are seen."""

    id: str
    address: Address
    practice_id: str | None = None
    practice_name: str | None = None
    phone: str | None = None
    position: Position | None = None
    """Clean: from the ZIP code's centroid."""
    time_zone: str | None = None
    """Clean: IANA name."""


class ProviderLocation(Entity, frozen=True, kw_only=True):
    """One provider at one location: what is searched and booked (FHIR's PractitionerRole).

    Carries its location's address and practice, so that a card needs nothing beyond the provider's own entities.
    """

    id: str
    npi: str
    location_id: str
    address: Address
    taxonomy: str
    practice_id: str | None = None
    practice_name: str | None = None
    phone: str | None = None
    accepted_plans: tuple[str, ...] = ()
    """Insurance plan ids, sorted."""
    accepted_plan_years: dict[str, tuple[int, ...]] = {}
    """The years in which a plan of `accepted_plans` is accepted, sorted; a plan without an entry is in all years."""
    new_patients: bool | None = None
    """Whether the provider accepts new patients; null if unknown."""
    is_pending: bool = False
    """Whether another practice of the provider still has to confirm it: until then it isn't searched or booked."""
    position: Position | None = None
    """Clean."""
    time_zone: str | None = None
    """Clean: IANA name."""
    specialty: str | None = None
    """Clean: slug of the specialty of `taxonomy`."""


class InsurancePlan(Entity, frozen=True, kw_only=True):
    """A health plan. `id` is the HIOS plan id (14 characters) or the practice's own identifier."""

    id: str
    name: str
    issuer: str | None = None
    years: tuple[int, ...] = ()
    network_tiers: tuple[str, ...] = ()


class BookableVisit(Entity, frozen=True, kw_only=True):
    """A visit that a hold reserves for each of `patients` in each of `modes`."""

    minutes: int
    modes: tuple[Mode, ...] = ("in_person",)
    """The possible modes of the visit, sorted."""
    patients: tuple[PatientKind, ...] = ("existing", "new")
    """The kinds of patients that may book it, sorted."""
    visit_type: str | None = None
    """Id of the calendar's visit type."""


class Opening(BookableVisit, frozen=True, kw_only=True):
    """A time that can be booked, with the visit that a hold reserves there. `start` is RFC 3339 with offset."""

    start: str
    other_visits: tuple[BookableVisit, ...] = ()
    """The visits that a hold reserves for other patients and modes."""


class Availability(Entity, frozen=True, kw_only=True):
    """All openings of a provider-location in one ISO week (`2026-W48`) of its time zone, in the order of time."""

    provider_location_id: str
    npi: str
    week: str
    time_zone: str
    openings: tuple[Opening, ...] = ()


class ReviewSummary(Entity, frozen=True, kw_only=True):
    """Published reviews of a provider: how many, and Bayesian averages from 1 to 5."""

    npi: str
    count: int
    overall: float
    bedside_manner: float | None = None
    wait_time: float | None = None


class Appointment(Entity, frozen=True, kw_only=True):
    """A booked visit. The patient is an opaque id; nothing else about the patient is on a feed."""

    id: str
    provider_location_id: str
    npi: str
    patient_id: str
    start: str
    """RFC 3339 with offset."""
    minutes: int
    state: Literal["booked", "confirmed", "arrived", "completed", "cancelled", "no_show"]
    visit_reason: str | None = None
    practice_id: str | None = None
    time_zone: str | None = None
    """IANA name, of the provider-location."""
    mode: Mode = "in_person"
    patient: PatientKind | None = None
    moved_from: str | None = None
    """The start before the last rescheduling."""
    cancelled_by: Literal["patient", "practice"] | None = None
    cancellation_reason: str | None = None
    """A code defined by scheduling, never free text."""
    completed_at: str | None = None
    """RFC 3339, UTC."""
    dependant_id: str | None = None
    """The patient's dependant whom the visit is for; null if it is for the patient."""
    insurance_card_id: str | None = None
    """The insurance card that the patient named for the visit."""


class WaitlistOffer(Entity, frozen=True, kw_only=True):
    """A time that is held until `expires_at` (RFC 3339, UTC) for the first in line of a waitlist."""

    id: str
    waitlist_entry_id: str
    hold_id: str
    provider_location_id: str
    npi: str
    patient_id: str
    start: str
    minutes: int
    expires_at: str
    state: Literal["offered", "taken", "lapsed"]
    time_zone: str | None = None
    practice_id: str | None = None
    visit_reason: str | None = None
    mode: Mode = "in_person"


class Patient(Entity, frozen=True, kw_only=True):
    """A patient: opaque ids, and what the patient may do. Never anything personal."""

    id: str
    state: Literal["active", "erased"]
    may_book: bool = False
    """Whether the profile has all that a booking asks for: a name, a birth date, and a phone or verified email."""
    dependant_ids: tuple[str, ...] = ()
    """The patient's dependants, sorted."""
    insurance_card_ids: tuple[str, ...] = ()
    """The insurance cards of the patient and of the dependants, sorted."""
    registered_at: str | None = None
    """RFC 3339, UTC: when the account began; null if it isn't known or the patient was erased."""


class Account(Entity, frozen=True, kw_only=True):
    """An account that signs in: an opaque id, its roles, and which access tokens are refused. Never anything personal.

    An account without an event is a patient's whose tokens were never revoked.
    """

    id: str
    state: Literal["active", "erased"]
    roles: tuple[AccountRole, ...] = ()
    practice_ids: tuple[str, ...] = ()
    """The practices that a member of staff works for, sorted."""
    tokens_valid_from: str | None = None
    """RFC 3339, UTC. Access tokens that were issued before are refused; null if none are."""


def provider_location_id(npi: str, location: str) -> str:
    """Return the id of a provider at a location (UUIDv5)."""
    return derived_id("provider-location", npi, location)


def practice_id(npi: str) -> str:
    """Return the id of the practice with an organizational NPI (UUIDv5)."""
    return derived_id("practice", npi)


_NAMESPACE_HASH = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)


def derived_id(kind: str, *values: str) -> str:
    """Return the id of the entity of this kind that these values identify (UUIDv5)."""
    # Faster than `str(uuid.uuid5(NAMESPACE, …))`: imports compute one or two ids for each row.
    sha1 = _NAMESPACE_HASH.copy()
    sha1.update("|".join((kind, *values)).encode())
    digits = sha1.hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"
