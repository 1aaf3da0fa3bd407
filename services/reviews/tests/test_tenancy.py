"""Every route with an id in it, for every role: what isn't the caller's answers as what isn't there."""

from typing import Any

from fastapi.routing import iter_route_contexts

from .running import OTHER_PRACTICE, PRACTICE, STARS, UNKNOWN, Caller, Service

REPLY = {"text": "Thank you."}
FLAG = {"reason": "abusive"}
DECISION = {"state": "hidden", "reason": "abusive"}
Route = tuple[str, str, Any]
ROUTES: list[Route] = [
    ("GET", "/v1/reviews/{review_id}", None),
    ("PUT", "/v1/reviews/{review_id}", STARS),
    ("DELETE", "/v1/reviews/{review_id}", None),
    ("GET", "/v1/reviews/{review_id}/reply", None),
    ("PUT", "/v1/reviews/{review_id}/reply", REPLY),
    ("DELETE", "/v1/reviews/{review_id}/reply", None),
    ("GET", "/v1/reviews/{review_id}/moderation", None),
    ("PUT", "/v1/reviews/{review_id}/moderation", DECISION),
    ("PUT", "/v1/reviews/{review_id}/flag", FLAG),
    ("GET", "/v1/reviews/practices/{practice_id}", None),
]
ALLOWED = {
    "another patient": {("PUT", "/v1/reviews/{review_id}/flag")},
    "staff of another practice": set(),
    "staff of no practice": set(),
    "staff of the practice": {
        (method, path) for method, path, _ in ROUTES if path.endswith(("/reply", "/flag", "/{practice_id}"))
    },
    "support": {(method, path) for method, path, _ in ROUTES if path.endswith("/moderation")}
    | {("GET", "/v1/reviews/{review_id}/reply"), ("DELETE", "/v1/reviews/{review_id}/reply")},
}
ALLOWED["admin"] = ALLOWED["support"]


async def test_every_route_with_an_id(service: Service) -> None:
    walked = {(path, method) for method, path, _ in ROUTES}
    known = {
        (route.path, method) for route in iter_route_contexts(service.app.routes) for method in route.methods or ()
    }
    assert walked == {(path.replace(":uuid}", "}"), method) for path, method in known if path and "{" in path}
    others = {
        "another patient": service.caller(),
        "staff of another practice": service.staff(OTHER_PRACTICE),
        "staff of no practice": service.caller("staff"),
        "staff of the practice": service.staff(),
        "support": service.caller("support"),
        "admin": service.caller("admin"),
    }
    made = await replied(service)
    for who, caller in others.items():
        for route in ROUTES:
            await walk(service, who, caller, route, made)
    for method, path, body in ROUTES:
        address = path.format(review_id=made, practice_id=PRACTICE)
        assert (await service.client.request(method, address, json=body, headers={"If-Match": "*"})).status_code == 401
    public = await service.public()
    assert [(each["overall"], each["reply"]) for each in public if each["id"] == made] == [(5, "Hello.")]


async def replied(service: Service) -> str:
    """The id of a published review with a reply."""
    identifier: str = (await service.review())["id"]
    path = f"/v1/reviews/{identifier}/reply"
    answer = await service.client.put(path, json={"text": "Hello."}, headers=service.staff().headers)
    assert answer.status_code == 201
    return identifier


async def walk(service: Service, who: str, caller: Caller, route: Route, made: str) -> None:
    """What is allowed is tried on a review of its own, which it may change."""
    method, path, body = route
    allowed = (method, path) in ALLOWED[who]
    target = await replied(service) if allowed else made
    headers = {**caller.headers, "If-Match": "*"}
    seen, unknown = [
        await service.client.request(
            method, path.format(review_id=review, practice_id=practice), json=body, headers=headers
        )
        for review, practice in ((target, PRACTICE), (UNKNOWN, UNKNOWN))
    ]
    assert unknown.status_code in (403, 404), (who, method, path)
    if allowed:
        assert seen.status_code in (200, 204), (who, method, path, seen.text)
    else:
        assert (seen.status_code, told(seen)) == (unknown.status_code, told(unknown)), (who, method, path)


def told(answer: Any) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name != "request_id"}
