"""Convert versions to strong entity tags and check preconditions (RFC 9110, sections 8.8.3 and 13.1)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Annotated, Final, TypeAlias

from fastapi import Depends, Header

from millrace_platform.errors import FieldError, PreconditionFailed, PreconditionRequired, Unprocessable

_TAG = re.compile(r'[ \t]*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|$)')
_ANY = "*"


def etag(version: int | str) -> str:
    """Return the strong entity tag of a version, e.g. `"7"`, or of a digest of the content."""
    return f'"{version}"'


@dataclass(frozen=True, slots=True)
class Tags:
    """The entity tags of an If-Match or If-None-Match header; `tags` is None for `*`, which matches any version."""

    tags: frozenset[str] | None
    weak: frozenset[str] = frozenset()

    def match_strongly(self, version: int | str) -> bool:
        """Return whether a strong tag, or `*`, matches the version, as If-Match requires; weak tags match nothing."""
        return self.tags is None or str(version) in self.tags

    def match_weakly(self, version: int | str) -> bool:
        """Return whether a tag, strong or weak, or `*` matches; proxies that compress a body may make its tag weak."""
        return self.match_strongly(version) or str(version) in self.weak

    def require(self, version: int) -> None:
        """Raise problem 412 unless the version matches strongly."""
        if not self.match_strongly(version):
            raise PreconditionFailed("The resource has changed. Read it again and send its new ETag as If-Match.")


NO_TAGS: Final = Tags(frozenset())


def parse_tags(text: str) -> Tags:
    """Parse an If-Match or If-None-Match header; raise `ValueError` unless it is `*` or a list of entity tags."""
    if text.strip() == _ANY:
        return Tags(None)
    found: dict[bool, set[str]] = {True: set(), False: set()}
    position = 0
    while position < len(text):
        tag = _TAG.match(text, position)
        if tag is None:
            raise ValueError("not a list of entity tags")
        found[tag[1] is None].add(tag[2])
        position = tag.end()
    return Tags(frozenset(found[True]), frozenset(found[False]))


# Coroutines, because FastAPI runs plain functions in threads.
async def _optional_if_match(
    if_match: Annotated[str | None, Header(description="ETag of the version to change.")] = None,
) -> Tags | None:
    if if_match is None:
        return None
    try:
        return parse_tags(if_match)
    except ValueError as error:
        wrong = FieldError(
            field="If-Match", detail="Not a list of entity tags.", remedy='Send the ETag unchanged, e.g. "7".'
        )
        raise Unprocessable(errors=[wrong]) from error


async def _if_match(match: Annotated[Tags | None, Depends(_optional_if_match)]) -> Tags:
    if match is None:
        raise PreconditionRequired("Read the resource and send its ETag as If-Match.")
    return match


def is_known(known: Tags, known_since: datetime | None, version: int | str, modified_at: datetime) -> bool:
    """Return whether the client has this version; If-Modified-Since counts only without an If-None-Match."""
    if known != NO_TAGS:
        return known.match_weakly(version)
    return known_since is not None and modified_at.replace(microsecond=0) <= known_since


async def _if_modified_since(
    if_modified_since: Annotated[
        str | None, Header(description="Last-Modified of the version that the client has.")
    ] = None,
) -> datetime | None:
    """Parse If-Modified-Since; treat an invalid date as a missing one (RFC 9110, section 13.1.3)."""
    try:
        moment = parsedate_to_datetime(if_modified_since or "")
    except (ValueError, OverflowError):  # OverflowError: a number of the date has 20 digits
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def last_modified(moment: datetime) -> str:
    """Return the value of Last-Modified, which has whole seconds."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)


async def _if_none_match(
    if_none_match: Annotated[str | None, Header(description="ETag of the version that the client has.")] = None,
) -> Tags:
    """Parse If-None-Match; treat an invalid header as one without tags, so that the client gets the resource."""
    try:
        return parse_tags(if_none_match or "")
    except ValueError:
        return NO_TAGS


IfMatch: TypeAlias = Annotated[Tags, Depends(_if_match)]
"""Endpoint parameter with the tags of If-Match; 428 if the header is missing, 422 if it is invalid."""
OptionalIfMatch: TypeAlias = Annotated[Tags | None, Depends(_optional_if_match)]
"""Endpoint parameter with the tags of If-Match, None if the header is missing; 422 if it is invalid."""
IfNoneMatch: TypeAlias = Annotated[Tags, Depends(_if_none_match)]
"""Endpoint parameter with the tags of If-None-Match; the endpoint responds 304 if one matches weakly."""
IfModifiedSince: TypeAlias = Annotated[datetime | None, Depends(_if_modified_since)]
"""Endpoint parameter with If-Modified-Since; ignore it if the request has an If-None-Match."""
