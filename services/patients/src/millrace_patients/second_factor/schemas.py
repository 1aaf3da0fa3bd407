"""Request and response schemas of second factors."""

from typing import Annotated

from pydantic import Field, SecretStr

from millrace_platform.resources import Body, Schema

Code = Annotated[
    SecretStr,
    Field(min_length=6, max_length=32, description="Code of the app (6 digits), or a recovery code, each valid once."),
]


class CodeBody(Body):
    """Code that proves possession of the second factor."""

    code: Code


class EnrollmentResource(Schema):
    """Secret to add to an authenticator app. It has no effect until a code confirms it."""

    secret: str = Field(description="To be typed into the app.")
    uri: str = Field(description="`otpauth:` URI to be shown as a QR code.")


class RecoveryCodes(Schema):
    """Codes that replace the app once each. They are not shown again."""

    recovery_codes: list[str]
