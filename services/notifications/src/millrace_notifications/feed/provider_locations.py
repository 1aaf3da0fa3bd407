"""Applies provider-locations from the feed: copies them, and notifies practices of those that they can confirm."""

from collections.abc import Sequence
from dataclasses import dataclass

from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.appointment.model import AwareTime
from millrace_notifications.delivery.fan_out import FanOut, PracticeEvent
from millrace_notifications.delivery.payload import pending_provider_location_body
from millrace_notifications.endpoint.model import EventType
from millrace_notifications.provider_location import repository
from millrace_notifications.provider_location.model import ProviderLocation
from millrace_platform.database import Session


@dataclass(frozen=True, slots=True)
class ProviderLocationUpdate:
    """A consumed version of a provider-location. `at` is the time of the change; a `replay` repeats an earlier one."""

    provider_location: ProviderLocation
    version: int
    at: AwareTime
    replay: bool


@dataclass(frozen=True, slots=True)
class ProviderLocationUpdater:
    """Copies provider-locations; creates messages for the practices that can confirm pending ones."""

    fan_out: FanOut
    clock: Clock

    async def apply(self, session: Session, updates: Sequence[ProviderLocationUpdate]) -> None:
        """Store newer versions. Create a message once for a provider-location that becomes pending."""
        before = await repository.load_versions(session, {each.provider_location.id for each in updates})
        await repository.upsert_provider_locations(
            session, [(each.provider_location, each.version) for each in updates]
        )
        events: list[PracticeEvent] = []
        for update in updates:
            version, was_pending = before.get(update.provider_location.id, (0, False))
            if version >= update.version:
                continue
            before[update.provider_location.id] = update.version, update.provider_location.is_pending
            if update.provider_location.is_pending and not was_pending and not update.replay:
                events += await self._pending_events(session, update)
        await self.fan_out.create_deliveries(session, events, utc_now(self.clock))

    async def _pending_events(self, session: Session, update: ProviderLocationUpdate) -> list[PracticeEvent]:
        pending = update.provider_location
        practices = await repository.list_confirmed_practices(session, pending.npi)
        return [
            PracticeEvent(
                practice_id=practice,
                type=EventType.PROVIDER_LOCATION_PENDING,
                entity=f"provider-location/{pending.id}",
                version=update.version,
                body=pending_provider_location_body(pending, practice, update.at),
            )
            for practice in practices
            if practice != pending.practice_id
        ]
