"""Normalize names, addresses, phones and codes of directory entities.

Pure, deterministic and idempotent: `refine(refine(x)) == refine(x)`.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from msgspec.structs import replace

from millrace_contracts.entities import (
    Address,
    Entity,
    InsurancePlan,
    Location,
    Position,
    Practice,
    Provider,
    ProviderLocation,
)
from millrace_reference.casing import (
    normalize_address_line,
    normalize_city_name,
    normalize_organization_name,
    normalize_person_name,
    squeeze,
)
from millrace_reference.credentials import normalize_credentials
from millrace_reference.languages import find_language_by_name
from millrace_reference.npi import is_valid_npi
from millrace_reference.phones import normalize_phone
from millrace_reference.places import Place, find_place
from millrace_reference.specialties import find_specialty_by_taxonomy

E = TypeVar("E", bound=Entity)

_ZIP = re.compile(r"(\d{5})[\s-]*(\d{4})?\Z", re.ASCII)
_NO_SUFFIX = "0000"


class UnrefinableError(ValueError):
    """Raised if an entity can't be normalized because of `field`; `reason` describes the problem."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def refine(entity: E) -> E:
    """Return the normalized entity with derived fields: position, time zone, specialty and display name.

    Removes an invalid phone number. Raises `UnrefinableError` for an unknown taxonomy or ZIP code, an invalid NPI, or
    an empty required field.
    """
    refiner = _REFINERS.get(type(entity))
    refined: E = entity if refiner is None else refiner(entity)
    return refined


def normalize_zip_code(text: str) -> str | None:
    """Normalize a ZIP code: `100323724` → `10032-3724`, `100320000` → `10032`; return None if it is invalid."""
    match = _ZIP.match(text.strip())
    if match is None:
        return None
    base, route = match.groups()
    return base if route is None or route == _NO_SUFFIX else f"{base}-{route}"


def _refine_provider(provider: Provider) -> Provider:
    if not is_valid_npi(provider.npi):
        raise UnrefinableError("npi", "is not a valid NPI")
    clean = replace(
        provider,
        last_name=_required("last_name", normalize_person_name(provider.last_name)),
        first_name=normalize_person_name(provider.first_name),
        middle_name=_optional(normalize_person_name, provider.middle_name),
        suffix=_optional(normalize_person_name, provider.suffix),
        credential=_optional(normalize_credentials, provider.credential),
        taxonomies=tuple(dict.fromkeys((provider.taxonomy, *provider.taxonomies))),
        languages=_normalize_languages(provider.languages),
        specialty=_specialty_slug(provider.taxonomy),
    )
    return replace(clean, display_name=display_name(clean))


def display_name(provider: Provider) -> str:
    """Return the name to display, e.g. `Maria O'Connell-Ruiz, MD`; the parts must be normalized."""
    parts = (provider.first_name, provider.middle_name, provider.last_name, provider.suffix)
    name = " ".join(part for part in parts if part)
    return f"{name}, {provider.credential}" if provider.credential else name


def _refine_practice(practice: Practice) -> Practice:
    return replace(
        practice,
        name=_required("name", normalize_organization_name(practice.name)),
        phone=_optional(normalize_phone, practice.phone),
    )


def _refine_location(location: Location) -> Location:
    return replace(location, **_shared_fields(location))


def _refine_provider_location(provider_location: ProviderLocation) -> ProviderLocation:
    if not is_valid_npi(provider_location.npi):
        raise UnrefinableError("npi", "is not a valid NPI")
    return replace(
        provider_location,
        **_shared_fields(provider_location),
        accepted_plans=_sorted_set(provider_location.accepted_plans),
        accepted_plan_years={
            plan: tuple(sorted(set(years))) for plan, years in sorted(provider_location.accepted_plan_years.items())
        },
        specialty=_specialty_slug(provider_location.taxonomy),
    )


def _shared_fields(entity: Location | ProviderLocation) -> dict[str, Any]:
    """Return the normalized values of the fields that locations and provider-locations have in common."""
    address, place = _refine_address(entity.address)
    return {
        "address": address,
        "practice_name": _optional(normalize_organization_name, entity.practice_name),
        "phone": _optional(normalize_phone, entity.phone),
        "position": _position_of(place),
        "time_zone": place.time_zone,
    }


def _refine_insurance_plan(plan: InsurancePlan) -> InsurancePlan:
    return replace(
        plan,
        name=_required("name", squeeze(plan.name)),
        issuer=_optional(squeeze, plan.issuer),
        years=tuple(sorted(set(plan.years))),
        network_tiers=tuple(dict.fromkeys(plan.network_tiers)),
    )


# Each refiner accepts and returns the type of its key, which a mapping's type can't express.
_REFINERS: dict[type[Entity], Callable[[Any], Any]] = {
    Provider: _refine_provider,
    Practice: _refine_practice,
    Location: _refine_location,
    ProviderLocation: _refine_provider_location,
    InsurancePlan: _refine_insurance_plan,
}


def _refine_address(address: Address) -> tuple[Address, Place]:
    zip_clean = normalize_zip_code(address.zip)
    if zip_clean is None:
        raise UnrefinableError("address.zip", "is not a ZIP code")
    place = find_place(zip_clean[:5])
    if place is None:
        raise UnrefinableError("address.zip", "is not a known ZIP code")
    clean = Address(
        line1=_required("address.line1", normalize_address_line(address.line1)),
        line2=_optional(normalize_address_line, address.line2),
        city=_required("address.city", normalize_city_name(address.city)),
        state=squeeze(address.state).upper(),
        zip=zip_clean,
    )
    return clean, place


@lru_cache(65_536)
def _position_of(place: Place) -> Position:
    return Position(lat=place.lat, lon=place.lon)


def _specialty_slug(taxonomy: str) -> str:
    specialty = find_specialty_by_taxonomy(taxonomy)
    if specialty is None:
        raise UnrefinableError("taxonomy", "is not a NUCC code")
    return specialty.slug


@lru_cache(16_384)
def _normalize_languages(languages: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ISO 639-1 codes of languages, sorted; unknown languages are only converted to lower case."""
    named = ((find_language_by_name(text), text) for text in languages)
    return _sorted_set(tuple(language.code if language else squeeze(text).lower() for language, text in named))


@lru_cache(16_384)
def _sorted_set(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))


def _optional(clean: Callable[[str], str | None], text: str | None) -> str | None:
    return (clean(text) or None) if text else None


def _required(field: str, text: str) -> str:
    if not text:
        raise UnrefinableError(field, "is empty")
    return text
