"""Settings of this service beyond the platform's; variables begin with `MILLRACE_PATIENTS_`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from millrace_platform.audit.anchors import AnchorSettings
from millrace_platform.revocation import TOKEN_LIFETIME_LIMIT
from millrace_platform.settings import CallerKeys, Seconds

HOUR = 3600.0
DAY = 24 * HOUR


class PatientsSettings(AnchorSettings):
    """Settings of accounts, keys and sessions. Times are in seconds."""

    directory_url: str = "http://127.0.0.1:8001"
    """Base URL of the service `directory`, which is asked about practices and plans that the copy doesn't have."""

    patients_database_url: str = Field("postgresql://127.0.0.1:5432/patients", repr=False)
    patients_leases_table: str = "millrace-patients-leases"
    patients_erasures_table: str = "millrace-erasures"
    """Table of the ids of erased persons, from which a restored backup is erased again."""
    scheduling_patients_keys: CallerKeys = ()
    """Keys of requests from `scheduling`."""
    notifications_patients_keys: CallerKeys = ()
    """Keys of requests from `notifications`."""
    operator_patients_keys: CallerKeys = ()
    """Keys of `millrace` commands for requests to this service; only platforms on one machine have them."""
    patients_identity: Literal["local", "cognito"] = "local"
    """Issuer of tokens: `local` for this service under `/v1/auth`, `cognito` for Amazon Cognito."""

    patients_kms_key_id: str | None = None
    """AWS KMS key that wraps data keys; None for the local master keys."""
    patients_master_keys: tuple[SecretStr, ...] = ()
    """Master keys, base64 of 32 bytes each, as a JSON list: the first wraps data keys, all unwrap them."""
    patients_master_key_file: Path = Path(".millrace/patients-master-key")
    """File of the local master key if no other is configured; `millrace init` creates it."""

    patients_signing_keys: SecretStr | None = None
    """JSON Web Key Set of private RSA keys: the first signs, all are published. None: keys are created and rotated."""
    patients_signing_key_period: Seconds = 30 * DAY
    patients_signing_key_ahead: Seconds = 900.0
    """Time for which a new key is published before it signs; longer than verifiers cache a key set."""

    patients_access_token_lifetime: Annotated[Seconds, Field(le=TOKEN_LIFETIME_LIMIT)] = 900.0
    patients_refresh_token_lifetime: Seconds = 14 * DAY
    patients_session_lifetime: Seconds = 90 * DAY
    """Time after which a new sign-in is required, however often the session was refreshed."""
    patients_privileged_refresh_token_lifetime: Seconds = HOUR
    """As `patients_refresh_token_lifetime`, for accounts of staff, support and administrators."""
    patients_privileged_session_lifetime: Seconds = 12 * HOUR
    """As `patients_session_lifetime`, for accounts of staff, support and administrators."""

    patients_password_memory: Annotated[int, Field(ge=8)] = 65_536
    """Memory of each argon2id hash in KiB (RFC 9106, section 4, second choice: with 3 passes and 4 lanes)."""
    patients_password_threads: Annotated[int, Field(ge=1)] = 2
    patients_password_queue: Annotated[int, Field(ge=1)] = 64
    """Maximum number of pending password hashes; further requests get 503."""

    patients_demo_factors: bool = False
    """Whether `millrace accounts code` prints codes, and sets up second factors. For development only."""
