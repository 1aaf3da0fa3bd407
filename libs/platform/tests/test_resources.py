"""Base classes of resources, responses and their headers."""

from typing import ClassVar

import pytest
from pydantic import ValidationError

from millrace_platform.openapi import PROBLEMS, problems
from millrace_platform.resources import Body, PageOf, Text
from millrace_platform.responses import NO_STORE, etag_headers, json_response


class Note(Body):
    text: Text

    read_only: ClassVar[frozenset[str]] = frozenset({"id", "version"})


def test_read_only_fields_are_ignored() -> None:
    resource = {"id": "n", "version": 3, "text": " Bring the card. "}
    assert Note.model_validate(resource).model_dump() == {"text": "Bring the card."}
    assert resource["version"] == 3


def test_invalid_body_is_rejected_without_its_values() -> None:
    with pytest.raises(ValidationError) as caught:
        Note.model_validate({"text": "secret\x00", "colour": "secret"})
    assert {error["loc"] for error in caught.value.errors()} == {("text",), ("colour",)}
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("body", [[], "text", None])
def test_body_must_be_an_object(body: object) -> None:
    with pytest.raises(ValidationError):
        Note.model_validate(body)


@pytest.mark.parametrize("text", ["", "  ", "x" * 201, "a\nb", "a\x7fb"])
def test_text_is_one_nonempty_line(text: str) -> None:
    with pytest.raises(ValidationError):
        Note(text=text)


def test_page_requires_next() -> None:
    with pytest.raises(ValidationError):
        PageOf[Note].model_validate({"items": []})
    assert PageOf[Note](items=[], next=None).model_dump() == {"items": [], "next": None}


def test_responses_are_not_cached_by_default() -> None:
    assert json_response({"a": 1}).headers["Cache-Control"] == "no-store"
    public = json_response({"a": 1}, status=201, headers={"Cache-Control": "public"})
    assert (public.status_code, public.body, public.headers["Cache-Control"]) == (201, b'{"a":1}', "public")
    assert etag_headers(7) == {**NO_STORE, "ETag": '"7"'}


def test_openapi_problems_have_descriptions() -> None:
    described = problems(404, 422)
    assert {status: each["description"] for status, each in described.items()} == {
        404: PROBLEMS[404],
        422: PROBLEMS[422],
    }
