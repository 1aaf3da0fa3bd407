"""Settings of the service; their environment variables begin with `MILLRACE_NOTIFICATIONS_`."""

from pathlib import Path

from pydantic import Field, SecretStr

from millrace_platform.settings import CallerKeys, PlatformSettings, Seconds


class NotificationsSettings(PlatformSettings):
    """Settings of the service besides those of the platform. Durations are in seconds."""

    notifications_database_url: str = Field("postgresql://127.0.0.1:5432/notifications", repr=False)
    notifications_leases_table: str = "millrace-notifications-leases"
    operator_notifications_keys: CallerKeys = ()
    """Keys of `millrace` commands for requests to this service; only platforms on one machine have them."""
    patients_url: str = "http://127.0.0.1:8005"
    """URL of the service `patients`, which has the contacts of patients and queues account emails."""
    notifications_patients_keys: CallerKeys = Field(min_length=1)
    """Keys of requests to `patients`."""

    notifications_sender: str = "Millrace <no-reply@millrace.example>"
    """`From` address of all emails. Its domain or the address must be a verified identity in SES."""
    notifications_configuration_set: str | None = None
    """Name of the SES configuration set for bounces, complaints and statistics."""
    notifications_show_mails: bool = False
    """Whether `/internal/notifications/outbox` shows the last sent emails. For development only."""
    notifications_mail_poll: Seconds = 1.0
    """Pause between two requests for account emails; `patients` responds at once when there is one."""
    notifications_mails_at_once: int = Field(8, ge=1, le=100)
    """Maximum of emails sent concurrently by one process."""
    notifications_mails_per_second: float = Field(14.0, gt=0)
    """Emails per second that one process sends at most.

    The sum over all processes must not exceed the SES quota, initially 14.
    """

    notifications_webhook_keys: tuple[SecretStr, ...] = ()
    """JSON list of keys (base64 of 32 bytes).

    New webhook secrets derive from the first; existing ones derive from any.
    """
    notifications_webhook_key_file: Path = Path(".millrace/notifications-webhook-key")
    """File with the key that is used if `notifications_webhook_keys` is empty; `millrace init` creates it."""
    notifications_webhook_loopback: bool = False
    """Whether webhook URLs may point to this machine, also without TLS. For development only."""
    notifications_webhook_timeout: Seconds = 15.0
    """Time limit of one attempt, from resolving the name to the end of the response."""
    notifications_webhooks_at_once: int = Field(32, ge=1, le=500)
    """Maximum of concurrent requests to webhooks that respond promptly, by one process."""
    notifications_slow_webhooks_at_once: int = Field(32, ge=1, le=500)
    """Maximum of concurrent requests to all other webhooks, by one process."""
