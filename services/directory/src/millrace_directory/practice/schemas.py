"""Practices as REST resources."""

from uuid import UUID

from pydantic import Field

from millrace_contracts.entities import practice_id
from millrace_directory.practice.model import Practice
from millrace_directory.schemas import Body
from millrace_platform.resources import Npi, Phone, Schema, Text, Version


class _Fields(Schema):
    name: Text = Field(examples=["Lakeside Family Medicine"])
    npi: Npi | None = Field(None, examples=["1538260007"])
    phone: Phone | None = Field(None, examples=["(312) 555-0142"])


class PracticeBody(_Fields, Body):
    """The whole state of a practice."""

    id: UUID | None = Field(None, description="Default: derived from the NPI; random without an NPI.")

    def derived_id(self) -> UUID | None:
        """Return the id that imports derive from the NPI; None without an NPI."""
        return None if self.npi is None else UUID(practice_id(self.npi))

    def state(self, key: UUID) -> Practice:
        return Practice(id=self.id or key, name=self.name, npi=self.npi, phone=self.phone)


class PracticeResource(_Fields):
    """Stored practice with its version."""

    id: UUID
    version: Version
