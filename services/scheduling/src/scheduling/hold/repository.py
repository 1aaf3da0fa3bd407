"""What a hold is judged by, and the rows of holds."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from millrace_platform.database import Session
from scheduling.availability.model import segments_from
from scheduling.availability.repository import calendar_from
from scheduling.calendar.model import Calendar
from scheduling.claim.repository import visit_of
from scheduling.hold.model import Held, Hold
from scheduling.place.model import Place
from scheduling.slot.model import Segment
from scheduling.statements import first

# The day of a calendar may be the day before or after that of UTC.
_PLACE = """
SELECT p.id, p.npi, p.practice_id, p.time_zone, p.version, c.document::text AS document, (
    SELECT array_agg(each.minute ORDER BY s.day, each.number)
    FROM slots s, unnest(s.segments) WITH ORDINALITY AS each (minute, number)
    WHERE s.place_id = p.id AND s.day BETWEEN $2::date - 1 AND $2::date + 1
) AS segments{columns}
FROM places p LEFT JOIN calendars c ON c.place_id = p.id{joined}
WHERE p.id = $1 AND NOT p.deleted
"""
_SHOP: Final = _PLACE.format(columns="", joined="")
_SHOP_AND_HELD: Final = _PLACE.format(columns=", h.*", joined=" CROSS JOIN LATERAL holds_of($3, $4, $5) AS h")
_HOLD = """
SELECT c.id, c.patient_id, c.dependant_id, c.expires_at, c.extended, c.offer_id, c.live, c.kind, c.place_id, c.npi,
    c.start, c.minutes, c.visit_type, c.visit_reason, c.mode, c.patient_kind, p.practice_id, p.time_zone
FROM claims c JOIN places p ON p.id = c.place_id
WHERE c.id = $1 AND c.patient_id = $2
"""
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


async def shop(session: Session, place_id: UUID, start: datetime) -> Shop | None:
    """The place with its slots around `start`; None where there is no place."""
    row = await first(session, _SHOP, place_id, start.astimezone(UTC).date())
    return None if row is None else _shop_of(row)


async def shop_and_held(
    session: Session, place_id: UUID, start: datetime, *, patient_id: UUID, address: bytes, now: datetime
) -> tuple[Shop, Held] | None:
    """As `shop`, with what patient and address hold. Other holds of the patient wait until this transaction ends."""
    row = await first(session, _SHOP_AND_HELD, place_id, start.astimezone(UTC).date(), patient_id, address, now)
    if row is None:
        return None
    held = Held(row["by_patient"], row["by_address"], row["patient_until"], row["address_until"])
    return _shop_of(row), held


async def find(session: Session, hold_id: UUID, patient_id: UUID, *, lock: bool = False) -> Kept | None:
    """The patient's hold; `lock`: nobody else changes it before the transaction ends."""
    row = await first(session, _HOLD + ("FOR UPDATE OF c" if lock else ""), hold_id, patient_id)
    return None if row is None else _kept_of(row)


async def extend(session: Session, hold: Hold) -> None:
    await first(session, _EXTEND, hold.id, hold.expires_at)


def _shop_of(row: Any) -> Shop:
    place = Place(row["id"], row["npi"], row["practice_id"], row["time_zone"], row["version"])
    return Shop(
        place, None if row["document"] is None else calendar_from(row["document"]), segments_from(row["segments"] or ())
    )


def _kept_of(row: Any) -> Kept:
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
