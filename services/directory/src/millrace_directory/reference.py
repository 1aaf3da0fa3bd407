"""Specialties and visit reasons, as patients choose them. They come with the code, so they may be cached for long."""

from typing import Any

from fastapi import APIRouter, Response

from millrace_directory.http import problems
from millrace_platform.errors import NotFound
from millrace_platform.resources import Schema
from millrace_platform.responses import json_response
from millrace_reference.specialties import Specialty, all_specialties, specialty
from millrace_reference.text import closest
from millrace_reference.visit_reasons import VisitReason, all_visit_reasons, visit_reason

CACHED = {"Cache-Control": "public, max-age=3600"}

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
    """A visit reason and the slugs of the specialties for it, the most usual first."""

    slug: str
    name: str
    specialties: list[str]


class VisitReasonList(Schema):
    items: list[VisitReasonResource]


@router.get("/specialties", summary="List specialties", tags=["specialties"], response_model=SpecialtyList)
async def specialties() -> Response:
    """Those that patients look for."""
    return json_response({"items": [_specialty(one) for one in all_specialties() if one.listed]}, headers=CACHED)


@router.get(
    "/specialties/{slug}",
    summary="Get a specialty",
    tags=["specialties"],
    response_model=SpecialtyResource,
    responses=problems(404, 422),
)
async def one_specialty(slug: str) -> Response:
    """By its slug; also those that the list leaves out."""
    found = specialty(slug)
    if found is None:
        raise _unknown("specialty", slug, [one.slug for one in all_specialties() if one.listed])
    return json_response(_specialty(found), headers=CACHED)


@router.get("/visit-reasons", summary="List visit reasons", tags=["visit-reasons"], response_model=VisitReasonList)
async def visit_reasons() -> Response:
    """All of them."""
    return json_response({"items": [_visit_reason(one) for one in all_visit_reasons()]}, headers=CACHED)


@router.get(
    "/visit-reasons/{slug}",
    summary="Get a visit reason",
    tags=["visit-reasons"],
    response_model=VisitReasonResource,
    responses=problems(404, 422),
)
async def one_visit_reason(slug: str) -> Response:
    """By its slug."""
    found = visit_reason(slug)
    if found is None:
        raise _unknown("visit reason", slug, [one.slug for one in all_visit_reasons()])
    return json_response(_visit_reason(found), headers=CACHED)


def _specialty(one: Specialty) -> dict[str, Any]:
    return {"slug": one.slug, "name": one.name, "synonyms": one.synonyms, "taxonomies": one.taxonomies}


def _visit_reason(one: VisitReason) -> dict[str, Any]:
    return {"slug": one.slug, "name": one.name, "specialties": one.specialties}


def _unknown(name: str, slug: str, slugs: list[str]) -> NotFound:
    return NotFound(f"There is no {name} {slug!r}. The nearest: {', '.join(closest(slug, slugs))}.")
