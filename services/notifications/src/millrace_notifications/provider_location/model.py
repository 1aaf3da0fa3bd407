"""Providers and provider-locations with the fields that emails show."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProviderLocation:
    """The contact details of a provider-location for emails. `phone` is in E.164 format, `time_zone` an IANA name.

    One that `is_pending` isn't booked until another practice of the provider confirms it.
    """

    id: str
    npi: str
    is_pending: bool
    practice_id: str | None
    practice_name: str | None
    address: str
    phone: str | None
    time_zone: str | None


@dataclass(frozen=True, slots=True)
class Provider:
    """The name of a provider for emails. `name` is the display name."""

    npi: str
    name: str
