"""The fields of providers that scheduling needs. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider's name, None for a deleted provider. `version` is that of the consumed entity."""

    npi: str
    name: str | None
    version: int
