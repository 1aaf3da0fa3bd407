"""REST for practices."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from millrace_directory.dependencies import InAdmin, InDirectory, InWriter
from millrace_directory.http import (
    CHANGE,
    CREATE,
    LIST,
    READ,
    MergePatch,
    Paged,
    changed,
    created,
    listed,
    patched,
    shown,
)
from millrace_directory.practice.schemas import PracticeBody, PracticeResource
from millrace_directory.practice.tables import practice
from millrace_directory.reading import Filters
from millrace_platform.preconditions import IfMatch, IfNoneMatch
from millrace_platform.resources import Npi, PageOf

router = APIRouter(prefix="/v1/directory/practices", tags=["practices"])


@router.get("", summary="List practices", response_model=PageOf[PracticeResource], responses=LIST)
async def index(
    request: Request,
    directory: InDirectory,
    paging: Paged,
    npi: Annotated[Npi | None, Query(description="The practice with this organizational NPI.")] = None,
) -> Response:
    """In the order of ids; `Link` leads to the next page."""
    filters: Filters = {practice.c.npi: npi}
    return listed(request, await directory.practices.reader.page(paging.cursor, paging.limit, filters))


@router.post("", summary="Create a practice", status_code=201, response_model=PracticeResource, responses=CREATE)
async def create(request: Request, directory: InDirectory, writer: InAdmin, body: PracticeBody) -> Response:
    """Without an `id`, the id follows from the NPI, or is a new one."""
    return created(request, await directory.practices.create(writer, body.state(body.derived_id() or directory.ids())))


@router.get("/{practice_id}", summary="Get a practice", response_model=PracticeResource, responses=READ)
async def get(directory: InDirectory, practice_id: UUID, known: IfNoneMatch) -> Response:
    """With its version as ETag."""
    return shown(await directory.practices.reader.get(practice_id), known)


@router.put("/{practice_id}", summary="Replace a practice", response_model=PracticeResource, responses=CHANGE)
async def replace(
    directory: InDirectory, writer: InWriter, practice_id: UUID, match: IfMatch, body: PracticeBody
) -> Response:
    """With the whole state. A new name is carried on to its locations and the provider-locations there."""
    return changed(await directory.practices.replace(writer, practice_id, match, lambda _: body.state(practice_id)))


@router.patch("/{practice_id}", summary="Change a practice", response_model=PracticeResource, responses=CHANGE)
async def patch(
    directory: InDirectory, writer: InWriter, practice_id: UUID, match: IfMatch, body: MergePatch
) -> Response:
    """Applies a JSON merge patch to what GET shows."""
    apply = patched(PracticeBody, body)
    return changed(
        await directory.practices.replace(writer, practice_id, match, lambda now: apply(now).state(practice_id))
    )


@router.delete("/{practice_id}", summary="Delete a practice", status_code=204, responses=CHANGE)
async def delete(directory: InDirectory, writer: InAdmin, practice_id: UUID, match: IfMatch) -> None:
    """409 while locations belong to it."""
    await directory.practices.delete(writer, practice_id, match)
