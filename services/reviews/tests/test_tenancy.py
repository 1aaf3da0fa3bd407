"""Every route with an id, for every role: resources of others get the same response as unknown ones."""

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


async def test_routes_with_ids_hide_resources_of_others(service: Service) -> None:
    covered = {(path, method) for method, path, _ in ROUTES}
    known = {
        (route.path, method) for route in iter_route_contexts(service.app.routes) for method in route.methods or ()
    }
    assert covered == {(path.replace(":uuid}", "}"), method) for path, method in known if path and "{" in path}
    others = {
        "another patient": service.caller(),
        "staff of another practice": service.staff(OTHER_PRACTICE),
        "staff of no practice": service.caller("staff"),
        "staff of the practice": service.staff(),
        "support": service.caller("support"),
        "admin": with_purpose(service.caller("admin")),
    }
    created = await create_review_with_reply(service)
    for role, caller in others.items():
        for route in ROUTES:
            await check_route(service, role, caller, route, created)
    for method, path, body in ROUTES:
        address = path.format(review_id=created, practice_id=PRACTICE)
        assert (await service.client.request(method, address, json=body, headers={"If-Match": "*"})).status_code == 401
    public = await service.public()
    assert [(each["overall"], each["reply"]) for each in public if each["id"] == created] == [(5, "Hello.")]


def with_purpose(caller: Caller) -> Caller:
    return Caller(caller.id, {**caller.headers, "Purpose-Of-Use": "HOPERAT"})


async def create_review_with_reply(service: Service) -> str:
    """Create a published review with a reply and return its id."""
    identifier: str = (await service.review())["id"]
    path = f"/v1/reviews/{identifier}/reply"
    response = await service.client.put(path, json={"text": "Hello."}, headers=service.staff().headers)
    assert response.status_code == 201
    return identifier


async def check_route(service: Service, role: str, caller: Caller, route: Route, created: str) -> None:
    """Check one route for one role; use a new review if the role may change it."""
    method, path, body = route
    allowed = (method, path) in ALLOWED[role]
    target = await create_review_with_reply(service) if allowed else created
    headers = {**caller.headers, "If-Match": "*"}
    actual, unknown = [
        await service.client.request(
            method, path.format(review_id=review, practice_id=practice), json=body, headers=headers
        )
        for review, practice in ((target, PRACTICE), (UNKNOWN, UNKNOWN))
    ]
    assert unknown.status_code in (403, 404), (role, method, path)
    if allowed:
        assert actual.status_code in (200, 204), (role, method, path, actual.text)
    else:
        responses = [(each.status_code, without_request_id(each)) for each in (actual, unknown)]
        assert responses[0] == responses[1], (role, method, path)


def without_request_id(response: Any) -> dict[str, Any]:
    return {name: value for name, value in response.json().items() if name != "request_id"}
