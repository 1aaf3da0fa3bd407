"""REST for reviews."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from millrace_platform.authentication import InPrincipal
from millrace_platform.preconditions import IfMatch, IfNoneMatch
from millrace_platform.resources import Npi
from millrace_platform.responses import NO_STORE, tagged
from millrace_reviews.access import Patient, Staff
from millrace_reviews.dependencies import InApp
from millrace_reviews.http import CHANGE, CREATE, LIST, OWN_LIST, READ, REMOVE, ROLE_READ, Paged
from millrace_reviews.review.model import Review
from millrace_reviews.review.schemas import (
    NewReviewBody,
    OwnReview,
    OwnReviews,
    PublicReview,
    PublicReviews,
    ReviewBody,
)

router = APIRouter(prefix="/v1/reviews", tags=["reviews"])


@router.get("", summary="List a provider's reviews", responses=LIST)
async def index(
    *, app: InApp, npi: Annotated[Npi, Query(examples=["1679576722"])], paging: Paged, response: Response
) -> PublicReviews:
    """What is published, newest first, for everybody. `Link` leads to the next page."""
    page = await app.reviews.published(npi, paging.position(npi=npi), paging.limit)
    following = paging.follow(response, page.next, npi=npi)
    return PublicReviews(items=[PublicReview.of(review) for review in page.items], next=following)


@router.post("", summary="Review a visit", status_code=201, responses=CREATE)
async def create(app: InApp, caller: Patient, body: NewReviewBody, response: Response) -> OwnReview:
    """For the patient of a completed appointment, within 90 days, once.

    A text with a link, an address or a telephone number is `pending` until a moderator looked at it; all else is
    `published` at once.
    """
    review = await app.reviews.create(caller, body.appointment_id, body.content())
    response.headers["Location"] = f"{router.prefix}/{review.id}"
    return _shown(review, response)


@router.get("/own", summary="List one's own reviews", responses=OWN_LIST)
async def own(app: InApp, caller: InPrincipal, paging: Paged, response: Response) -> OwnReviews:
    """In whatever state, newest first."""
    page = await app.reviews.own(caller, paging.position(), paging.limit)
    response.headers.update(NO_STORE)
    following = paging.follow(response, page.next)
    return OwnReviews(items=[OwnReview.of(review) for review in page.items], next=following)


@router.get("/practices/{practice_id}", summary="List a practice's reviews", responses=ROLE_READ)
async def of_practice(app: InApp, caller: Staff, practice_id: UUID, paging: Paged, response: Response) -> PublicReviews:
    """What is published of visits to the practice, newest first, for its staff."""
    page = await app.reviews.of_practice(caller, practice_id, paging.position(), paging.limit)
    response.headers.update(NO_STORE)
    following = paging.follow(response, page.next)
    return PublicReviews(items=[PublicReview.of(review) for review in page.items], next=following)


@router.get(
    "/{review_id:uuid}",
    summary="Get one's own review",
    response_model=OwnReview,
    responses={304: {"description": "The version that `If-None-Match` names."}, **READ},
)
async def get(
    app: InApp, caller: InPrincipal, review_id: UUID, known: IfNoneMatch, response: Response
) -> OwnReview | Response:
    """For its author."""
    review = await app.reviews.get(caller, review_id)
    if known.match_weakly(review.version):
        return Response(status_code=304, headers=tagged(review.version))
    return _shown(review, response)


@router.put("/{review_id:uuid}", summary="Replace one's own review", responses=CHANGE)
async def replace(
    *, app: InApp, caller: InPrincipal, review_id: UUID, match: IfMatch, body: ReviewBody, response: Response
) -> OwnReview:
    """For its author, within 90 days of the visit. It is screened anew; after a moderator took it down, it waits."""
    return _shown(await app.reviews.replace(caller, review_id, match, body.content()), response)


@router.delete("/{review_id:uuid}", summary="Withdraw one's own review", status_code=204, responses=REMOVE)
async def withdraw(app: InApp, caller: InPrincipal, review_id: UUID, match: IfMatch) -> None:
    """For its author, at any time and for good: the visit can't be reviewed again."""
    await app.reviews.withdraw(caller, review_id, match)


def _shown(review: Review, response: Response) -> OwnReview:
    response.headers.update(tagged(review.version))
    return OwnReview.of(review)
