"""The normal form of each entity: pure, deterministic and idempotent (`refine(refine(x)) == refine(x)`)."""

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
from millrace_reference.casing import address_line, city_name, organization_name, person_name, squeeze
from millrace_reference.credentials import credentials
from millrace_reference.languages import language_named
from millrace_reference.npi import is_valid_npi
from millrace_reference.phones import e164
from millrace_reference.places import Place, place
from millrace_reference.specialties import specialty_of_taxonomy

E = TypeVar("E", bound=Entity)

_ZIP = re.compile(r"(\d{5})[\s-]*(\d{4})?\Z", re.ASCII)
_NO_SUFFIX = "0000"


class UnrefinableError(ValueError):
    """The entity has no normal form; `field` is the one at fault, `reason` says what is wrong with it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def refine(entity: E) -> E:
    """The entity in its normal form, with its clean fields filled in. Raises `UnrefinableError`.

    An invalid phone number becomes none; an unknown taxonomy, ZIP code or NPI can't be refined.
    """
    refiner = _REFINERS.get(type(entity))
    refined: E = entity if refiner is None else refiner(entity)
    return refined


def zip_code(text: str) -> str | None:
    """`100323724` → `10032-3724`, `100320000` → `10032` (no delivery route); None if it is no ZIP code."""
    match = _ZIP.match(text.strip())
    if match is None:
        return None
    base, route = match.groups()
    return base if route is None or route == _NO_SUFFIX else f"{base}-{route}"


def _provider(provider: Provider) -> Provider:
    if not is_valid_npi(provider.npi):
        raise UnrefinableError("npi", f"{provider.npi!r} is not a valid NPI")
    clean = replace(
        provider,
        last_name=_required("last_name", person_name(provider.last_name)),
        first_name=person_name(provider.first_name),
        middle_name=_optional(person_name, provider.middle_name),
        suffix=_suffix(provider.suffix),
        credential=credentials(provider.credential) if provider.credential else None,
        taxonomies=tuple(dict.fromkeys((provider.taxonomy, *provider.taxonomies))),
        languages=_languages(provider.languages),
        specialty=_specialty(provider.taxonomy),
    )
    return replace(clean, display_name=display_name(clean))


def display_name(provider: Provider) -> str:
    """The name as a patient reads it: `Maria O'Connell-Ruiz, MD`. Expects the parts in normal form."""
    parts = (provider.first_name, provider.middle_name, provider.last_name, provider.suffix)
    name = " ".join(part for part in parts if part)
    return f"{name}, {provider.credential}" if provider.credential else name


def _practice(practice: Practice) -> Practice:
    return replace(
        practice,
        name=_required("name", organization_name(practice.name)),
        phone=_optional(e164, practice.phone),
    )


def _location(location: Location) -> Location:
    address, where = _address(location.address)
    return replace(
        location,
        address=address,
        practice_name=_optional(organization_name, location.practice_name),
        phone=_optional(e164, location.phone),
        position=_position(where.zip),
        time_zone=where.time_zone,
    )


def _provider_location(there: ProviderLocation) -> ProviderLocation:
    if not is_valid_npi(there.npi):
        raise UnrefinableError("npi", f"{there.npi!r} is not a valid NPI")
    address, where = _address(there.address)
    return replace(
        there,
        address=address,
        practice_name=_optional(organization_name, there.practice_name),
        phone=_optional(e164, there.phone),
        accepted_plans=_sorted_set(there.accepted_plans),
        position=_position(where.zip),
        time_zone=where.time_zone,
        specialty=_specialty(there.taxonomy),
    )


def _insurance_plan(plan: InsurancePlan) -> InsurancePlan:
    return replace(
        plan,
        name=_required("name", squeeze(plan.name)),
        issuer=_optional(squeeze, plan.issuer),
        years=tuple(sorted(set(plan.years))),
        network_tiers=tuple(dict.fromkeys(plan.network_tiers)),
    )


# Keyed by type; each refiner takes and gives its own entity, which a mapping can't say.
_REFINERS: dict[type[Entity], Callable[[Any], Any]] = {
    Provider: _provider,
    Practice: _practice,
    Location: _location,
    ProviderLocation: _provider_location,
    InsurancePlan: _insurance_plan,
}


def _address(address: Address) -> tuple[Address, Place]:
    zip_clean = zip_code(address.zip)
    if zip_clean is None:
        raise UnrefinableError("address.zip", f"{address.zip!r} is not a ZIP code")
    where = place(zip_clean[:5])
    if where is None:
        raise UnrefinableError("address.zip", f"{zip_clean[:5]} is not a known ZIP code")
    clean = Address(
        line1=_required("address.line1", address_line(address.line1)),
        line2=_optional(address_line, address.line2),
        city=_required("address.city", city_name(address.city)),
        state=squeeze(address.state).upper(),
        zip=zip_clean,
    )
    return clean, where


@lru_cache(65_536)
def _position(zip5: str) -> Position:
    where = place(zip5)
    if where is None:
        raise UnrefinableError("address.zip", f"{zip5} is not a known ZIP code")
    return Position(lat=where.lat, lon=where.lon)


def _specialty(taxonomy: str) -> str:
    specialty = specialty_of_taxonomy(taxonomy)
    if specialty is None:
        raise UnrefinableError("taxonomy", f"{taxonomy!r} is not a NUCC code")
    return specialty.slug


def _suffix(suffix: str | None) -> str | None:
    """`JR.` → `Jr.`, `III` stays."""
    return _optional(person_name, suffix)


@lru_cache(16_384)
def _languages(given: tuple[str, ...]) -> tuple[str, ...]:
    """ISO 639-1 codes, sorted; what isn't in the list of languages stays as it is, in lower case."""
    named = ((language_named(text), text) for text in given)
    return _sorted_set(tuple(found.code if found else squeeze(text).lower() for found, text in named))


@lru_cache(16_384)
def _sorted_set(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))


def _optional(clean: Callable[[str], str | None], text: str | None) -> str | None:
    return (clean(text) or None) if text else None


def _required(field: str, text: str) -> str:
    if not text:
        raise UnrefinableError(field, "is empty")
    return text
