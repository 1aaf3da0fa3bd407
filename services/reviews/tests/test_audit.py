"""The audit trail of reviews: who else changed a patient's reviews, or read them unpublished."""

from typing import Any

from millrace_platform.audit.key import load_audit_key
from millrace_platform.audit.verification import verify_trail

from .running import Caller, Service

NEEDS_REVIEW = "Call 555-123-4567"


async def accesses(service: Service, patient: Caller, **query: int) -> list[dict[str, Any]]:
    response = await service.client.get("/v1/reviews/own/accesses", params=query, headers=patient.headers)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def test_reads_and_decisions_of_moderators_are_recorded(service: Service) -> None:
    ada, support = service.caller(), service.caller("support")
    created = await service.review(ada, text=NEEDS_REVIEW)
    path, what = f"/v1/reviews/{created['id']}/moderation", f"review/{created['id']}"
    await service.client.get("/v1/reviews/moderation", headers=support.headers)
    await service.client.get(path, headers={**support.headers, "Purpose-Of-Use": "HSYSADMIN"})
    body = {"state": "published", "reason": None}
    assert (await service.client.put(path, json=body, headers=support.at(1))).status_code == 200
    assert [(e["actor"], e["deed"], e["what"], e["purpose"]) for e in await accesses(service, ada)] == [
        (support.id, "update", what, "HOPERAT"),
        (support.id, "read", what, "HSYSADMIN"),
        (support.id, "read", what, "HOPERAT"),
    ]


async def test_replies_and_flags_are_recorded(service: Service) -> None:
    ada, staff, ben = service.caller(), service.staff(), service.caller()
    created = await service.review(ada)
    path = f"/v1/reviews/{created['id']}"
    replied = await service.client.put(f"{path}/reply", json={"text": "Thank you."}, headers=staff.headers)
    assert replied.status_code == 201
    assert (await service.client.delete(f"{path}/reply", headers=staff.at(1))).status_code == 204
    flagged = await service.client.put(f"{path}/flag", json={"reason": "abusive"}, headers=ben.headers)
    assert flagged.status_code == 204
    seen = [(e["actor"], e["deed"]) for e in await accesses(service, ada)]
    # Who flagged it stays unknown to the author, if it was a patient.
    assert seen == [(None, "update"), (staff.id, "update"), (staff.id, "update")]


async def test_own_and_public_accesses_are_not_recorded(service: Service) -> None:
    ada = service.caller()
    created = await service.review(ada)
    await service.client.get(f"/v1/reviews/{created['id']}", headers=ada.headers)
    await service.client.get("/v1/reviews/own", headers=ada.headers)
    assert await service.public()
    refused = await service.client.get(f"/v1/reviews/{created['id']}", headers=service.caller().headers)
    assert refused.status_code == 404
    assert await accesses(service, ada) == []


async def test_accesses_to_others_reviews_are_not_shown(service: Service) -> None:
    ada, ben = service.caller(), service.caller()
    created = await service.review(ada, text=NEEDS_REVIEW)
    await service.decide(created["id"], 1, "published")
    assert await accesses(service, ben) == []
    (entry,) = await accesses(service, ada, limit=1)
    assert await accesses(service, ada, before=entry["seq"]) == []


async def test_administrator_needs_a_purpose_even_with_another_role(service: Service) -> None:
    ada, admin = service.caller(), service.caller("admin", "patient")
    created = await service.review(ada, text=NEEDS_REVIEW)
    for path in ("/v1/reviews/moderation", f"/v1/reviews/{created['id']}/moderation"):
        refused = await service.client.get(path, headers=admin.headers)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "Purpose-Of-Use")
    assert await accesses(service, ada) == []


async def test_trail_is_verified(service: Service) -> None:
    created = await service.review(text=NEEDS_REVIEW)
    await service.decide(created["id"], 1, "published")
    heads, faults = await verify_trail(service.database, load_audit_key(service.settings, "reviews"))
    assert (sum(head.seq for head in heads), faults) == (1, [])
