"""Versions as strong entity tags, and what a client demands of them (RFC 9110, sections 8.8.3 and 13.1)."""

import re
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Header

from millrace_platform.errors import FieldError, PreconditionFailed, PreconditionRequired, Unprocessable

_TAG = re.compile(r'[ \t]*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|$)')
_ANY = "*"


def etag(version: int) -> str:
    """The strong entity tag of a version, e.g. `"7"`."""
    return f'"{version}"'


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags a client named; `tags` None stands for `*`: any version of a resource that is there."""

    tags: frozenset[str] | None
    weak: frozenset[str] = frozenset()

    def match_strongly(self, version: int) -> bool:
        """For If-Match: weak tags match nothing."""
        return self.tags is None or str(version) in self.tags

    def match_weakly(self, version: int) -> bool:
        """For If-None-Match: a proxy that compressed the body may have made the tag weak."""
        return self.match_strongly(version) or str(version) in self.weak

    def require(self, version: int) -> None:
        """Raises a 412 problem unless the version is one that the client accepts."""
        if not self.match_strongly(version):
            raise PreconditionFailed("The resource changed. Read it again, and send its new ETag as If-Match.")


def parse_tags(text: str) -> Tags:
    """Raises `ValueError` where the text is neither `*` nor a list of entity tags."""
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


# Coroutines, as FastAPI runs plain functions in threads.
async def _optional_if_match(
    if_match: Annotated[str | None, Header(description="ETag of the version to change.")] = None,
) -> Tags | None:
    if if_match is None:
        return None
    try:
        return parse_tags(if_match)
    except ValueError as error:
        wrong = FieldError(
            field="If-Match", detail="Not a list of entity tags.", remedy='Send the ETag as it came, e.g. "7".'
        )
        raise Unprocessable(errors=[wrong]) from error


async def _if_match(match: Annotated[Tags | None, Depends(_optional_if_match)]) -> Tags:
    if match is None:
        raise PreconditionRequired("Read the resource and send its ETag as If-Match.")
    return match


async def _if_none_match(
    if_none_match: Annotated[str | None, Header(description="ETag already known.")] = None,
) -> Tags:
    """What can't be read matches nothing: the client gets the whole resource."""
    try:
        return parse_tags(if_none_match or "")
    except ValueError:
        return Tags(frozenset())


IfMatch: TypeAlias = Annotated[Tags, Depends(_if_match)]
"""An endpoint's parameter: 428 where the header is absent, 422 where it can't be read."""
OptionalIfMatch: TypeAlias = Annotated[Tags | None, Depends(_optional_if_match)]
"""An endpoint's parameter: None where the header is absent, 422 where it can't be read."""
IfNoneMatch: TypeAlias = Annotated[Tags, Depends(_if_none_match)]
"""An endpoint's parameter; answer 304 where it matches the version weakly."""
