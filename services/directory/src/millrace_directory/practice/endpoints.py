"""REST endpoints of practices."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from millrace_directory.dependencies import InAdmin, InDirectory, InStaff
from millrace_directory.http import (
    CHANGE,
    CREATE,
    LIST,
    READ,
    InPaging,
    MergePatch,
    changed_response,
    created_response,
    page_response,
    patched_body,
    read_response,
)
from millrace_directory.practice.schemas import PracticeBody, PracticeResource
from millrace_directory.reading import Filters
from millrace_directory.tables import practice
from millrace_platform.preconditions import IfMatch, IfNoneMatch
from millrace_platform.resources import Npi, PageOf

router = APIRouter(prefix="/v1/directory/practices", tags=["practices"])


@router.get("", summary="List practices", response_model=PageOf[PracticeResource], responses=LIST)
async def list_directory_practices(
    request: Request,
    directory: InDirectory,
    paging: InPaging,
    npi: Annotated[Npi | None, Query(description="Only the practice with this organizational NPI.")] = None,
) -> Response:
    """Return a page of practices sorted by id; `Link` leads to the next page."""
    filters: Filters = {practice.c.npi: npi}
    return page_response(request, await directory.practices.reader.page(paging.cursor, paging.limit, filters))


@router.post("", summary="Create a practice", status_code=201, response_model=PracticeResource, responses=CREATE)
async def create_directory_practice(
    request: Request, directory: InDirectory, permissions: InAdmin, body: PracticeBody
) -> Response:
    """Create a practice. Without an `id`, the id is derived from the NPI, or random without an NPI."""
    return created_response(
        request, await directory.practices.create(permissions, body.state(body.derived_id() or directory.ids()))
    )


@router.get("/{practice_id}", summary="Get a practice", response_model=PracticeResource, responses=READ)
async def get_directory_practice(directory: InDirectory, practice_id: UUID, known: IfNoneMatch) -> Response:
    """Return a practice with its version as ETag."""
    return read_response(await directory.practices.reader.get(practice_id), known)


@router.put("/{practice_id}", summary="Replace a practice", response_model=PracticeResource, responses=CHANGE)
async def replace_directory_practice(
    directory: InDirectory, permissions: InStaff, practice_id: UUID, match: IfMatch, body: PracticeBody
) -> Response:
    """Replace the whole state of a practice. A new name also changes its locations and provider-locations."""
    return changed_response(
        await directory.practices.replace(permissions, practice_id, match, lambda _: body.state(practice_id))
    )


@router.patch("/{practice_id}", summary="Change a practice", response_model=PracticeResource, responses=CHANGE)
async def update_directory_practice(
    directory: InDirectory, permissions: InStaff, practice_id: UUID, match: IfMatch, body: MergePatch
) -> Response:
    """Apply a JSON merge patch to the resource that GET returns."""
    apply = patched_body(PracticeBody, body)
    return changed_response(
        await directory.practices.replace(
            permissions, practice_id, match, lambda current: apply(current).state(practice_id)
        )
    )


@router.delete("/{practice_id}", summary="Delete a practice", status_code=204, responses=CHANGE)
async def delete_directory_practice(
    directory: InDirectory, permissions: InAdmin, practice_id: UUID, match: IfMatch
) -> None:
    """Delete a practice. 409 if locations belong to it."""
    await directory.practices.delete(permissions, practice_id, match)
