"""Request and response schemas of patients."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from millrace_patients.record.schemas import RecordBody, RecordResource
from millrace_patients.sharing.model import Scope
from millrace_platform.audit.schemas import AccessResource
from millrace_platform.patterns import LANGUAGE, STATE, Pattern
from millrace_platform.resources import Body, Date, Phone, Schema, Text

EARLIEST_BIRTH = date(1890, 1, 1)

Language = Annotated[str, LANGUAGE, Field(description="ISO 639-1 code.", examples=["es"])]
Sex = Literal["F", "M", "X"]


class AddressFields(Schema):
    """A postal address in the United States."""

    line1: Text
    line2: Text | None = None
    city: Text
    state: Annotated[str, STATE, Field(examples=["NY"])]
    zip: Annotated[
        str,
        Pattern(r"^[0-9]{5}(-[0-9]{4})?$", "Give a ZIP code of five digits, or ZIP+4 such as 10001-1234."),
        Field(examples=["10001"]),
    ]


class PersonFields(Schema):
    """Personal data of a patient or a dependant."""

    given_name: Text = Field(examples=["Ada"])
    family_name: Text = Field(examples=["Lovelace"])
    birth_date: Date
    sex: Sex | None = None

    @field_validator("birth_date")
    @classmethod
    def _plausible(cls, value: date) -> date:
        if value < EARLIEST_BIRTH:
            raise PydanticCustomError(
                "birth_date", "The date is before 1890.", {"remedy": "Send the date of birth as YYYY-MM-DD."}
            )
        return value


class ProfileFields(PersonFields):
    """Profile of a patient. Messages go to `email` once it is confirmed, until then to the account's own address."""

    email: (
        Annotated[str, Field(max_length=254), Pattern(r"^[^@\s]+@[^@\s]+$", "Give an address such as ada@example.org.")]
        | None
    ) = None
    phone: Phone | None = None
    address: AddressFields | None = None
    language: Language | None = None


class TokenBody(Body):
    """Token that was emailed to the profile's address."""

    token: Annotated[SecretStr, Field(min_length=1, max_length=128)]


class ProfileBody(ProfileFields, RecordBody):
    """Complete profile of a patient."""


class ProfileResource(RecordResource, ProfileFields):
    """Stored profile of a patient."""


class ShareExport(Schema):
    """Entry of a data export: a practice the patient shares with."""

    practice_id: UUID
    scope: Scope
    since: datetime


class SessionExport(Schema):
    """Entry of a data export: a sign-in session."""

    id: UUID
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class AccountExport(Schema):
    """The account's part of a patient's data export."""

    email: str
    roles: list[str]
    practices: list[UUID]
    created_at: datetime
    sessions: list[SessionExport]


class Export(Schema):
    """All data stored about a person, except the hashes of the password and of tokens."""

    id: UUID
    exported_at: datetime
    account: AccountExport | None
    profile: dict[str, Any] | None
    dependants: list[dict[str, Any]]
    insurance_cards: list[dict[str, Any]]
    practices: list[ShareExport]
    accesses: list[AccessResource] = Field(description="The newest 1,000 accesses; `/accesses` lists all.")
