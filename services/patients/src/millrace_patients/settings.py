"""What this service is told beyond the platform's settings; variables begin with `MILLRACE_PATIENTS_`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from millrace_platform.settings import PlatformSettings, Seconds

DAY = 86_400.0


class PatientsSettings(PlatformSettings):
    """Times are in seconds."""

    patients_database_url: str = Field("postgresql://127.0.0.1:5432/patients", repr=False)
    patients_identity: Literal["local", "cognito"] = "local"
    """Who keeps accounts and issues tokens: this service under `/v1/auth`, or Amazon Cognito in its place."""

    patients_kms_key_id: str | None = None
    """The AWS KMS key that wraps data keys; without one, the local master keys do."""
    patients_master_keys: tuple[SecretStr, ...] = ()
    """Base64 of 32 bytes each, as a JSON list: the first wraps, all unwrap."""
    patients_master_key_file: Path = Path(".millrace/patients-master-key")
    """Where the local master key is where no other is given; `millrace init` makes it."""

    patients_signing_keys: SecretStr | None = None
    """A JSON Web Key Set of private RSA keys: the first signs, all are published. None: made and rotated here."""
    patients_signing_key_period: Seconds = 30 * DAY
    patients_signing_key_ahead: Seconds = 900.0
    """How long a new key is published before it signs; more than verifiers keep a key set."""

    patients_access_token_lifetime: Seconds = 900.0
    patients_refresh_token_lifetime: Seconds = 14 * DAY
    patients_session_lifetime: Seconds = 90 * DAY
    """After this the password is asked for again, however often the session was refreshed."""

    patients_proxy_hops: Annotated[int, Field(ge=0, le=8)] = 1
    """How many proxies of ours append to `X-Forwarded-For` before a request arrives; 0: the peer is the client."""

    patients_password_memory: Annotated[int, Field(ge=8)] = 65_536
    """KiB that one argon2id takes (RFC 9106, section 4, second choice: with 3 passes and 4 lanes)."""
    patients_password_threads: Annotated[int, Field(ge=1)] = 2
    patients_password_queue: Annotated[int, Field(ge=1)] = 64
    """How many passwords may wait to be hashed; further requests get 503."""
