"""Flags, decisions and replies."""

from typing import Any

import pytest
from sqlalchemy import select

from millrace_reviews.schema import decision

from .running import OTHER_PRACTICE, PRACTICE, STARS, UNKNOWN, Service

NEEDS_REVIEW = "Call 555-123-4567"


async def list_cases(service: Service, queue: str) -> list[dict[str, Any]]:
    headers = {**service.caller("admin").headers, "Purpose-Of-Use": "HOPERAT"}
    response = await service.client.get("/v1/reviews/moderation", params={"queue": queue}, headers=headers)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


class TestDecisions:
    async def test_moderator_publishes_a_pending_review(self, service: Service) -> None:
        first, second = await service.review(text=NEEDS_REVIEW), await service.review(text="a@example.org")
        assert (first["state"], await service.public()) == ("pending", [])
        waiting = await list_cases(service, "pending")
        assert [each["id"] for each in waiting] == [first["id"], second["id"]]
        assert (waiting[0]["findings"], waiting[1]["findings"]) == (["phone"], ["email", "link"])
        assert not {"author_id", "appointment_id"} & waiting[0].keys()
        decided = await service.decide(first["id"], 1, "published")
        assert (decided.json()["state"], decided.headers["ETag"]) == ("published", '"2"')
        assert [each["id"] for each in await service.public()] == [first["id"]]
        assert [each["id"] for each in await list_cases(service, "pending")] == [second["id"]]

    async def test_only_a_moderator_publishes_a_hidden_review_again(self, service: Service) -> None:
        ada = service.caller()
        created = await service.review(ada, text="Rude words.")
        path = f"/v1/reviews/{created['id']}"
        hidden = await service.decide(created["id"], 1, "hidden", "abusive")
        assert hidden.status_code == 200
        assert await service.public() == []
        own = (await service.client.get(path, headers=ada.headers)).json()
        assert (own["state"], own["reason"]) == ("hidden", "abusive")
        for version, text in ((2, "Nice words."), (3, "Nicer words.")):
            changed = await service.client.put(path, json={**STARS, "text": text}, headers=ada.at(version))
            assert (changed.json()["state"], changed.json()["reason"]) == ("pending", None)
        assert (await service.decide(created["id"], 4, "published")).status_code == 200
        trusted = await service.client.put(path, json={**STARS, "text": "The best words."}, headers=ada.at(5))
        assert trusted.json()["state"] == "published"

    async def test_impossible_decisions_are_rejected(self, service: Service) -> None:
        created = await service.review()
        assert (await service.decide(created["id"], 1, "rejected", "abusive")).status_code == 409
        assert (await service.decide(created["id"], 2, "hidden", "abusive")).status_code == 412
        response = await service.decide(created["id"], 1, "hidden")
        assert response.status_code == 422
        assert "abusive" in response.json()["errors"][0]["remedy"]
        assert (await service.decide(UNKNOWN, 1, "published")).status_code == 404

    async def test_decision_is_recorded(self, service: Service) -> None:
        created = await service.review(text=NEEDS_REVIEW)
        support = service.caller("support")
        response = await service.client.put(
            f"/v1/reviews/{created['id']}/moderation",
            json={"state": "rejected", "reason": "advertising"},
            headers=support.at(1),
        )
        assert response.status_code == 200
        async with service.database.read() as session:
            row = (await session.execute(select(decision))).mappings().one()
        actual = [row[name] for name in ("version", "state_before", "state_after", "reason")]
        assert (str(row["actor_id"]), *actual) == (support.id, 2, "pending", "rejected", "advertising")
        assert [each["id"] for each in await list_cases(service, "rejected")] == [created["id"]]


class TestFlags:
    async def test_flag_queues_the_review_but_keeps_it_published(self, service: Service) -> None:
        created = await service.review(text="Rude.")
        path = f"/v1/reviews/{created['id']}/flag"
        bob = service.caller()
        for caller, reason in ((service.staff(), "abusive"), (bob, "off_topic"), (bob, "abusive")):
            response = await service.client.put(path, json={"reason": reason}, headers=caller.headers)
            assert response.status_code == 204, response.text
        assert [each["id"] for each in await service.public()] == [created["id"]]
        flagged = await list_cases(service, "flagged")
        assert [(each["id"], each["flags"], each["version"]) for each in flagged] == [
            (created["id"], {"abusive": 2}, 1)
        ]
        assert (await service.client.get("/internal/reviews/status")).json()["reviews"]["flagged"] == 1
        settled = await service.decide(created["id"], 1, "published")
        assert (settled.status_code, settled.json()["flags"]) == (200, {})
        assert await list_cases(service, "flagged") == []

    async def test_staff_flags_reviews_of_its_practice_only(self, service: Service) -> None:
        created = await service.review()
        path = f"/v1/reviews/{created['id']}/flag"
        others, support = service.staff(OTHER_PRACTICE), service.caller("support")
        for caller, status in ((others, 404), (support, 403), (service.staff(), 204)):
            response = await service.client.put(path, json={"reason": "abusive"}, headers=caller.headers)
            assert response.status_code == status
        pending = await service.review(text=NEEDS_REVIEW)
        hidden = f"/v1/reviews/{pending['id']}/flag"
        response = await service.client.put(hidden, json={"reason": "abusive"}, headers=service.staff().headers)
        assert response.status_code == 404


class TestReplies:
    async def test_practice_replies_in_public(self, service: Service) -> None:
        ada, staff = service.caller(), service.staff()
        created = await service.review(ada)
        path = f"/v1/reviews/{created['id']}/reply"
        put = service.client.put
        assert (await service.client.get(path, headers=staff.headers)).status_code == 404
        first = await put(path, json={"text": " Thank you.  "}, headers=staff.headers)
        assert (first.status_code, first.headers["ETag"], first.json()["text"]) == (201, '"1"', "Thank you.")
        assert (await service.public())[0]["reply"] == "Thank you."
        assert (await put(path, json={"text": "Thanks."}, headers=staff.headers)).status_code == 428
        assert (await put(path, json={"text": "Thanks."}, headers=staff.at(7))).status_code == 412
        second = await put(path, json={"text": "Thanks."}, headers=staff.at(1))
        assert (second.status_code, second.json()) == (200, {"text": "Thanks.", "version": 2})
        own = (await service.client.get(f"/v1/reviews/{created['id']}", headers=ada.headers)).json()
        assert (own["reply"], own["version"]) == ("Thanks.", 1)
        assert (await service.client.delete(path, headers=staff.at(1))).status_code == 412
        assert (await service.client.delete(path, headers=staff.at(2))).status_code == 204
        assert (await service.public())[0]["reply"] is None
        assert (await put(path, json={"text": "Again."}, headers=staff.at(2))).status_code == 412
        third = await put(path, json={"text": "Again."}, headers=staff.headers)
        assert (third.status_code, third.headers["ETag"]) == (201, '"4"')

    @pytest.mark.parametrize("text", ["", "   ", "x" * 2001, None])
    async def test_empty_or_long_reply_is_rejected(self, service: Service, text: str | None) -> None:
        created = await service.review()
        path = f"/v1/reviews/{created['id']}/reply"
        response = await service.client.put(path, json={"text": text}, headers=service.staff().headers)
        assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "text")

    async def test_moderator_removes_but_does_not_write_replies(self, service: Service) -> None:
        created = await service.review()
        path = f"/v1/reviews/{created['id']}/reply"
        await service.client.put(path, json={"text": "Your rash was bad."}, headers=service.staff().headers)
        support = service.caller("support")
        assert (await service.client.put(path, json={"text": "No."}, headers=support.at(1))).status_code == 403
        assert (await service.client.delete(path, headers=support.at(1))).status_code == 204
        assert (await service.public())[0]["reply"] is None

    async def test_reply_is_removed_with_its_review(self, service: Service) -> None:
        ada, staff = service.caller(), service.staff()
        created = await service.review(ada)
        path = f"/v1/reviews/{created['id']}"
        await service.client.put(f"{path}/reply", json={"text": "Thanks."}, headers=staff.headers)
        await service.decide(created["id"], 1, "hidden", "abusive")
        assert (await service.client.get(f"{path}/reply", headers=staff.headers)).status_code == 404
        own = await service.client.get(path, headers=ada.headers)
        assert own.json()["reply"] == "Thanks."
        assert (await service.client.delete(path, headers=ada.at(2))).status_code == 204
        assert (await service.client.get(f"{path}/reply", headers=staff.headers)).status_code == 404


async def test_staff_lists_the_reviews_of_its_practice(service: Service) -> None:
    created = [await service.review() for _ in range(3)]
    await service.review(text=NEEDS_REVIEW)
    ada = service.caller()
    elsewhere = await service.appointment(ada, practice_id=OTHER_PRACTICE)
    await service.try_review(ada, elsewhere.id)
    staff = service.staff()
    first = await service.client.get(f"/v1/reviews/practices/{PRACTICE}", params={"limit": 2}, headers=staff.headers)
    rest = await service.client.get(first.links["next"]["url"], headers=staff.headers)
    listed = [each["id"] for each in [*first.json()["items"], *rest.json()["items"]]]
    assert listed == [each["id"] for each in reversed(created)]
