"""Accounts over HTTP."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, SecretStr, StringConstraints

from millrace_patients.account.model import PASSWORD_MAXIMUM, PASSWORD_MINIMUM, Account
from millrace_patients.account.signing_in import SignedIn
from millrace_platform.authentication import Role
from millrace_platform.resources import Body, Schema

Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=3, max_length=254, pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+$"
    ),
    Field(description="Whether it exists is found out by mail, not by its form.", examples=["ada@example.org"]),
]
NewPassword = Annotated[
    SecretStr,
    Field(
        min_length=PASSWORD_MINIMUM,
        max_length=PASSWORD_MAXIMUM,
        description="Any characters; a sentence is best.",
        examples=["correct horse battery staple"],
    ),
]
Password = Annotated[SecretStr, Field(min_length=1, max_length=PASSWORD_MAXIMUM)]
Token = Annotated[SecretStr, Field(min_length=1, max_length=128)]


class EmailBody(Body):
    """An e-mail address."""

    email: Email


class TokenAndPassword(Body):
    """The token of a mail, and the password that shall hold."""

    token: Token
    password: NewPassword


class Credentials(Body):
    """What a sign-in takes."""

    email: Email
    password: Password
    device_token: Annotated[
        SecretStr | None, Field(max_length=128, description="As the last sign-in on this device gave it.")
    ] = None


class RefreshBody(Body):
    """A refresh token."""

    refresh_token: Token


class AccountCreated(Schema):
    """A new account."""

    id: UUID


class Tokens(Schema):
    """What a sign-in or a refresh gives."""

    subject: UUID = Field(description="The id of the account, and of the patient in `/v1/patients/{patient_id}`.")
    token_type: str = "Bearer"  # noqa: S105 # a type, not a token
    access_token: str
    expires_in: int = Field(description="Seconds until the access token expires.")
    refresh_token: str = Field(description="Good for one use; used twice, it ends the session.")
    device_token: str | None = Field(None, description="Keep it on this device, also after a sign-out.")

    @classmethod
    def of(cls, signed_in: SignedIn) -> "Tokens":
        return cls(
            subject=signed_in.subject,
            access_token=signed_in.access_token,
            expires_in=signed_in.expires_in,
            refresh_token=signed_in.refresh_token,
            device_token=signed_in.device_token,
        )


class RolesBody(Body):
    """What an account may do."""

    roles: Annotated[list[Role], Field(min_length=1, max_length=len(Role))]
    practices: list[UUID] = Field([], max_length=50, description="Those that staff works for.")


class RolesResource(Schema):
    """What an account may do."""

    id: UUID
    roles: list[Role]
    practices: list[UUID]

    @classmethod
    def of(cls, account: Account) -> "RolesResource":
        return cls(id=account.id, roles=list(account.roles), practices=list(account.practices))
