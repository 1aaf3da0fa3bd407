"""What a hold is judged by, and the rows of holds."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from millrace_platform.database import Connection, Session
from millrace_platform.idempotency import IdempotencyKey, beside_kept, keeping
from millrace_platform.statements import Statements, first
from millrace_scheduling.availability.model import segments_from
from millrace_scheduling.availability.repository import calendar_from, numbers_of
from millrace_scheduling.calendar.model import Calendar
from millrace_scheduling.claim.repository import Claim, row_of, taking, visit_of
from millrace_scheduling.hold.model import PER_ADDRESS, PER_PATIENT, Held, Hold
from millrace_scheduling.place.model import Place
from millrace_scheduling.slot.model import Segment


def _shop_at(place: str, day: str) -> str:
    # The day of a calendar may be the day before or after that of UTC.
    return f"""
SELECT p.id, p.npi, p.practice_id, p.time_zone, p.version, c.document::text AS document,
    {numbers_of("p.id", f"{day} - 1", f"{day} + 1")} AS segments
FROM places p LEFT JOIN calendars c ON c.place_id = p.id
WHERE p.id = {place} AND NOT p.deleted
"""  # noqa: S608 # constants


_SHOP: Final = _shop_at("$1", "$2::date")
_LOOK_AT_SHOP: Final = beside_kept(_shop_at("$3", "$4::date"))
# Holds of one patient come one after the other from `holds_of` on: see its migration.
_TAKE: Final = f"""
WITH held AS MATERIALIZED (
    SELECT * FROM holds_of($4, $16, $18)
), {taking(f"FROM held WHERE by_patient < {PER_PATIENT} AND by_address < {PER_ADDRESS}")},
{keeping("taken", 19)}
SELECT held.*, EXISTS (SELECT FROM taken) AS taken FROM held
"""  # noqa: S608 # constants
_HOLD = """
SELECT c.id, c.patient_id, c.dependant_id, c.expires_at, c.extended, c.offer_id, c.live, c.kind, c.place_id, c.npi,
    c.start, c.minutes, c.visit_type, c.visit_reason, c.mode, c.patient_kind, p.practice_id, p.time_zone
FROM claims c JOIN places p ON p.id = c.place_id
WHERE c.patient_id = $1 AND c.id = {hold}
"""
_FIND: Final = _HOLD.format(hold="$2")
_LOOK_AT_HOLD: Final = beside_kept(_HOLD.format(hold="$3"))
_EXTEND = "UPDATE claims SET expires_at = $2, extended = true WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Shop:
    """A place with what is offered there around a day; `calendar` None where nothing is."""

    place: Place
    calendar: Calendar | None
    segments: list[Segment]


@dataclass(frozen=True, slots=True)
class Kept:
    """A hold as it lies there: `live` until it is given up or lapsed, `booked` where it became an appointment."""

    hold: Hold
    live: bool
    booked: bool
    offer_id: UUID | None

    def runs(self, now: datetime) -> bool:
        return self.live and not self.booked and self.hold.expires_at > now


TakeHold: TypeAlias = Callable[[Connection, Claim, Sequence[object], datetime], Awaitable[tuple[bool, Held]]]
"""See `take`."""


async def shop(session: Session, place_id: UUID, start: datetime) -> Shop | None:
    """The place with its slots around `start`; None where there is no place."""
    row = await first(session, _SHOP, place_id, start.astimezone(UTC).date())
    return None if row is None else shop_of(row)


async def look_at_shop(
    connection: Connection, patient_id: UUID, key: IdempotencyKey, place_id: UUID, start: datetime
) -> Any:
    """The row of `shop` beside what is kept under the patient's key: for `at_once` and `shop_of`."""
    return await first(connection, _LOOK_AT_SHOP, patient_id, key.key, place_id, start.astimezone(UTC).date())


async def look_at_hold(connection: Connection, patient_id: UUID, key: IdempotencyKey, hold_id: UUID) -> Any:
    """The patient's hold beside what is kept under the key: for `at_once` and `kept_of`."""
    return await first(connection, _LOOK_AT_HOLD, patient_id, key.key, hold_id)


async def take(connection: Connection, claim: Claim, answer: Sequence[object], now: datetime) -> tuple[bool, Held]:
    """Take the time of a hold and keep the answer (its `kept_row`), if patient and address may hold one more.

    Whether it was taken, and what they held before.
    """
    row = await first(connection, _TAKE, *row_of(claim, now), *answer)
    return row["taken"], Held(row["by_patient"], row["by_address"], row["patient_until"], row["address_until"])


async def find(session: Statements, hold_id: UUID, patient_id: UUID, *, lock: bool = False) -> Kept | None:
    """The patient's hold; `lock`: nobody else changes it before the transaction ends."""
    row = await first(session, _FIND + ("FOR UPDATE OF c" if lock else ""), patient_id, hold_id)
    return None if row is None else kept_of(row)


async def extend(session: Session, hold: Hold) -> None:
    await first(session, _EXTEND, hold.id, hold.expires_at)


def shop_of(row: Any) -> Shop | None:
    """None where the row has none."""
    if row["id"] is None:
        return None
    place = Place(row["id"], row["npi"], row["practice_id"], row["time_zone"], row["version"])
    return Shop(
        place, None if row["document"] is None else calendar_from(row["document"]), segments_from(row["segments"] or ())
    )


def kept_of(row: Any) -> Kept | None:
    """None where the row has none."""
    if row["id"] is None:
        return None
    booked = row["kind"] == "appointment"
    hold = Hold(
        id=row["id"],
        patient_id=row["patient_id"],
        dependant_id=row["dependant_id"],
        visit=visit_of(row),
        expires_at=row["expires_at"] or row["start"],
        extended=row["extended"],
    )
    return Kept(hold, row["live"], booked, row["offer_id"])
