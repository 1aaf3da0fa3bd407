"""Rows and cards made up for tests."""

from datetime import date
from typing import Any

import msgspec

from millrace_contracts import entities
from millrace_contracts.entities import Address, Availability, Opening
from millrace_readmodel.cards import Card
from millrace_readmodel.layout import row_id
from millrace_readmodel.openings import WeekItem, build_entry, summarize_week
from millrace_readmodel.zones import day_and_minute, day_number, week_of_day, zone_number
from millrace_reference.npi import npi_check_digit
from millrace_reference.text import words

NEW_YORK = (40.7506, -73.9972)


def openings(made: Card, *starts: str, today: date, **kind: Any) -> bytes:
    """The entry of a card's openings at these times (RFC 3339); `kind` as in `entities.Opening`."""
    zone = zone_number(made.time_zone)
    by_week: dict[int, list[Opening]] = {}
    for start in sorted(starts):
        week = week_of_day(day_and_minute(start, zone)[0])
        by_week.setdefault(week, []).append(Opening(start=start, minutes=20, **kind))
    return build_entry(
        row_id(made.id), zone, day_number(today), [summarize_week(_week(made, *each), zone) for each in by_week.items()]
    )


def _week(made: Card, week: int, found: list[Opening]) -> WeekItem:
    entity = Availability(
        provider_location_id=made.id, npi=made.npi, week="-", time_zone=made.time_zone, openings=tuple(found)
    )
    return WeekItem(made.npi, made.id, week, 1, msgspec.json.encode(entity).decode())


def npi(number: int) -> str:
    """The NPI of a running number."""
    first9 = f"1{number:08d}"
    return f"{first9}{npi_check_digit(first9)}"


def card(number: int, **changes: Any) -> Card:
    """The card of the provider with a running number, at his one location in Manhattan."""
    name = changes.get("name", f"Ada Lovelace{number}")
    made = Card(
        version=1,
        id=entities.provider_location_id(npi(number), "somewhere"),
        npi=npi(number),
        name=name,
        words=tuple(dict.fromkeys(words(name))),
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
