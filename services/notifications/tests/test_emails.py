"""Tests of emails to patients about appointments and offers, with a manual clock."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text

from millrace_feeds.clock import utc_now
from millrace_notifications.email.content import render_html, render_text
from millrace_notifications.patients_client import AccountEmail, Contact
from millrace_notifications.provider_location.model import Provider, ProviderLocation
from millrace_notifications.scheduled_email.model import EmailKind, TemplateData
from millrace_notifications.scheduled_email.tables import scheduled_email as table
from millrace_notifications.scheduled_email.templates import TemplateContext, fill_template

from .running import (
    ADA,
    NPI,
    PROVIDER_LOCATION_ID,
    START,
    URL,
    Harness,
    appointment,
    erased_patient,
    offer,
    open_harness,
    provider,
    provider_location,
)

FRIDAY = datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
"""9:30 in New York."""


async def states(harness: Harness) -> dict[str, str]:
    async with harness.database.read() as session:
        return {row.kind: row.state for row in await session.execute(select(table).order_by(table.c.version))}


class TestSchedule:
    async def test_booking_sends_an_email_at_once_and_two_reminders(self, harness: Harness) -> None:
        await harness.consume(appointment(FRIDAY))
        assert await harness.send_due() == ["booked"]
        harness.clock.move_to(FRIDAY - timedelta(hours=48, seconds=1))
        assert await harness.send_due() == []
        harness.clock.advance(seconds=1)
        assert await harness.send_due() == ["reminder_48h"]
        harness.clock.move_to(FRIDAY - timedelta(hours=2))
        assert await harness.send_due() == ["reminder_2h"]
        harness.clock.move_to(FRIDAY + timedelta(days=3))
        assert await harness.send_due() == []

    async def test_reminder_is_at_the_same_local_time_across_a_clock_change(self, harness: Harness) -> None:
        start = datetime(2027, 3, 15, 14, 0, tzinfo=UTC)  # Monday, 10:00 in New York; clocks moved forward
        await harness.consume(appointment(start))
        await harness.send_due()
        harness.clock.move_to(datetime(2027, 3, 13, 15, 0, tzinfo=UTC))  # Saturday, 10:00
        assert await harness.send_due() == ["reminder_48h"]

    async def test_late_booking_gets_no_passed_reminder(self, harness: Harness) -> None:
        await harness.consume(appointment(START + timedelta(hours=3)))
        assert await harness.send_due() == ["booked"]
        harness.clock.advance(hours=1)
        assert await harness.send_due() == ["reminder_2h"]
        assert "reminder_48h" not in await states(harness)

    async def test_late_emails_expire(self, harness: Harness) -> None:
        await harness.consume(appointment(FRIDAY))
        harness.clock.move_to(FRIDAY)
        assert await harness.send_due() == []
        assert set((await states(harness)).values()) == {"expired"}

    async def test_move_replaces_the_reminders(self, harness: Harness) -> None:
        await harness.consume(appointment(FRIDAY))
        await harness.send_due()
        later = FRIDAY + timedelta(days=7)
        await harness.consume(appointment(later, moved_from=FRIDAY.isoformat()))
        assert await harness.send_due() == ["moved"]
        harness.clock.move_to(FRIDAY - timedelta(hours=1))
        assert await harness.send_due() == []
        harness.clock.move_to(later - timedelta(hours=48))
        assert await harness.send_due() == ["reminder_48h"]

    async def test_move_before_the_first_email_sends_one_email(self, harness: Harness) -> None:
        later = FRIDAY + timedelta(days=7)
        await harness.consume(appointment(FRIDAY), appointment(later, moved_from=FRIDAY.isoformat()))
        assert await harness.send_due() == ["moved"]

    async def test_cancellation_sends_one_email_and_drops_the_reminders(self, harness: Harness) -> None:
        await harness.consume(appointment(FRIDAY))
        await harness.send_due()
        await harness.consume(appointment(FRIDAY, "cancelled", cancelled_by="practice"))
        assert await harness.send_due() == ["cancelled"]
        harness.clock.move_to(FRIDAY - timedelta(hours=1))
        assert await harness.send_due() == []

    async def test_confirmation_sends_no_email_and_keeps_the_reminders(self, harness: Harness) -> None:
        await harness.consume(appointment(FRIDAY))
        await harness.send_due()
        await harness.consume(appointment(FRIDAY, "confirmed"))
        assert await harness.send_due() == []
        harness.clock.move_to(FRIDAY - timedelta(hours=48))
        assert await harness.send_due() == ["reminder_48h"]

    async def test_first_seen_as_confirmed_sends_booking_email_and_reminders(self, harness: Harness) -> None:
        await harness.consume(appointment(FRIDAY, "confirmed"))
        assert await harness.send_due() == ["booked"]
        harness.clock.move_to(FRIDAY - timedelta(hours=48))
        assert await harness.send_due() == ["reminder_48h"]

    async def test_review_request_is_sent_a_day_after_the_visit(self, harness: Harness) -> None:
        await harness.consume(appointment(FRIDAY), appointment(FRIDAY, "arrived"))
        harness.clock.move_to(FRIDAY + timedelta(hours=1))
        await harness.consume(appointment(FRIDAY, "completed", completed_at=utc_now(harness.clock).isoformat()))
        assert await harness.send_due() == []
        harness.clock.advance(hours=24)
        assert await harness.send_due() == ["review_request"]

    async def test_taken_offer_drops_a_postponed_email(self, harness: Harness) -> None:
        expires = START + timedelta(minutes=30)
        harness.mailer.unavailable = True
        await harness.consume(offer(FRIDAY, expires))
        assert await harness.send_due() == []
        await harness.consume(offer(FRIDAY, expires, "taken"))
        harness.mailer.unavailable = False
        harness.clock.advance(minutes=5)
        assert await harness.send_due() == []

    async def test_waitlist_offer_is_sent_at_once(self, harness: Harness) -> None:
        await harness.consume(offer(FRIDAY, START + timedelta(minutes=30)))
        assert await harness.send_due() == ["waitlist_offer"]
        assert (
            "We're holding it for you until Monday, November 23, 2026 at 10:30 AM (EST)." in harness.mailer.sent[0].text
        )


class TestTexts:
    async def test_email_names_provider_location_and_local_time(self, harness: Harness) -> None:
        await harness.consume(appointment(FRIDAY))
        await harness.send_due()
        (email,) = harness.mailer.sent
        assert (email.to, email.subject) == ("ada@example.org", "Your appointment on Fri, Nov 27 at 9:30 AM is booked")
        for text_ in (
            "Hello,",
            "Your appointment with Maria O'Connell-Ruiz, MD is booked.",
            "When: Friday, November 27, 2026 at 9:30 AM (EST)",
            "Where: Harbor Clinic\n1 Main St, Suite 2, New York, NY 10001",
            "Questions? Call the practice at (212) 555-0142.",
            "https://millrace.example/appointments/a1",
        ):
            assert text_ in email.text
        assert "Maria O&#x27;Connell-Ruiz, MD" in email.html
        assert '<a href="https://millrace.example/appointments/a1">' in email.html

    @pytest.mark.parametrize("kind", EmailKind)
    def test_typed_text_is_escaped_and_has_no_links(self, kind: EmailKind) -> None:
        typed = (
            "<b>Win</b> http://evil.example/a evil.example 10.0.0.1 a@evil.example evil\u3002example mailto:a tel:+1900"
        )
        location = ProviderLocation(PROVIDER_LOCATION_ID, NPI, False, None, typed, typed, None, "America/New_York")
        data = TemplateData(start=START, provider_location_id=PROVIDER_LOCATION_ID, npi=NPI, appointment_id="a1")
        content = fill_template(kind, TemplateContext(data, Provider(NPI, typed), location, URL))
        assert "evil" not in content.subject
        assert content.paragraphs[0] == "Hello,"
        text, html = render_text(content), render_html(content)
        assert "evil" in text
        assert "<b>" not in html
        for rendered in (text, html):
            assert content.link is not None
            own = re.sub(r'style="[^"]*"', "", rendered.replace(content.link.url, ""))
            assert re.findall(r"\w[.\u3002]\w|@\w|[a-z]:[^\s\u200b]", own) == []
        assert "10:00 AM" in text or kind is EmailKind.REVIEW_REQUEST

    async def test_emails_do_not_contain_the_visit_reason(self, harness: Harness) -> None:
        await harness.consume(appointment(FRIDAY, visit_reason="std-testing"))
        await harness.send_due()
        assert "std" not in harness.mailer.sent[0].text + harness.mailer.sent[0].html

    async def test_email_is_sent_without_known_provider_and_location(self, database_url: str) -> None:
        async with open_harness(database_url) as harness:
            await harness.consume(appointment(FRIDAY, time_zone=None))
            assert await harness.send_due() == ["booked"]
            assert "with your provider is booked" in harness.mailer.sent[0].text
            assert "at 2:30 PM (UTC)" in harness.mailer.sent[0].text


class TestOnce:
    async def test_repeated_records_have_no_effect(self, harness: Harness) -> None:
        records = [harness.feed.record(appointment(FRIDAY)), harness.feed.record(appointment(FRIDAY, "confirmed"))]
        for _ in range(3):
            await harness.handler.handle(records)
        await harness.handler.handle(records[:1])
        assert await harness.send_due() == ["booked"]
        assert len(await states(harness)) == 3

    async def test_concurrently_handled_record_has_one_effect(self, harness: Harness) -> None:
        record = harness.feed.record(appointment(FRIDAY))
        await asyncio.gather(*(harness.handler.handle([record]) for _ in range(6)))
        assert await harness.send_due() == ["booked"]

    async def test_concurrent_workers_send_each_email_once(self, harness: Harness) -> None:
        await harness.consume(*(appointment(FRIDAY, identifier=f"a{n}") for n in range(40)))
        await asyncio.gather(*(harness.send_due() for _ in range(5)))
        assert len(harness.mailer.sent) == 40
        assert len({email.id for email in harness.mailer.sent}) == 40

    async def test_restart_neither_loses_nor_repeats_emails(self, database_url: str) -> None:
        async with open_harness(database_url) as before:
            await before.consume(provider(), provider_location(), appointment(FRIDAY))
            assert await before.send_due() == ["booked"]
        before.clock.move_to(FRIDAY - timedelta(hours=48))
        async with open_harness(database_url, before.clock) as after:
            assert await after.send_due() == ["reminder_48h"]
        async with open_harness(database_url, before.clock) as again:
            assert await again.send_due() == []

    async def test_email_of_a_dead_worker_is_sent_after_its_lease(self, harness: Harness) -> None:
        await harness.consume(appointment(FRIDAY))
        (leased,) = await harness.sender.lease_due(8)
        assert await harness.send_due() == []
        harness.clock.advance(seconds=120)
        assert await harness.send_due() == ["booked"]
        await harness.sender.send(leased)
        assert len(harness.mailer.sent) == 1, "a worker without the lease sends nothing"

    async def test_crash_before_recording_sends_the_same_id_again(self, harness: Harness) -> None:
        await harness.consume(appointment(FRIDAY))
        (leased,) = await harness.sender.lease_due(8)
        async with harness.database.transaction() as session:
            await session.execute(
                text("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'killed'; END $$")
            )
            await session.execute(
                text(
                    "CREATE TRIGGER fail BEFORE UPDATE ON scheduled_email FOR EACH ROW WHEN (new.state = 'sent')"
                    " EXECUTE FUNCTION fail()"
                )
            )
        with pytest.raises(Exception, match="killed"):
            await harness.sender.send(leased)
        async with harness.database.transaction() as session:
            await session.execute(text("DROP TRIGGER fail ON scheduled_email"))
        harness.clock.advance(seconds=120)
        assert await harness.send_due() == ["booked"]
        first, second = harness.mailer.sent
        assert first.id == second.id

    async def test_replay_of_unknown_appointment_only_adds_reminders(self, harness: Harness) -> None:
        await harness.consume(appointment(FRIDAY), replay=True)
        assert await harness.send_due() == []
        harness.clock.move_to(FRIDAY - timedelta(hours=48))
        assert await harness.send_due() == ["reminder_48h"]


class TestFailures:
    async def test_emails_are_postponed_while_ses_or_patients_is_unavailable(self, harness: Harness) -> None:
        await harness.consume(appointment(FRIDAY))
        harness.patients.unavailable = True
        assert await harness.send_due() == []
        harness.patients.unavailable, harness.mailer.unavailable = False, True
        harness.clock.advance(seconds=10)
        assert await harness.send_due() == []
        harness.mailer.unavailable = False
        harness.clock.advance(minutes=1)
        assert await harness.send_due() == ["booked"]

    async def test_rejected_address_fails_the_email(self, harness: Harness) -> None:
        harness.patients.contacts[ADA] = Contact("nobody")
        await harness.consume(appointment(FRIDAY))
        assert await harness.send_due() == []
        assert (await states(harness))["booked"] == "failed"

    async def test_erased_patient_gets_no_email(self, harness: Harness) -> None:
        await harness.consume(appointment(FRIDAY))
        await harness.consume(erased_patient())
        assert await harness.send_due() == []
        await harness.consume(appointment(FRIDAY, "cancelled"))
        assert await harness.send_due() == []
        assert harness.patients.lookups == []

    async def test_unknown_patient_gets_no_email(self, harness: Harness) -> None:
        harness.patients.contacts.clear()
        await harness.consume(appointment(FRIDAY))
        assert await harness.send_due() == []
        assert (await states(harness))["booked"] == "dropped"

    async def test_cancellation_during_the_contact_lookup_stops_the_email(self, harness: Harness) -> None:
        await harness.consume(appointment(FRIDAY))

        async def cancel() -> None:
            harness.patients.before_response = None
            await harness.consume(appointment(FRIDAY, "cancelled"))

        harness.patients.before_response = cancel
        assert await harness.send_due() == ["cancelled"]


async def test_no_personal_data_is_stored(harness: Harness) -> None:
    await harness.consume(appointment(FRIDAY))
    await harness.send_due()
    async with harness.database.transaction() as session:
        tables = (await session.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))).scalars()
        rows = [str((await session.execute(text(f'SELECT * FROM "{name}"'))).all()) for name in tables]  # noqa: S608
    assert any("America/New_York" in row for row in rows)
    assert not any("ada@example.org" in row or "Hello" in row or "'Ada'" in row for row in rows)


async def test_logs_contain_no_personal_data(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await harness.consume(appointment(FRIDAY))
    await harness.send_due()
    harness.patients.contacts[ADA] = Contact("ada-at-nowhere")
    await harness.consume(appointment(FRIDAY, identifier="a2"))
    await harness.send_due()
    harness.patients.emails = [AccountEmail(UUID(ADA), "verify_email", "ada-at-nowhere", "s3cr3t-token")]
    await harness.account_emails.run_once()
    logged = " ".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "email rejected" in logged
    assert "account email rejected" in logged
    assert not any(secret in logged for secret in ("ada@", "ada-at-nowhere", "'Ada'", "s3cr3t-token"))
