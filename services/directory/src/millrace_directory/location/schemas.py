"""Locations as REST resources."""

from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from millrace_directory.location.model import Location, id_of_address
from millrace_directory.schemas import Body
from millrace_platform.patterns import STATE, Pattern
from millrace_platform.resources import Phone, Schema, Text, Version


class AddressBody(Schema):
    """A postal address in the United States or a territory."""

    model_config = ConfigDict(extra="forbid")

    line1: Text = Field(examples=["1200 N Lake Shore Dr"])
    line2: Text | None = Field(None, examples=["Suite 4"])
    city: Text = Field(examples=["Chicago"])
    state: Annotated[str, STATE, Field(description="USPS code.", examples=["IL"])]
    zip: Annotated[
        str,
        Pattern(r"^[0-9]{5}(-?[0-9]{4})?$", "Give a ZIP code of five digits, or ZIP+4 such as 60610-1234."),
        Field(description="ZIP or ZIP+4.", examples=["60610"]),
    ]


class _Fields(Schema):
    address: AddressBody
    practice_id: UUID | None = Field(None, description="The practice that runs the location.")
    phone: Phone | None = Field(None, examples=["(312) 555-0142"])


class LocationBody(_Fields, Body):
    """The whole state of a location."""

    read_only = Body.read_only | {"practice_name"}

    id: UUID | None = Field(None, description="Always that of the address: omit it, or send that one.")

    def state(self, key: UUID | None = None) -> Location:
        """Return the state under the id of the body, else under `key`, else under that of the address."""
        values = self.address.model_dump()
        return Location(
            id=self.id or key or id_of_address(**values), practice_id=self.practice_id, phone=self.phone, **values
        )


class LocationResource(_Fields):
    """Stored location with its version."""

    id: UUID
    version: Version
    practice_name: str | None = Field(None, examples=["Lakeside Family Medicine"])
