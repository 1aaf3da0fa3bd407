"""REST API of reviews."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from millrace_platform.audit.schemas import AccessLimit, AccessList, Before
from millrace_platform.authentication import InPrincipal
from millrace_platform.preconditions import IfMatch, IfNoneMatch
from millrace_platform.resources import Npi
from millrace_platform.responses import NO_STORE, etag_headers
from millrace_reviews.access import PatientCaller, StaffCaller
from millrace_reviews.dependencies import InApp
from millrace_reviews.http import CHANGE, CREATE, LIST, OWN_LIST, READ, REMOVE, ROLE_READ, InPagination
from millrace_reviews.review.model import Review
from millrace_reviews.review.schemas import (
    NewReviewBody,
    OwnReview,
    OwnReviewList,
    PublicReview,
    PublicReviewList,
    ReviewBody,
)

router = APIRouter(prefix="/v1/reviews", tags=["reviews"])


@router.get("", summary="List a provider's reviews", responses=LIST)
async def list_reviews(
    *, app: InApp, npi: Annotated[Npi, Query(examples=["1679576722"])], pagination: InPagination, response: Response
) -> PublicReviewList:
    """Return a provider's published reviews, newest first. Public; `Link` leads to the next page."""
    page = await app.reviews.list_published(npi, pagination.position(npi=npi), pagination.limit)
    next_cursor = pagination.next_cursor(response, page.next, npi=npi)
    return PublicReviewList(items=[PublicReview.of(review) for review in page.items], next=next_cursor)


@router.post("", summary="Create a review of a visit", status_code=201, responses=CREATE)
async def create_review(app: InApp, caller: PatientCaller, body: NewReviewBody, response: Response) -> OwnReview:
    """Create a review. Accessible to the patient of a completed appointment, once, within 90 days.

    A text with a link, an email address or a phone number makes the review `pending` until a moderator decides; other
    reviews are `published` at once.
    """
    review = await app.reviews.create(caller, body.appointment_id, body.content())
    response.headers["Location"] = f"{router.prefix}/{review.id}"
    return _respond(review, response)


@router.get("/own", summary="List the caller's reviews", responses=OWN_LIST)
async def list_own_reviews(
    app: InApp, caller: InPrincipal, pagination: InPagination, response: Response
) -> OwnReviewList:
    """Return the caller's reviews in every state, newest first."""
    page = await app.reviews.list_own(caller, pagination.position(), pagination.limit)
    response.headers.update(NO_STORE)
    next_cursor = pagination.next_cursor(response, page.next)
    return OwnReviewList(items=[OwnReview.of(review) for review in page.items], next=next_cursor)


@router.get("/own/accesses", summary="List others' accesses to the caller's reviews", responses=OWN_LIST)
async def list_review_accesses(
    app: InApp, caller: InPrincipal, response: Response, before: Before = None, limit: AccessLimit = 50
) -> AccessList:
    """Return who else changed the caller's reviews, or read them unpublished, and when, newest first."""
    response.headers.update(NO_STORE)
    return AccessList.of(await app.reviews.list_accesses(caller, before, limit), limit)


@router.get("/practices/{practice_id}", summary="List a practice's reviews", responses=ROLE_READ)
async def list_practice_reviews(
    app: InApp, caller: StaffCaller, practice_id: UUID, pagination: InPagination, response: Response
) -> PublicReviewList:
    """Return the published reviews of visits to the practice, newest first. Accessible to its staff."""
    page = await app.reviews.list_of_practice(caller, practice_id, pagination.position(), pagination.limit)
    response.headers.update(NO_STORE)
    next_cursor = pagination.next_cursor(response, page.next)
    return PublicReviewList(items=[PublicReview.of(review) for review in page.items], next=next_cursor)


@router.get(
    "/{review_id:uuid}",
    summary="Get the caller's review",
    response_model=OwnReview,
    responses={304: {"description": "The version is the one in `If-None-Match`."}, **READ},
)
async def get_own_review(
    app: InApp, caller: InPrincipal, review_id: UUID, if_none_match: IfNoneMatch, response: Response
) -> OwnReview | Response:
    """Return a review. Accessible to its author."""
    review = await app.reviews.get(caller, review_id)
    if if_none_match.match_weakly(review.version):
        return Response(status_code=304, headers=etag_headers(review.version))
    return _respond(review, response)


@router.put("/{review_id:uuid}", summary="Replace the caller's review", responses=CHANGE)
async def replace_review(
    *, app: InApp, caller: InPrincipal, review_id: UUID, match: IfMatch, body: ReviewBody, response: Response
) -> OwnReview:
    """Replace a review. Accessible to its author, within 90 days of the visit.

    The text is screened again. A review that a moderator took down becomes `pending`.
    """
    return _respond(await app.reviews.replace(caller, review_id, match, body.content()), response)


@router.delete("/{review_id:uuid}", summary="Withdraw the caller's review", status_code=204, responses=REMOVE)
async def withdraw_review(app: InApp, caller: InPrincipal, review_id: UUID, match: IfMatch) -> None:
    """Withdraw a review for good: the visit cannot be reviewed again. Accessible to its author, at any time."""
    await app.reviews.withdraw(caller, review_id, match)


def _respond(review: Review, response: Response) -> OwnReview:
    response.headers.update(etag_headers(review.version))
    return OwnReview.of(review)
