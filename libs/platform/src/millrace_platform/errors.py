# ruff: noqa: N818 # the names are those of HTTP status codes
"""Exceptions that become RFC 9457 problem responses.

Problem                    any status; raise it, or a subclass, anywhere below an endpoint
├── BadRequest             400
├── Unauthenticated        401  with WWW-Authenticate
├── Forbidden              403
├── NotFound               404
├── Conflict               409
├── PreconditionFailed     412  the resource's version does not match If-Match
├── Unprocessable          422  each of `errors` has a field, a detail and a remedy
├── PreconditionRequired   428
├── TooManyRequests        429  with Retry-After
├── Unavailable            503  with Retry-After
└── TimedOut               504
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import ClassVar, TypedDict

PROBLEM_TYPE_PREFIX = "urn:millrace:problem:"
RETRY_AFTER_SECONDS = 2


class FieldError(TypedDict):
    """An invalid field of a request. `field` is its name in the request, e.g. `limit` or `address.zip`."""

    field: str
    detail: str
    remedy: str


class Problem(Exception):
    """An error response to the caller; must not contain internal details.

    `type` is a URI, or the last part of one of our URNs (`not-found`). `members` are JSON members in addition to those
    of RFC 9457.
    """

    def __init__(
        self,
        *,
        status: int,
        type: str,  # noqa: A002 # RFC 9457's name
        title: str,
        detail: str | None = None,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail or title)
        self.status = status
        self.type = type if ":" in type else PROBLEM_TYPE_PREFIX + type
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.members = dict(members or {})


_PROBLEM_TYPES: Mapping[int, tuple[str, str]] = {
    400: ("bad-request", "The request is malformed"),
    401: ("unauthenticated", "A valid access token is required"),
    403: ("forbidden", "The caller's role does not permit this request"),
    404: ("not-found", "Resource not found"),
    405: ("method-not-allowed", "The resource does not support this method"),
    408: ("request-incomplete", "The request was not received in time"),
    409: ("conflict", "The request conflicts with the state of the resource"),
    412: ("precondition-failed", "The resource's version does not match If-Match"),
    413: ("body-too-large", "The body is too large"),
    414: ("target-too-long", "The request target is too long"),
    415: ("unsupported-media-type", "The media type of the body is not supported"),
    421: ("misdirected", "The request is for another host"),
    422: ("invalid-request", "The request has invalid fields"),
    428: ("precondition-required", "If-Match is required to change this resource"),
    429: ("too-many-requests", "Too many requests"),
    431: ("header-too-large", "The request header is too large"),
    500: ("internal", "An internal error occurred"),
    502: ("bad-gateway", "A service did not respond properly"),
    503: ("unavailable", "The service is temporarily unavailable"),
    504: ("timed-out", "The request took too long"),
}
"""The last part of the URN, and the title, of the problem with each status."""


class _StandardProblem(Problem):
    """Base of the problems whose type and title follow from their status."""

    STATUS: ClassVar[int]

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        slug, title = _PROBLEM_TYPES[self.STATUS]
        super().__init__(
            status=self.STATUS, type=slug, title=title, detail=detail, errors=errors, headers=headers, members=members
        )


class BadRequest(_StandardProblem):
    STATUS = 400


class Unauthenticated(_StandardProblem):
    """The request has no valid access token; the response has a `WWW-Authenticate: Bearer` challenge.

    The challenge contains `error`, a code of RFC 6750 or 9470 (None if no token was sent), and `parameters`.
    """

    STATUS = 401

    def __init__(
        self, detail: str | None = None, *, error: str | None = None, parameters: Mapping[str, str] | None = None
    ) -> None:
        values = {**({} if error is None else {"error": error}), **(parameters or {})}
        challenge = ", ".join(f'{name}="{value}"' for name, value in values.items())
        super().__init__(detail, headers={"WWW-Authenticate": f"Bearer {challenge}".rstrip()})


class Forbidden(_StandardProblem):
    STATUS = 403


class NotFound(_StandardProblem):
    STATUS = 404


class Conflict(_StandardProblem):
    STATUS = 409


class PreconditionFailed(_StandardProblem):
    STATUS = 412


class Unprocessable(_StandardProblem):
    STATUS = 422


class PreconditionRequired(_StandardProblem):
    STATUS = 428


class TooManyRequests(_StandardProblem):
    """The caller reached a limit and may retry after `retry_after` seconds; None if waiting may not help."""

    STATUS = 429

    def __init__(
        self, detail: str | None = None, *, retry_after: int | None, members: Mapping[str, object] | None = None
    ) -> None:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        super().__init__(detail, headers=headers, members=members)


class Unavailable(_StandardProblem):
    """The service or a store is unavailable; the caller may retry after the seconds in `Retry-After`."""

    STATUS = 503

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


class TimedOut(_StandardProblem):
    STATUS = 504


def problem_of_status(status: int, detail: str | None = None, *, headers: Mapping[str, str] | None = None) -> Problem:
    """Return a problem with this HTTP status; its type is `about:blank` if we define none for the status."""
    slug, title = _PROBLEM_TYPES.get(status) or ("about:blank", _phrase(status))
    return Problem(status=status, type=slug, title=title, detail=detail, headers=headers)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
