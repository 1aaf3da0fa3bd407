"""Specialties and visit reasons for patients to choose from. They are part of the code, so caches may store them."""

from typing import Any

from fastapi import APIRouter, Response

from millrace_directory.http import problems
from millrace_platform.errors import NotFound
from millrace_platform.resources import Schema
from millrace_platform.responses import json_response
from millrace_reference.specialties import Specialty, all_specialties, find_specialty
from millrace_reference.text import find_closest
from millrace_reference.visit_reasons import all_visit_reasons, find_visit_reason

CACHE_HEADERS = {"Cache-Control": "public, max-age=3600"}

router = APIRouter(prefix="/v1")


class SpecialtyResource(Schema):
    """A specialty and the NUCC taxonomy codes that it covers."""

    slug: str
    name: str
    synonyms: list[str]
    taxonomies: list[str]


class SpecialtyList(Schema):
    items: list[SpecialtyResource]


class VisitReasonResource(Schema):
    """A visit reason, and the slugs of its specialties beginning with the most common one."""

    slug: str
    name: str
    specialties: list[str]


class VisitReasonList(Schema):
    items: list[VisitReasonResource]


@router.get("/specialties", summary="List specialties", tags=["specialties"], response_model=SpecialtyList)
async def list_specialties() -> Response:
    """Return the specialties that patients can search for."""
    return json_response(
        {"items": [_specialty(each) for each in all_specialties() if each.listed]}, headers=CACHE_HEADERS
    )


@router.get(
    "/specialties/{slug}",
    summary="Get a specialty",
    tags=["specialties"],
    response_model=SpecialtyResource,
    responses=problems(404, 422),
)
async def get_specialty(slug: str) -> Response:
    """Return a specialty by its slug, including specialties that the list omits."""
    found = find_specialty(slug)
    if found is None:
        raise _not_found("specialty", slug, [each.slug for each in all_specialties() if each.listed])
    return json_response(_specialty(found), headers=CACHE_HEADERS)


@router.get("/visit-reasons", summary="List visit reasons", tags=["visit-reasons"], response_model=VisitReasonList)
async def list_visit_reasons() -> Response:
    """Return all visit reasons."""
    return json_response({"items": all_visit_reasons()}, headers=CACHE_HEADERS)


@router.get(
    "/visit-reasons/{slug}",
    summary="Get a visit reason",
    tags=["visit-reasons"],
    response_model=VisitReasonResource,
    responses=problems(404, 422),
)
async def get_visit_reason(slug: str) -> Response:
    """Return a visit reason by its slug."""
    found = find_visit_reason(slug)
    if found is None:
        raise _not_found("visit reason", slug, [each.slug for each in all_visit_reasons()])
    return json_response(found, headers=CACHE_HEADERS)


def _specialty(found: Specialty) -> dict[str, Any]:
    return {"slug": found.slug, "name": found.name, "synonyms": found.synonyms, "taxonomies": found.taxonomies}


def _not_found(name: str, slug: str, slugs: list[str]) -> NotFound:
    similar = ", ".join(find_closest(slug, slugs)) or "none"
    return NotFound(f"There is no such {name}. Similar ones: {similar}. The list without the slug has all of them.")
