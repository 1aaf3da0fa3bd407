"""What was told is sent again, for those who lost it behind the feed."""

from typing import Any

from millrace_feeds.testing import wait_until

from .booking import NINE, bookable_location, new_patient
from .running import Service
from .test_waitlist import cancel, full_location, join, offer


async def pages(service: Service, limit: int) -> list[dict[str, Any]]:
    """All pages of a replay, from the first on."""
    found: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while not found or found[-1]["next"] is not None:
        answer = await service.client.post("/internal/scheduling/replay", params={"limit": limit, **after})
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        after = {"after": found[-1]["next"]}
    return found


async def test_all_that_stands_is_sent_again_page_by_page(service: Service) -> None:
    place, booked = await full_location(service)
    ada, bob = new_patient(service), new_patient(service)
    await join(ada, place)
    await join(bob, place)
    await cancel(booked[0])
    await cancel(booked[1])
    declined, standing = await offer(ada), await offer(bob)
    assert (await ada.delete(f"/v1/holds/{declined['hold_id']}")).status_code == 204
    kinds = ("availability", "appointment", "waitlist-offer")

    def told() -> dict[str, int]:
        """Versions by subject; of the offers those that stand."""
        return {
            subject: each.entityversion
            for kind in kinds
            for subject, each in service.latest(kind).items()
            if kind != "waitlist-offer" or b'"state":"offered"' in bytes(each.data)
        }

    async def quiet() -> bool:
        status = (await service.client.get("/internal/scheduling/status")).json()
        return bool(status["openings"]["backlog"] == status["outbox"]["backlog"] == 0)

    # What was declined is open again, and all of that is told.
    await wait_until(quiet)
    assert sum(subject.startswith("waitlist-offer/") for subject in told()) == 1
    sent = await pages(service, 2)
    assert max(page["count"] for page in sent) == 2
    count = sum(page["count"] for page in sent)
    await wait_until(lambda: sum(each.replay for each in service.published()) == count)
    again = {each.subject: each.entityversion for each in service.published() if each.replay}
    assert again == told()
    assert len(again) == count
    (envelope,) = [each for each in service.published() if each.replay and each.entity == "waitlist-offer"]
    assert standing["hold_id"].encode() in bytes(envelope.data)


async def test_what_is_no_position_of_a_replay_is_said(service: Service) -> None:
    place = await bookable_location(service)
    await new_patient(service).book(place, NINE)
    for after in ("nonsense", "offers:", "waitlist-offers:x", "appointments:1", "openings:2026"):
        answer = await service.client.post("/internal/scheduling/replay", params={"after": after})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "after"), after
