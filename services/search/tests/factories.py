"""Factories of cards and openings for tests."""

from datetime import date
from typing import Any

import msgspec

from millrace_contracts import entities
from millrace_contracts.entities import Address, Availability, Opening
from millrace_readmodel.cards import Card
from millrace_readmodel.layout import row_id
from millrace_readmodel.openings import WeekItem, build_entry, summarize_week
from millrace_readmodel.zones import day_and_minute, day_number, week_of_day, zone_number
from millrace_reference.names import index_words
from millrace_reference.npi import npi_check_digit

NEW_YORK = (40.7506, -73.9972)


def make_openings_entry(card: Card, *starts: str, today: date, **fields: Any) -> bytes:
    """Return the encoded openings of a card at these times (RFC 3339); `fields` are others of `Opening`."""
    zone = zone_number(card.time_zone)
    by_week: dict[int, list[Opening]] = {}
    for start in sorted(starts):
        week = week_of_day(day_and_minute(start, zone)[0])
        by_week.setdefault(week, []).append(Opening(start=start, minutes=20, **fields))
    return build_entry(
        row_id(card.id),
        zone,
        day_number(today),
        [summarize_week(_make_week(card, *each), zone) for each in by_week.items()],
    )


def _make_week(card: Card, week: int, openings: list[Opening]) -> WeekItem:
    entity = Availability(
        provider_location_id=card.id, npi=card.npi, week="-", time_zone=card.time_zone, openings=tuple(openings)
    )
    return WeekItem(card.npi, card.id, week, 1, msgspec.json.encode(entity).decode())


def make_npi(number: int) -> str:
    """Return a valid NPI for a serial number."""
    first9 = f"1{number:08d}"
    return f"{first9}{npi_check_digit(first9)}"


def make_card(number: int, **changes: Any) -> Card:
    """Return the card of the provider with a serial number, at a location in Manhattan.

    The first word of `name` is the first name.
    """
    name = changes.get("name", f"Ada Lovelace{number}")
    first_name, _, last_name = name.partition(",")[0].partition(" ")
    made = Card(
        version=1,
        id=entities.provider_location_id(make_npi(number), "somewhere"),
        npi=make_npi(number),
        name=name,
        words=index_words(first_name, None, last_name),
        taxonomy="207N00000X",
        specialty="dermatology",
        address=Address(line1="350 5th Ave", city="New York", state="NY", zip="10118"),
        lat=NEW_YORK[0],
        lon=NEW_YORK[1],
        time_zone="America/New_York",
        sex=None,
        languages=("en",),
        plans=(),
        new_patients=None,
        rating=None,
        reviews=0,
        practice_id=None,
        practice_name=None,
        phone=None,
    )
    return msgspec.structs.replace(made, **changes)
