"""Rows and cards made up for tests."""

from typing import Any

import msgspec

from millrace_contracts import entities
from millrace_contracts.entities import Address
from millrace_readmodel.cards import Card
from millrace_reference.npi import npi_check_digit
from millrace_reference.text import words

NEW_YORK = (40.7506, -73.9972)


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
