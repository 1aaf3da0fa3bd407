"""What this service is told beyond the platform's settings; variables begin with `MILLRACE_NOTIFICATIONS_`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints

from millrace_platform.settings import PlatformSettings, Seconds

BaseUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*[^\s?#/])?$")]


class NotificationsSettings(PlatformSettings):
    """Times are in seconds."""

    notifications_database_url: str = Field("postgresql://127.0.0.1:5432/notifications", repr=False)
    notifications_leases_table: str = "millrace-notifications-leases"
    patients_url: str = "http://127.0.0.1:8005"
    """Address of `patients`, which knows email addresses of patients and queues emails of accounts."""

    notifications_sender: str = "Millrace <no-reply@millrace.example>"
    """`From` of all mail; its domain or address is a verified identity of SES."""
    notifications_configuration_set: str | None = None
    """SES' configuration set for bounces, complaints and figures."""
    notifications_public_url: BaseUrl = "http://127.0.0.1:8080"
    """What links in mail begin with, without a slash at the end."""
    notifications_show_mails: bool = False
    """Whether `/internal/notifications/outbox` shows the last mails: for one's own machine only."""
    notifications_mail_poll: Seconds = 1.0
    """Between two questions to `patients` for mails of accounts; it answers at once when there is one."""
    notifications_mails_at_once: int = Field(8, ge=1, le=100)
    notifications_mails_per_second: float = Field(14.0, gt=0)
    """Letters that one process sends; all together no more than SES grants the account, 14 as a rule at first."""

    notifications_webhook_keys: tuple[SecretStr, ...] = ()
    """Base64 of 32 bytes each, as a JSON list: new webhook secrets come from the first, all go on signing."""
    notifications_webhook_key_file: Path = Path(".millrace/notifications-webhook-key")
    """Where that key is where none is given; `millrace init` makes it."""
    notifications_webhook_loopback: bool = False
    """Whether webhooks may go to this machine, also without TLS: for trying them out."""
    notifications_webhook_timeout: Seconds = 15.0
    """How long one attempt may take from the resolution of the name to the end of the answer."""
    notifications_webhooks_at_once: int = Field(32, ge=1, le=500)
