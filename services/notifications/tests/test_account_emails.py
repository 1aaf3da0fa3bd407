"""Tests of account emails: fetched from `patients`, sent once, deleted there."""

import asyncio
import logging
import uuid
from dataclasses import replace

import pytest

from millrace_feeds.testing import wait_until
from millrace_notifications.account_email.templates import fill_template
from millrace_notifications.email.content import render_html, render_text
from millrace_notifications.patients_client import AccountEmail, PatientsUnavailableError

from .running import URL, Harness

KINDS = ("verify_email", "account_exists", "reset_password", "no_account", "confirm_address")


def queued(kind: str = "verify_email", to: str = "ada@example.org") -> AccountEmail:
    return AccountEmail(uuid.uuid4(), kind, to, "s3cr3t-token")


async def test_emails_are_sent_and_deleted_from_the_queue(harness: Harness) -> None:
    harness.patients.emails = [queued(kind) for kind in KINDS]
    assert await harness.account_emails.run_once()
    assert [email.kind for email in harness.mailer.sent] == list(KINDS)
    assert harness.patients.emails == []


@pytest.mark.parametrize("kind", KINDS)
def test_token_is_in_the_fragment_and_on_a_line_of_its_own(kind: str) -> None:
    content = fill_template(kind, "s3cr3t-token", URL)
    assert content is not None
    lines = render_text(content).splitlines()
    assert "s3cr3t-token" in lines
    (link,) = [line for line in lines if line.startswith("https://")]
    assert link.endswith("#token=s3cr3t-token")
    assert render_html(content).count("s3cr3t-token") == 2


NOTICES = (
    "address_changed",
    "password_changed",
    "second_factor_added",
    "second_factor_removed",
    "recovery_code_used",
    "recovery_codes_replaced",
)


@pytest.mark.parametrize("kind", NOTICES)
async def test_notice_has_no_token_and_links_to_the_reset(harness: Harness, kind: str) -> None:
    harness.patients.emails = [replace(queued(kind), token=None)]
    assert await harness.account_emails.run_once()
    (email,) = harness.mailer.sent
    assert email.kind == kind
    assert f"{URL}/reset-password\n" in email.text
    assert "token" not in email.text


async def test_email_that_lacks_its_token_is_not_sent(harness: Harness) -> None:
    harness.patients.emails = [replace(queued(kind), token=None) for kind in KINDS]
    await harness.account_emails.run_once()
    assert harness.mailer.sent == []
    assert harness.patients.emails == []


async def test_concurrent_forwarders_send_each_email_once(harness: Harness) -> None:
    harness.patients.emails = [queued() for _ in range(20)]
    await asyncio.gather(*(harness.account_emails.run_once() for _ in range(4)))
    assert len(harness.mailer.sent) == len({email.id for email in harness.mailer.sent}) == 20


async def test_sent_email_still_in_the_queue_is_only_deleted(harness: Harness) -> None:
    email = queued()
    harness.patients.emails = [email]
    await harness.account_emails.run_once()
    harness.patients.emails = [email]
    assert await harness.account_emails.run_once()
    assert len(harness.mailer.sent) == 1
    assert harness.patients.emails == []


async def test_failure_before_the_first_success_is_no_warning(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "notifications.account_email")
    harness.patients.unavailable = True
    running = asyncio.create_task(replace(harness.account_emails, interval=0.001).run())
    try:
        await wait_until(lambda: bool(caplog.records))
        harness.patients.emails = [queued()]
        harness.patients.unavailable = False
        await wait_until(lambda: bool(harness.mailer.sent) and not harness.patients.emails)
        harness.patients.unavailable = True
        known = len(caplog.records)
        await wait_until(lambda: len(caplog.records) > known)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert (caplog.records[0].levelname, caplog.records[-1].levelname) == ("INFO", "WARNING")


async def test_emails_are_postponed_while_ses_is_unavailable(harness: Harness) -> None:
    harness.patients.emails = [queued(), queued()]
    harness.mailer.unavailable = True
    assert not await harness.account_emails.run_once()
    harness.mailer.unavailable = False
    assert await harness.account_emails.run_once()
    assert harness.mailer.sent == [], "not before its pause is over"
    harness.clock.advance(seconds=10)
    await harness.account_emails.run_once()
    assert len(harness.mailer.sent) == 2


async def test_rejected_emails_do_not_block_others(harness: Harness) -> None:
    harness.patients.emails = [queued(to="nobody"), queued(kind="of_tomorrow"), queued()]
    assert await harness.account_emails.run_once()
    assert [email.to for email in harness.mailer.sent] == ["ada@example.org"]
    assert harness.patients.emails == []


async def test_unavailable_patients_raises(harness: Harness) -> None:
    harness.patients.unavailable = True
    with pytest.raises(PatientsUnavailableError):
        await harness.account_emails.run_once()
