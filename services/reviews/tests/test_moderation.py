"""Flags, decisions and replies."""

from typing import Any

import pytest
from sqlalchemy import select

from millrace_reviews.moderation.tables import decision

from .running import OTHER_PRACTICE, PRACTICE, STARS, UNKNOWN, Service

HELD = "Call 555-123-4567"


async def cases(service: Service, queue: str) -> list[dict[str, Any]]:
    answer = await service.client.get(
        "/v1/reviews/moderation", params={"queue": queue}, headers=service.caller("admin").headers
    )
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


class TestDeciding:
    async def test_what_is_held_back_is_published_by_a_moderator(self, service: Service) -> None:
        first, second = await service.review(text=HELD), await service.review(text="a@example.org")
        assert (first["state"], await service.public()) == ("pending", [])
        waiting = await cases(service, "pending")
        assert [each["id"] for each in waiting] == [first["id"], second["id"]]
        assert (waiting[0]["findings"], waiting[1]["findings"]) == (["phone"], ["email", "link"])
        assert not {"author_id", "appointment_id"} & waiting[0].keys()
        decided = await service.decide(first["id"], 1, "published")
        assert (decided.json()["state"], decided.headers["ETag"]) == ("published", '"2"')
        assert [each["id"] for each in await service.public()] == [first["id"]]
        assert [each["id"] for each in await cases(service, "pending")] == [second["id"]]

    async def test_what_was_taken_down_comes_back_through_a_moderator_only(self, service: Service) -> None:
        ada = service.caller()
        made = await service.review(ada, text="Rude words.")
        path = f"/v1/reviews/{made['id']}"
        hidden = await service.decide(made["id"], 1, "hidden", "abusive")
        assert hidden.status_code == 200
        assert await service.public() == []
        own = (await service.client.get(path, headers=ada.headers)).json()
        assert (own["state"], own["reason"]) == ("hidden", "abusive")
        for version, text in ((2, "Nice words."), (3, "Nicer words.")):
            changed = await service.client.put(path, json={**STARS, "text": text}, headers=ada.at(version))
            assert (changed.json()["state"], changed.json()["reason"]) == ("pending", None)
        assert (await service.decide(made["id"], 4, "published")).status_code == 200
        trusted = await service.client.put(path, json={**STARS, "text": "The best words."}, headers=ada.at(5))
        assert trusted.json()["state"] == "published"

    async def test_what_cannot_be_is_a_conflict(self, service: Service) -> None:
        made = await service.review()
        assert (await service.decide(made["id"], 1, "rejected", "abusive")).status_code == 409
        assert (await service.decide(made["id"], 2, "hidden", "abusive")).status_code == 412
        answer = await service.decide(made["id"], 1, "hidden")
        assert answer.status_code == 422
        assert "abusive" in answer.json()["errors"][0]["remedy"]
        assert (await service.decide(UNKNOWN, 1, "published")).status_code == 404

    async def test_who_decided_what_is_kept(self, service: Service) -> None:
        made = await service.review(text=HELD)
        support = service.caller("support")
        answer = await service.client.put(
            f"/v1/reviews/{made['id']}/moderation",
            json={"state": "rejected", "reason": "advertising"},
            headers=support.at(1),
        )
        assert answer.status_code == 200
        async with service.database.read() as session:
            row = (await session.execute(select(decision))).mappings().one()
        assert (str(row["actor_id"]), row["version"], row["before"], row["after"], row["reason"]) == (
            support.id,
            2,
            "pending",
            "rejected",
            "advertising",
        )
        assert [each["id"] for each in await cases(service, "rejected")] == [made["id"]]


class TestFlags:
    async def test_a_flag_calls_a_moderator_and_changes_nothing_else(self, service: Service) -> None:
        made = await service.review(text="Rude.")
        path = f"/v1/reviews/{made['id']}/flag"
        bob = service.caller()
        for caller, reason in ((service.staff(), "abusive"), (bob, "off_topic"), (bob, "abusive")):
            answer = await service.client.put(path, json={"reason": reason}, headers=caller.headers)
            assert answer.status_code == 204, answer.text
        assert [each["id"] for each in await service.public()] == [made["id"]]
        flagged = await cases(service, "flagged")
        assert [(each["id"], each["flags"], each["version"]) for each in flagged] == [(made["id"], {"abusive": 2}, 1)]
        assert (await service.client.get("/internal/reviews/status")).json()["reviews"]["flagged"] == 1
        kept = await service.decide(made["id"], 1, "published")
        assert (kept.status_code, kept.json()["flags"]) == (200, {})
        assert await cases(service, "flagged") == []

    async def test_staff_flags_what_concerns_its_practice(self, service: Service) -> None:
        made = await service.review()
        for caller, status in (
            (service.staff(OTHER_PRACTICE), 404),
            (service.caller("support"), 403),
            (service.staff(), 204),
        ):
            path = f"/v1/reviews/{made['id']}/flag"
            answer = await service.client.put(path, json={"reason": "abusive"}, headers=caller.headers)
            assert answer.status_code == status
        pending = await service.review(text=HELD)
        hidden = f"/v1/reviews/{pending['id']}/flag"
        answer = await service.client.put(hidden, json={"reason": "abusive"}, headers=service.staff().headers)
        assert answer.status_code == 404


class TestReplies:
    async def test_the_practice_answers_and_everybody_reads_it(self, service: Service) -> None:
        ada, staff = service.caller(), service.staff()
        made = await service.review(ada)
        path = f"/v1/reviews/{made['id']}/reply"
        put = service.client.put
        assert (await service.client.get(path, headers=staff.headers)).status_code == 404
        first = await put(path, json={"text": " Thank you.  "}, headers=staff.headers)
        assert (first.status_code, first.headers["ETag"], first.json()["text"]) == (201, '"1"', "Thank you.")
        assert (await service.public())[0]["reply"] == "Thank you."
        assert (await put(path, json={"text": "Thanks."}, headers=staff.headers)).status_code == 428
        assert (await put(path, json={"text": "Thanks."}, headers=staff.at(7))).status_code == 412
        second = await put(path, json={"text": "Thanks."}, headers=staff.at(1))
        assert (second.status_code, second.json()) == (200, {"text": "Thanks.", "version": 2})
        own = (await service.client.get(f"/v1/reviews/{made['id']}", headers=ada.headers)).json()
        assert (own["reply"], own["version"]) == ("Thanks.", 1)
        assert (await service.client.delete(path, headers=staff.at(1))).status_code == 412
        assert (await service.client.delete(path, headers=staff.at(2))).status_code == 204
        assert (await service.public())[0]["reply"] is None
        assert (await put(path, json={"text": "Again."}, headers=staff.at(2))).status_code == 412
        third = await put(path, json={"text": "Again."}, headers=staff.headers)
        assert (third.status_code, third.headers["ETag"]) == (201, '"4"')

    @pytest.mark.parametrize("text", ["", "   ", "x" * 2001, None])
    async def test_a_reply_says_something(self, service: Service, text: str | None) -> None:
        made = await service.review()
        path = f"/v1/reviews/{made['id']}/reply"
        answer = await service.client.put(path, json={"text": text}, headers=service.staff().headers)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "text")

    async def test_a_moderator_can_take_it_back_and_not_write_one(self, service: Service) -> None:
        made = await service.review()
        path = f"/v1/reviews/{made['id']}/reply"
        await service.client.put(path, json={"text": "Your rash was bad."}, headers=service.staff().headers)
        support = service.caller("support")
        assert (await service.client.put(path, json={"text": "No."}, headers=support.at(1))).status_code == 403
        assert (await service.client.delete(path, headers=support.at(1))).status_code == 204
        assert (await service.public())[0]["reply"] is None

    async def test_it_goes_with_its_review(self, service: Service) -> None:
        ada, staff = service.caller(), service.staff()
        made = await service.review(ada)
        path = f"/v1/reviews/{made['id']}"
        await service.client.put(f"{path}/reply", json={"text": "Thanks."}, headers=staff.headers)
        await service.decide(made["id"], 1, "hidden", "abusive")
        assert (await service.client.get(f"{path}/reply", headers=staff.headers)).status_code == 404
        own = await service.client.get(path, headers=ada.headers)
        assert own.json()["reply"] == "Thanks."
        assert (await service.client.delete(path, headers=ada.at(2))).status_code == 204
        assert (await service.client.get(f"{path}/reply", headers=staff.headers)).status_code == 404


async def test_a_practice_lists_its_own(service: Service) -> None:
    made = [await service.review() for _ in range(3)]
    await service.review(text=HELD)
    ada = service.caller()
    elsewhere = await service.appointment(ada, practice_id=OTHER_PRACTICE)
    await service.try_review(ada, elsewhere.id)
    staff = service.staff()
    first = await service.client.get(f"/v1/reviews/practices/{PRACTICE}", params={"limit": 2}, headers=staff.headers)
    rest = await service.client.get(first.links["next"]["url"], headers=staff.headers)
    listed = [each["id"] for each in [*first.json()["items"], *rest.json()["items"]]]
    assert listed == [each["id"] for each in reversed(made)]
