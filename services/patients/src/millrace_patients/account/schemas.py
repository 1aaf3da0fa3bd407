"""Request and response schemas of accounts."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr, StringConstraints
from pydantic_core import PydanticCustomError

from millrace_patients.account.model import PASSWORD_MAXIMUM, PASSWORD_MINIMUM, Account, normalize_email
from millrace_patients.second_factor.schemas import Code
from millrace_platform.authentication import Role
from millrace_platform.resources import Body, Schema


def _canonical_email(text: str) -> str:
    try:
        return normalize_email(text)
    except ValueError:
        message = "This is not an email address that can receive email."
        raise PydanticCustomError("email", message, {"remedy": "Give an address such as ada@example.org."}) from None


EmailAddress = Annotated[
    str,
    StringConstraints(max_length=254),
    AfterValidator(_canonical_email),
    Field(
        description="Address of an existing mailbox; it is verified by email.",
        examples=["ada@example.org"],
        json_schema_extra={"format": "email"},
    ),
]
NewPassword = Annotated[
    SecretStr,
    Field(
        min_length=PASSWORD_MINIMUM,
        max_length=PASSWORD_MAXIMUM,
        description="Any characters; a sentence works best. Common and easily guessed passwords are rejected.",
        examples=["a quiet sentence about rivers"],
    ),
]
Password = Annotated[SecretStr, Field(min_length=1, max_length=PASSWORD_MAXIMUM)]
Token = Annotated[SecretStr, Field(min_length=1, max_length=128)]
DeviceToken = Annotated[
    SecretStr | None, Field(max_length=128, description="Returned by the last sign-in on this device.")
]


class EmailBody(Body):
    """Address that receives an emailed token."""

    email: EmailAddress


class TokenAndPassword(Body):
    """Emailed token, and the password to set."""

    token: Token
    password: NewPassword


class PasswordChange(Body):
    """The caller's current password, and the one to set."""

    current_password: Password
    password: NewPassword


class Credentials(Body):
    """Credentials of a sign-in, with the token of a known device if there is one."""

    email: EmailAddress
    password: Password
    code: Code | None = None
    device_token: DeviceToken = None


class SessionBody(Body):
    """Refresh token of the session to end."""

    refresh_token: Token


class RefreshBody(SessionBody):
    """Refresh token to exchange for new tokens, with the token of the device."""

    device_token: DeviceToken = None


class AccountCreated(Schema):
    """Id of the created account."""

    id: UUID


class Tokens(Schema):
    """Tokens returned by a sign-in or a refresh."""

    subject: UUID = Field(description="The id of the account, and of the patient in `/v1/patients/{patient_id}`.")
    token_type: str = "Bearer"  # noqa: S105 # a type, not a token
    access_token: str
    expires_in: int = Field(description="Seconds until the access token expires.")
    refresh_token: str = Field(
        description="Valid for one use, which the same device may repeat for 10 seconds; reuse ends the session."
    )
    device_token: str | None = Field(None, description="Store it on this device, also after a sign-out.")


class RolesBody(Body):
    """New roles of an account, and the practices it is staff of."""

    roles: Annotated[list[Role], Field(min_length=1, max_length=len(Role))]
    practices: list[UUID] = Field([], max_length=50, description="Practices the staff member works for.")


class RolesResource(Schema):
    """Roles of an account, and the practices it is staff of."""

    id: UUID
    roles: list[Role]
    practices: list[UUID]

    @classmethod
    def of(cls, account: Account) -> "RolesResource":
        return cls(id=account.id, roles=list(account.roles), practices=list(account.practice_ids))
