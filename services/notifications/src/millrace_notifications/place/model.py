"""What letters say of a provider and a place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A provider-location as a letter names it; `address` is one line, `phone` E.164, `time_zone` an IANA name."""

    id: str
    practice_id: str | None
    practice_name: str | None
    address: str
    phone: str | None
    time_zone: str | None


@dataclass(frozen=True, slots=True)
class Provider:
    """`name` as a patient reads it."""

    npi: str
    name: str
