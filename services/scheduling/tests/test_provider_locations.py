"""The copy of provider-locations, kept from the feed."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from millrace_contracts.entities import Address, ProviderLocation
from millrace_contracts.envelope import encode
from millrace_contracts.registry import PROVIDER_LOCATION
from millrace_feeds.clock import SystemClock
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.transport import Record
from millrace_platform.errors import Unavailable
from millrace_platform.ids import Uuid7
from millrace_platform.unit_of_work import Envelopes, Event
from millrace_scheduling.provider_location.handlers import ProviderLocationHandler, is_outage
from millrace_scheduling.provider_location.wire import provider_location_from

from .running import ADMIN, CALENDAR, PRACTICE, STAFF, Service

NPI = "1234567893"


def location(identifier: str, practice: str | None = PRACTICE) -> ProviderLocation:
    return ProviderLocation(
        id=identifier,
        npi=NPI,
        location_id=str(uuid4()),
        address=Address(line1="1 Main St", city="New York", state="NY", zip="10001"),
        taxonomy="207N00000X",
        practice_id=practice,
        time_zone="America/New_York",
    )


def record(event: Event) -> Record:
    envelope = Envelopes("/services/refinery", SystemClock(), Uuid7()).of([event])[0]
    return Record("entities", "shard-0", "1", envelope.subject, encode(envelope), arrived=0.0)


def written(entity: ProviderLocation, version: int) -> Record:
    return record(Event.of_entity(PROVIDER_LOCATION, entity, action="updated", version=version))


async def test_a_later_version_wins_whatever_the_order(service: Service) -> None:
    handler = ProviderLocationHandler(service.app.state.scheduling.parts.units, service.app.state.scheduling.parts.calendars)
    place = str(uuid4())
    await handler.handle([written(location(place), 3)])
    await handler.handle([written(location(place, None), 2), written(location(str(uuid4())), 1)])
    async with service.database.transaction() as session:
        rows = await session.execute(
            text("SELECT version, practice_id FROM places WHERE id = :id"), {"id": UUID(place)}
        )
        assert rows.one() == (3, UUID(PRACTICE))


async def test_staff_lose_a_place_that_goes_to_another_practice(service: Service) -> None:
    place = await service.place(calendar=CALENDAR)
    handler = ProviderLocationHandler(service.app.state.scheduling.parts.units, service.app.state.scheduling.parts.calendars)
    await handler.handle([written(location(place, str(uuid4())), 2)])
    assert (await service.client.get(f"/v1/calendars/{place}", headers=STAFF)).status_code == 404
    assert (await service.client.get(f"/v1/calendars/{place}", headers=ADMIN)).status_code == 200


async def test_entities_of_others_are_passed_over(service: Service) -> None:
    handler = ProviderLocationHandler(service.app.state.scheduling.parts.units, service.app.state.scheduling.parts.calendars)
    await handler.handle([Record("entities", "shard-0", "1", "provider/1234567893", b"not even JSON", arrived=0.0)])


def test_a_record_that_cant_be_read_is_parked_and_a_database_that_is_away_is_waited_for() -> None:
    broken = Record("entities", "shard-0", "1", "provider-location/1/2", b"{}", arrived=0.0)
    with pytest.raises(InvalidRecord):
        provider_location_from(broken)
    assert is_outage(Unavailable("The database can't be reached."))
    assert is_outage(ExceptionGroup("several", [Unavailable(), ConnectionError()]))
    assert not is_outage(ValueError("a record"))
