"""Replays of current openings, appointments and offers, for consumers that lost events."""

from typing import Any

from millrace_feeds.testing import wait_until

from .booking import NINE, bookable_location, new_patient
from .running import Service
from .test_waitlist import cancel, full_location, join, offer


async def replay_pages(service: Service, limit: int) -> list[dict[str, Any]]:
    """Request all pages of a replay."""
    pages: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while not pages or pages[-1]["next"] is not None:
        response = await service.client.post("/internal/scheduling/replay", params={"limit": limit, **after})
        assert response.status_code == 200, response.text
        pages.append(response.json())
        after = {"after": pages[-1]["next"]}
    return pages


async def test_replay_publishes_all_current_entities_page_by_page(service: Service) -> None:
    location, booked = await full_location(service)
    ada, bob = new_patient(service), new_patient(service)
    await join(ada, location)
    await join(bob, location)
    await cancel(booked[0])
    await cancel(booked[1])
    declined, open_offer = await offer(ada), await offer(bob)
    assert (await ada.delete(f"/v1/holds/{declined['hold_id']}")).status_code == 204
    kinds = ("availability", "appointment", "waitlist-offer")

    def current_entities() -> dict[str, tuple[int, bytes]]:
        """Return the latest versions and their data by subject, of offers only open ones."""
        return {
            subject: (each.entityversion, bytes(each.data))
            for kind in kinds
            for subject, each in service.latest(kind).items()
            if kind != "waitlist-offer" or b'"state":"offered"' in bytes(each.data)
        }

    async def is_idle() -> bool:
        status = (await service.client.get("/internal/scheduling/status")).json()
        return bool(status["openings"]["backlog"] == status["outbox"]["backlog"] == 0)

    # The declined time becomes free, which is published too.
    await wait_until(is_idle)
    assert sum(subject.startswith("waitlist-offer/") for subject in current_entities()) == 1
    sent = await replay_pages(service, 2)
    assert max(page["count"] for page in sent) == 2
    count = sum(page["count"] for page in sent)
    await wait_until(lambda: sum(each.replay for each in service.published()) == count)
    again = {each.subject: (each.entityversion, bytes(each.data)) for each in service.published() if each.replay}
    assert again == current_entities()
    assert len(again) == count
    (envelope,) = [each for each in service.published() if each.replay and each.entity == "waitlist-offer"]
    assert open_offer["hold_id"].encode() in bytes(envelope.data)


async def test_invalid_cursor_is_reported(service: Service) -> None:
    location = await bookable_location(service)
    await new_patient(service).book(location, NINE)
    for after in ("nonsense", "offers:", "waitlist-offers:x", "appointments:1", "openings:2026"):
        response = await service.client.post("/internal/scheduling/replay", params={"after": after})
        assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "after"), after
