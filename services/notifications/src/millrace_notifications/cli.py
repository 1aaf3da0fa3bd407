"""The command `millrace mails`, which prints emails that a local platform sent."""

import os
import time
from datetime import datetime
from typing import Annotated, Final, NoReturn

import httpx
import msgspec
import typer

from millrace_platform.service_tokens import ADMIN_TOKEN, CallPurpose, operator_headers
from millrace_platform.tls import TlsSettings

POLL_SECONDS: Final = 0.5
REQUEST_TIMEOUT: Final = 5.0
BAD_INPUT: Final = 2


class _Mail(msgspec.Struct, frozen=True):
    sent_at: datetime
    to: str
    subject: str
    text: str


class _Mails(msgspec.Struct, frozen=True):
    items: list[_Mail]


_decoder = msgspec.json.Decoder(_Mails)


def mails(
    to: Annotated[str, typer.Option(help="Email address of the recipient.")],
    last: Annotated[int | None, typer.Option(min=1, help="Print at most this number of emails, the latest.")] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for a first email.")] = 0.0,
) -> None:
    """Print the emails that the local platform sent to an address since it started, the newest last.

    Exits with 1 if there is none, and with 2 if the platform doesn't show its emails.
    """
    url = os.environ.get("MILLRACE_NOTIFICATIONS_URL")
    if not url:
        _fail("MILLRACE_NOTIFICATIONS_URL is not set. Set it to the address of the notifications service.", BAD_INPUT)
    deadline = time.monotonic() + wait
    while not (found := [mail for mail in _read(url) if mail.to.casefold() == to.casefold()]):
        if time.monotonic() >= deadline:
            _fail("No email was sent to this address.", 1)
        time.sleep(POLL_SECONDS)
    shown = found if last is None else found[-last:]
    typer.echo("\n\n".join(map(_format, shown)))


def _format(mail: _Mail) -> str:
    return f"{mail.sent_at:%Y-%m-%d %H:%M:%S} UTC  {mail.subject}\n\n{mail.text.strip()}"


def _read(url: str) -> list[_Mail]:
    """Return the sent emails, oldest first."""
    tls = TlsSettings().service_context()
    try:
        headers = operator_headers(os.environ, "notifications", CallPurpose.SENT_EMAILS)
        response = httpx.get(
            f"{url}/internal/notifications/outbox", headers=headers, verify=tls, timeout=REQUEST_TIMEOUT
        )
        response.raise_for_status()
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.NOT_FOUND:
            _fail("The platform doesn't show its emails; only a local one does.", BAD_INPUT)
        if error.response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            _fail(f"The notifications service refused the token. Set {ADMIN_TOKEN} to a valid one.", BAD_INPUT)
        _fail(f"The notifications service responded with {error.response.status_code}. Try again later.", BAD_INPUT)
    except httpx.HTTPError:
        _fail("The notifications service can't be reached. Try again later.", BAD_INPUT)
    return _decoder.decode(response.content).items


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
