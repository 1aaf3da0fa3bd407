# ruff: noqa: N818 # the names are those of HTTP's own states
"""What a caller can be told, as RFC 9457 problems.

Problem                    any status; raise it, or one of these, anywhere below an endpoint
├── BadRequest             400
├── Unauthenticated        401  with WWW-Authenticate
├── Forbidden              403
├── NotFound               404
├── Conflict               409
├── PreconditionFailed     412  the resource isn't at the version that If-Match names
├── Unprocessable          422  each of `errors` names a field, what is wrong, and the remedy
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
    """One thing wrong with a request. `field` is named as the client wrote it, e.g. `limit` or `address.zip`."""

    field: str
    detail: str
    remedy: str


class Problem(Exception):
    """An answer to the caller that isn't a success. Nothing in it may tell of the inside of the service.

    `type` is a URI, or the last part of one of our own (`not-found`). `members` are those
    that the type has beyond RFC 9457.
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


class _Fixed(Problem):
    """A problem whose status, type and title are the same every time."""

    STATUS: ClassVar[int]
    SLUG: ClassVar[str]
    TITLE: ClassVar[str]

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            status=self.STATUS, type=self.SLUG, title=self.TITLE, detail=detail, errors=errors, headers=headers
        )


class BadRequest(_Fixed):
    STATUS = 400
    SLUG = "bad-request"
    TITLE = "The request can't be understood"


class Unauthenticated(_Fixed):
    """`error` is one of RFC 6750's and RFC 9470's codes, None where no credentials came; `parameters` go with it."""

    STATUS = 401
    SLUG = "unauthenticated"
    TITLE = "The request must carry a valid access token"

    def __init__(
        self, detail: str | None = None, *, error: str | None = None, parameters: Mapping[str, str] | None = None
    ) -> None:
        told = {**({} if error is None else {"error": error}), **(parameters or {})}
        challenge = ", ".join(f'{name}="{value}"' for name, value in told.items())
        super().__init__(detail, headers={"WWW-Authenticate": f"Bearer {challenge}".rstrip()})


class Forbidden(_Fixed):
    STATUS = 403
    SLUG = "forbidden"
    TITLE = "This isn't for the role of the caller"


class NotFound(_Fixed):
    STATUS = 404
    SLUG = "not-found"
    TITLE = "There is no such resource"


class Conflict(_Fixed):
    STATUS = 409
    SLUG = "conflict"
    TITLE = "The request conflicts with the state of the resource"


class PreconditionFailed(_Fixed):
    STATUS = 412
    SLUG = "precondition-failed"
    TITLE = "The resource has another version than If-Match names"


class Unprocessable(_Fixed):
    STATUS = 422
    SLUG = "invalid-request"
    TITLE = "The request has invalid fields"


class PreconditionRequired(_Fixed):
    STATUS = 428
    SLUG = "precondition-required"
    TITLE = "The request must say which version it changes"


class TooManyRequests(_Fixed):
    """The caller may try again after that many seconds."""

    STATUS = 429
    SLUG = "too-many-requests"
    TITLE = "There were too many requests"

    def __init__(self, detail: str | None = None, *, retry_after: int) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class Unavailable(_Fixed):
    """The caller may try again after `Retry-After`."""

    STATUS = 503
    SLUG = "unavailable"
    TITLE = "The service can't answer now"

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail, errors=errors, headers={"Retry-After": str(RETRY_AFTER_SECONDS), **(headers or {})})


class TimedOut(_Fixed):
    STATUS = 504
    SLUG = "timed-out"
    TITLE = "The request took too long"


_OF_STATUS: dict[int, tuple[str, str]] = {
    kind.STATUS: (kind.SLUG, kind.TITLE)
    for kind in (BadRequest, Forbidden, NotFound, Conflict, PreconditionFailed, Unprocessable, PreconditionRequired)
} | {
    405: ("method-not-allowed", "The resource doesn't have this method"),
    408: ("request-incomplete", "The request didn't arrive in time"),
    413: ("body-too-large", "The body is too large"),
    414: ("target-too-long", "The address is too long"),
    415: ("unsupported-media-type", "The body has the wrong media type"),
    431: ("header-too-large", "The header is too large"),
    500: ("internal", "The service failed"),
    503: (Unavailable.SLUG, Unavailable.TITLE),
    504: (TimedOut.SLUG, TimedOut.TITLE),
}


def problem_of_status(
    status: int,
    detail: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
) -> Problem:
    """The problem of a bare HTTP status; `about:blank` with the status' own name where we have no type for it."""
    known = _OF_STATUS.get(status)
    slug, title = known or ("about:blank", _phrase(status))
    return Problem(status=status, type=slug, title=title, detail=detail, headers=headers)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
