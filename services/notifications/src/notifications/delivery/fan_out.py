"""Turns what became of a visit into a message for each endpoint that wants it, in the transaction of the change."""

from dataclasses import dataclass
from datetime import datetime

from millrace_platform.database import Session
from millrace_platform.ids import Ids
from notifications.appointment.model import Happening, Visit
from notifications.delivery import repository
from notifications.delivery.payload import appointment_body, type_of
from notifications.endpoint import repository as endpoints


@dataclass(frozen=True, slots=True)
class FanOut:
    """For a practice without endpoints nothing is kept."""

    ids: Ids

    async def tell(
        self, session: Session, practice: str, happening: Happening, visit: Visit, *, at: datetime, now: datetime
    ) -> None:
        """A message is kept for a disabled endpoint too: once enabled, it can ask for what it missed."""
        found = await endpoints.of_practice(session, practice)
        if not found:
            return
        kind, identifier = type_of(happening), self.ids()
        await repository.add_message(
            session,
            identifier=identifier,
            practice=practice,
            kind=kind,
            entity=visit.entity,
            version=visit.version,
            body=appointment_body(happening, visit, practice, at),
            now=now,
        )
        wanting = [each.id for each in found if each.disabled is None and kind in each.events]
        await repository.add(session, identifier, wanting, self.ids, now)
