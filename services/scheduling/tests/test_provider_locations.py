"""Provider-locations consumed from the feed."""

from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import text

from millrace_contracts.entities import Provider, ProviderLocation
from millrace_contracts.envelope import encode
from millrace_contracts.registry import PROVIDER, PROVIDER_LOCATION
from millrace_feeds.clock import SystemClock
from millrace_feeds.errors import InvalidRecord
from millrace_feeds.transport import Record
from millrace_platform.errors import Unavailable
from millrace_platform.ids import Uuid7
from millrace_platform.unit_of_work import Envelopes, Event
from millrace_scheduling.entity_handlers import ProviderHandler, ProviderLocationHandler, is_outage
from millrace_scheduling.provider_location.wire import provider_location_from

from .booking import new_patient
from .running import ADMIN, CALENDAR, PRACTICE, STAFF, Service, provider_location

NPI = "1234567893"


def new_handler(service: Service) -> ProviderLocationHandler:
    scheduling = service.app.state.scheduling
    return ProviderLocationHandler(scheduling.units, scheduling.calendars)


def record(event: Event) -> Record:
    envelope = Envelopes("/services/refinery", SystemClock(), Uuid7()).of([event])[0]
    return Record("entities", "shard-0", "1", envelope.subject, encode(envelope), arrived=0.0)


def updated(entity: ProviderLocation, version: int) -> Record:
    return record(Event.of_entity(PROVIDER_LOCATION, entity, action="updated", version=version))


async def test_latest_version_is_stored_in_any_order(service: Service) -> None:
    handler = new_handler(service)
    location_id = str(uuid4())
    await handler.handle([updated(provider_location(location_id, NPI), 3)])
    await handler.handle(
        [updated(provider_location(location_id, NPI, None), 2), updated(provider_location(str(uuid4()), NPI), 1)]
    )
    async with service.database.transaction() as session:
        rows = await session.execute(
            text("SELECT version, practice_id FROM provider_locations WHERE id = :id"), {"id": UUID(location_id)}
        )
        assert rows.one() == (3, UUID(PRACTICE))


async def test_replay_fills_the_address_of_old_rows(service: Service) -> None:
    handler, entity = new_handler(service), provider_location(str(uuid4()), NPI)
    await handler.handle([updated(entity, 3)])
    address = text("SELECT address FROM provider_locations WHERE id = :id").bindparams(id=UUID(entity.id))
    async with service.database.transaction() as session:
        await session.execute(text("UPDATE provider_locations SET address = NULL, copied_at = NULL"))
    await handler.handle([updated(entity, 2)])
    async with service.database.transaction() as session:
        assert (await session.execute(address)).scalar_one() is None, "an older version fills nothing"
    await handler.handle([updated(entity, 3)])
    async with service.database.transaction() as session:
        assert (await session.execute(address)).scalar_one() == "1 Main St, New York, NY 10001"


async def test_latest_name_of_a_provider_is_stored_until_it_is_deleted(service: Service) -> None:
    handler = ProviderHandler(service.app.state.scheduling.units)

    def named(name: str, version: int) -> Record:
        entity = Provider(npi=NPI, last_name="Jones", first_name="Eric", taxonomy="207Q00000X", display_name=name)
        return record(Event.of_entity(PROVIDER, entity, action="updated", version=version))

    async def name() -> str | None:
        async with service.database.transaction() as session:
            found = await session.execute(text("SELECT name FROM providers WHERE npi = :npi"), {"npi": NPI})
            return found.scalar_one()  # type: ignore[no-any-return] # raw SQL

    await handler.handle([named("E. Jones", 2), named("Eric Jones", 1)])
    assert await name() == "E. Jones"
    await handler.handle([named("Eric Jones", 1)])
    assert await name() == "E. Jones"
    await handler.handle([record(Event.of_deletion(PROVIDER, NPI, version=3))])
    assert await name() is None


async def test_staff_lose_access_when_the_location_changes_practice(service: Service) -> None:
    location_id = await service.add_provider_location(calendar=CALENDAR)
    handler = new_handler(service)
    await handler.handle([updated(provider_location(location_id, NPI, str(uuid4())), 2)])
    assert (await service.client.get(f"/v1/calendars/{location_id}", headers=STAFF)).status_code == 404
    assert (await service.client.get(f"/v1/calendars/{location_id}", headers=ADMIN)).status_code == 200


async def test_other_entities_are_ignored(service: Service) -> None:
    handler = new_handler(service)
    await handler.handle([Record("entities", "shard-0", "1", "practice/1234567893", b"not even JSON", arrived=0.0)])


def test_invalid_record_is_no_outage_but_an_unavailable_database_is() -> None:
    broken = Record("entities", "shard-0", "1", "provider-location/1/2", b"{}", arrived=0.0)
    with pytest.raises(InvalidRecord):
        provider_location_from(broken)
    assert is_outage(Unavailable("The database can't be reached."))
    assert is_outage(ExceptionGroup("several", [Unavailable(), ConnectionError()]))
    assert not is_outage(ValueError("a record"))


async def test_pending_provider_location_has_no_calendar_until_it_is_confirmed(service: Service) -> None:
    """A practice can't reserve the time of a provider of another practice."""
    handler, entity = new_handler(service), provider_location(str(uuid4()), NPI)
    pending = msgspec.structs.replace(entity, is_pending=True)
    path = f"/v1/calendars/{entity.id}"
    await handler.handle([updated(pending, 1)])
    assert (await service.client.put(path, json=CALENDAR, headers=STAFF)).status_code == 404
    hold = {"provider_location_id": entity.id, "start": "2026-11-19T09:00:00-05:00"}
    assert (await new_patient(service).post("/v1/holds", hold)).status_code == 404
    await handler.handle([updated(entity, 2)])
    assert (await service.client.put(path, json=CALENDAR, headers=STAFF)).status_code == 201
    assert (await new_patient(service).post("/v1/holds", hold)).status_code == 201
