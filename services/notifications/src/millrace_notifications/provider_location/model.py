"""Providers and provider-locations as emails name them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProviderLocation:
    """A provider-location. `address` is one line, `phone` is E.164, `time_zone` is an IANA name."""

    id: str
    practice_id: str | None
    practice_name: str | None
    address: str
    phone: str | None
    time_zone: str | None


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider. `name` is the display name."""

    npi: str
    name: str
