"""Letters as patients get them, over days of a clock that is turned by hand."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text

from millrace_feeds.clock import utc_now
from millrace_notifications.patients_client import AccountMail, Contact
from millrace_notifications.timer.tables import timer

from .running import ADA, START, Bench, appointment, bench, erased, offer, place, provider

FRIDAY = datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
"""Half past nine in New York."""


async def states(parts: Bench) -> dict[str, str]:
    async with parts.database.read() as session:
        return {row.kind: row.state for row in await session.execute(select(timer).order_by(timer.c.version))}


class TestWhen:
    async def test_a_booking_is_told_at_once_and_reminded_of_twice(self, parts: Bench) -> None:
        await parts.tell(appointment(FRIDAY))
        assert await parts.send_due() == ["booked"]
        parts.clock.move_to(FRIDAY - timedelta(hours=48, seconds=1))
        assert await parts.send_due() == []
        parts.clock.advance(seconds=1)
        assert await parts.send_due() == ["reminder_48h"]
        parts.clock.move_to(FRIDAY - timedelta(hours=2))
        assert await parts.send_due() == ["reminder_2h"]
        parts.clock.move_to(FRIDAY + timedelta(days=3))
        assert await parts.send_due() == []

    async def test_two_days_are_days_of_the_places_clocks(self, parts: Bench) -> None:
        after_the_change = datetime(2027, 3, 15, 14, 0, tzinfo=UTC)  # Monday, 10:00 in New York; clocks went forward
        await parts.tell(appointment(after_the_change))
        await parts.send_due()
        parts.clock.move_to(datetime(2027, 3, 13, 15, 0, tzinfo=UTC))  # Saturday, 10:00
        assert await parts.send_due() == ["reminder_48h"]

    async def test_what_has_passed_is_not_reminded_of(self, parts: Bench) -> None:
        await parts.tell(appointment(START + timedelta(hours=3)))
        assert await parts.send_due() == ["booked"]
        parts.clock.advance(hours=1)
        assert await parts.send_due() == ["reminder_2h"]
        assert "reminder_48h" not in await states(parts)

    async def test_a_letter_that_comes_too_late_does_not_leave(self, parts: Bench) -> None:
        await parts.tell(appointment(FRIDAY))
        parts.clock.move_to(FRIDAY)
        assert await parts.send_due() == []
        assert set((await states(parts)).values()) == {"expired"}

    async def test_a_move_replaces_the_reminders(self, parts: Bench) -> None:
        await parts.tell(appointment(FRIDAY))
        await parts.send_due()
        later = FRIDAY + timedelta(days=7)
        await parts.tell(appointment(later, moved_from=FRIDAY.isoformat()))
        assert await parts.send_due() == ["moved"]
        parts.clock.move_to(FRIDAY - timedelta(hours=1))
        assert await parts.send_due() == []
        parts.clock.move_to(later - timedelta(hours=48))
        assert await parts.send_due() == ["reminder_48h"]

    async def test_a_move_before_the_first_letter_left_makes_one_letter(self, parts: Bench) -> None:
        later = FRIDAY + timedelta(days=7)
        await parts.tell(appointment(FRIDAY), appointment(later, moved_from=FRIDAY.isoformat()))
        assert await parts.send_due() == ["moved"]

    async def test_a_cancelled_visit_is_told_of_once_and_never_reminded_of(self, parts: Bench) -> None:
        await parts.tell(appointment(FRIDAY))
        await parts.send_due()
        await parts.tell(appointment(FRIDAY, "cancelled", cancelled_by="practice"))
        assert await parts.send_due() == ["cancelled"]
        parts.clock.move_to(FRIDAY - timedelta(hours=1))
        assert await parts.send_due() == []

    async def test_a_confirmation_is_no_letter_and_leaves_the_reminders(self, parts: Bench) -> None:
        await parts.tell(appointment(FRIDAY))
        await parts.send_due()
        await parts.tell(appointment(FRIDAY, "confirmed"))
        assert await parts.send_due() == []
        parts.clock.move_to(FRIDAY - timedelta(hours=48))
        assert await parts.send_due() == ["reminder_48h"]

    async def test_a_visit_that_was_confirmed_before_it_was_seen_is_told_and_reminded_of(self, parts: Bench) -> None:
        await parts.tell(appointment(FRIDAY, "confirmed"))
        assert await parts.send_due() == ["booked"]
        parts.clock.move_to(FRIDAY - timedelta(hours=48))
        assert await parts.send_due() == ["reminder_48h"]

    async def test_a_day_after_the_visit_a_review_is_asked_for(self, parts: Bench) -> None:
        await parts.tell(appointment(FRIDAY), appointment(FRIDAY, "arrived"))
        parts.clock.move_to(FRIDAY + timedelta(hours=1))
        await parts.tell(appointment(FRIDAY, "completed", completed_at=utc_now(parts.clock).isoformat()))
        assert await parts.send_due() == []
        parts.clock.advance(hours=24)
        assert await parts.send_due() == ["review_request"]

    async def test_a_time_from_the_waitlist_is_offered_while_it_is_held(self, parts: Bench) -> None:
        expires = START + timedelta(minutes=30)
        parts.mailer.away = True
        await parts.tell(offer(FRIDAY, expires))
        assert await parts.send_due() == []
        await parts.tell(offer(FRIDAY, expires, "taken"))
        parts.mailer.away = False
        parts.clock.advance(minutes=5)
        assert await parts.send_due() == []

    async def test_an_offer_leaves_at_once(self, parts: Bench) -> None:
        await parts.tell(offer(FRIDAY, START + timedelta(minutes=30)))
        assert await parts.send_due() == ["waitlist_offer"]
        assert "It is held for you until Monday, November 23, 2026 at 10:30 AM (EST)." in parts.mailer.sent[0].text


class TestWords:
    async def test_who_where_and_when_in_the_places_time(self, parts: Bench) -> None:
        await parts.tell(appointment(FRIDAY))
        await parts.send_due()
        (mail,) = parts.mailer.sent
        assert (mail.to, mail.subject) == ("ada@example.org", "Your appointment on Fri, Nov 27 at 9:30 AM is booked")
        for said in (
            "Hello Ada,",
            "Your appointment with Maria O'Connell-Ruiz, MD is booked.",
            "When: Friday, November 27, 2026 at 9:30 AM (EST)",
            "Where: Harbor Clinic\n1 Main St, Suite 2, New York, NY 10001",
            "Questions? Call the practice at (212) 555-0142.",
            "https://millrace.example/appointments/a1",
        ):
            assert said in mail.text
        assert "Maria O&#x27;Connell-Ruiz, MD" in mail.html
        assert '<a href="https://millrace.example/appointments/a1">' in mail.html

    async def test_names_are_no_markup(self, parts: Bench) -> None:
        parts.patients.contacts[ADA] = Contact("ada@example.org", "<b>Ada</b>")
        await parts.tell(appointment(FRIDAY))
        await parts.send_due()
        assert "<b>Ada" not in parts.mailer.sent[0].html

    async def test_why_somebody_sees_a_doctor_is_not_in_it(self, parts: Bench) -> None:
        await parts.tell(appointment(FRIDAY, visit_reason="std-testing"))
        await parts.send_due()
        assert "std" not in parts.mailer.sent[0].text + parts.mailer.sent[0].html

    async def test_without_copies_of_provider_and_place_it_is_still_a_letter(self, database_url: str) -> None:
        async with bench(database_url) as parts:
            await parts.tell(appointment(FRIDAY, time_zone=None))
            assert await parts.send_due() == ["booked"]
            assert "with your provider is booked" in parts.mailer.sent[0].text
            assert "at 2:30 PM (UTC)" in parts.mailer.sent[0].text


class TestOnce:
    async def test_the_same_records_again_change_nothing(self, parts: Bench) -> None:
        records = [parts.feed.record(appointment(FRIDAY)), parts.feed.record(appointment(FRIDAY, "confirmed"))]
        for _ in range(3):
            await parts.handler.handle(records)
        await parts.handler.handle(records[:1])
        assert await parts.send_due() == ["booked"]
        assert len(await states(parts)) == 3

    async def test_the_same_record_at_two_workers_at_once_counts_once(self, parts: Bench) -> None:
        record = parts.feed.record(appointment(FRIDAY))
        await asyncio.gather(*(parts.handler.handle([record]) for _ in range(6)))
        assert await parts.send_due() == ["booked"]

    async def test_many_workers_send_each_letter_once(self, parts: Bench) -> None:
        await parts.tell(*(appointment(FRIDAY, identifier=f"a{n}") for n in range(40)))
        await asyncio.gather(*(parts.send_due() for _ in range(5)))
        assert len(parts.mailer.sent) == 40
        assert len({mail.id for mail in parts.mailer.sent}) == 40

    async def test_a_restart_neither_loses_nor_repeats(self, database_url: str) -> None:
        async with bench(database_url) as before:
            await before.tell(provider(), place(), appointment(FRIDAY))
            assert await before.send_due() == ["booked"]
        before.clock.move_to(FRIDAY - timedelta(hours=48))
        async with bench(database_url, before.clock) as after:
            assert await after.send_due() == ["reminder_48h"]
        async with bench(database_url, before.clock) as again:
            assert await again.send_due() == []

    async def test_a_worker_that_dies_before_it_sends_is_replaced_when_its_lease_ends(self, parts: Bench) -> None:
        await parts.tell(appointment(FRIDAY))
        (claimed,) = await parts.letters.claim(8)
        assert await parts.send_due() == []
        parts.clock.advance(seconds=120)
        assert await parts.send_due() == ["booked"]
        await parts.letters.send(claimed)
        assert len(parts.mailer.sent) == 1, "who lost the lease sends no more"

    async def test_killed_between_ses_and_the_note_of_it_the_same_mail_goes_again(self, parts: Bench) -> None:
        await parts.tell(appointment(FRIDAY))
        (claimed,) = await parts.letters.claim(8)
        async with parts.database.transaction() as session:
            await session.execute(
                text("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'killed'; END $$")
            )
            await session.execute(
                text(
                    "CREATE TRIGGER fail BEFORE UPDATE ON timer FOR EACH ROW WHEN (new.state = 'sent')"
                    " EXECUTE FUNCTION fail()"
                )
            )
        with pytest.raises(Exception, match="killed"):
            await parts.letters.send(claimed)
        async with parts.database.transaction() as session:
            await session.execute(text("DROP TRIGGER fail ON timer"))
        parts.clock.advance(seconds=120)
        assert await parts.send_due() == ["booked"]
        first, second = parts.mailer.sent
        assert first.id == second.id

    async def test_what_is_sent_again_from_before_our_time_announces_nothing(self, parts: Bench) -> None:
        await parts.tell(appointment(FRIDAY), replay=True)
        assert await parts.send_due() == []
        parts.clock.move_to(FRIDAY - timedelta(hours=48))
        assert await parts.send_due() == ["reminder_48h"]


class TestTrouble:
    async def test_letters_wait_while_ses_or_patients_are_away(self, parts: Bench) -> None:
        await parts.tell(appointment(FRIDAY))
        parts.patients.away = True
        assert await parts.send_due() == []
        parts.patients.away, parts.mailer.away = False, True
        parts.clock.advance(seconds=10)
        assert await parts.send_due() == []
        parts.mailer.away = False
        parts.clock.advance(minutes=1)
        assert await parts.send_due() == ["booked"]

    async def test_an_address_that_ses_refuses_is_given_up(self, parts: Bench) -> None:
        parts.patients.contacts[ADA] = Contact("nobody")
        await parts.tell(appointment(FRIDAY))
        assert await parts.send_due() == []
        assert (await states(parts))["booked"] == "failed"

    async def test_who_was_erased_gets_nothing(self, parts: Bench) -> None:
        await parts.tell(appointment(FRIDAY))
        await parts.tell(erased())
        assert await parts.send_due() == []
        await parts.tell(appointment(FRIDAY, "cancelled"))
        assert await parts.send_due() == []
        assert parts.patients.asked == []

    async def test_whom_patients_does_not_know_gets_nothing(self, parts: Bench) -> None:
        parts.patients.contacts.clear()
        await parts.tell(appointment(FRIDAY))
        assert await parts.send_due() == []
        assert (await states(parts))["booked"] == "dropped"

    async def test_a_cancellation_while_the_address_is_asked_for_stops_the_letter(self, parts: Bench) -> None:
        await parts.tell(appointment(FRIDAY))

        async def cancel() -> None:
            parts.patients.before_answer = None
            await parts.tell(appointment(FRIDAY, "cancelled"))

        parts.patients.before_answer = cancel
        assert await parts.send_due() == ["cancelled"]


async def test_nothing_personal_is_kept(parts: Bench) -> None:
    await parts.tell(appointment(FRIDAY))
    await parts.send_due()
    async with parts.database.transaction() as session:
        tables = (await session.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))).scalars()
        rows = [str((await session.execute(text(f'SELECT * FROM "{name}"'))).all()) for name in tables]  # noqa: S608
    assert any("America/New_York" in row for row in rows)
    assert not any("ada@example.org" in row or "Hello" in row or "'Ada'" in row for row in rows)


async def test_logs_tell_nothing_personal(parts: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await parts.tell(appointment(FRIDAY))
    await parts.send_due()
    parts.patients.contacts[ADA] = Contact("ada-at-nowhere", "Ada")
    await parts.tell(appointment(FRIDAY, identifier="a2"))
    await parts.send_due()
    parts.patients.mails = [AccountMail(UUID(ADA), "verify_email", "ada-at-nowhere", "s3cr3t-token")]
    await parts.account_mails.once()
    told = " ".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "letter refused" in told
    assert "account mail refused" in told
    assert not any(secret in told for secret in ("ada@", "ada-at-nowhere", "'Ada'", "s3cr3t-token"))
