"""Mails of accounts: taken from `patients`, sent once, removed there."""

import asyncio
import uuid

import pytest

from millrace_notifications.account_mail.letters import letter
from millrace_notifications.mail.letter import as_html, as_text
from millrace_notifications.patients_client import AccountMail, PatientsAwayError

from .running import URL, Bench

KINDS = ("verify_email", "account_exists", "reset_password", "no_account")


def waiting(kind: str = "verify_email", to: str = "ada@example.org") -> AccountMail:
    return AccountMail(uuid.uuid4(), kind, to, "s3cr3t-token")


async def test_each_is_sent_and_removed(parts: Bench) -> None:
    parts.patients.mails = [waiting(kind) for kind in KINDS]
    assert await parts.account_mails.once()
    assert [mail.kind for mail in parts.mailer.sent] == list(KINDS)
    assert parts.patients.mails == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_token_stands_behind_the_hash_and_alone_on_a_line(kind: str) -> None:
    written = letter(kind, "s3cr3t-token", URL)
    assert written is not None
    lines = as_text(written).splitlines()
    assert "s3cr3t-token" in lines
    (link,) = [line for line in lines if line.startswith("https://")]
    assert link.endswith("#token=s3cr3t-token")
    assert as_html(written).count("s3cr3t-token") == 2


async def test_side_by_side_they_send_each_once(parts: Bench) -> None:
    parts.patients.mails = [waiting() for _ in range(20)]
    await asyncio.gather(*(parts.account_mails.once() for _ in range(4)))
    assert len(parts.mailer.sent) == len({mail.id for mail in parts.mailer.sent}) == 20


async def test_what_was_sent_but_not_removed_is_only_removed(parts: Bench) -> None:
    mail = waiting()
    parts.patients.mails = [mail]
    await parts.account_mails.once()
    parts.patients.mails = [mail]
    assert await parts.account_mails.once()
    assert len(parts.mailer.sent) == 1
    assert parts.patients.mails == []


async def test_they_wait_while_ses_is_away(parts: Bench) -> None:
    parts.patients.mails = [waiting(), waiting()]
    parts.mailer.away = True
    assert not await parts.account_mails.once()
    parts.mailer.away = False
    assert await parts.account_mails.once()
    assert parts.mailer.sent == [], "not before its pause is over"
    parts.clock.advance(seconds=10)
    await parts.account_mails.once()
    assert len(parts.mailer.sent) == 2


async def test_what_can_not_be_sent_holds_up_nothing(parts: Bench) -> None:
    parts.patients.mails = [waiting(to="nobody"), waiting(kind="of_tomorrow"), waiting()]
    assert await parts.account_mails.once()
    assert [mail.to for mail in parts.mailer.sent] == ["ada@example.org"]
    assert parts.patients.mails == []


async def test_patients_away_is_said(parts: Bench) -> None:
    parts.patients.away = True
    with pytest.raises(PatientsAwayError):
        await parts.account_mails.once()
