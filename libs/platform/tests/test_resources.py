"""What bodies take and refuse, and the answers made of them."""

from typing import ClassVar

import pytest
from pydantic import ValidationError

from millrace_platform.openapi import PROBLEMS, problems
from millrace_platform.resources import Body, PageOf, Text
from millrace_platform.responses import NO_STORE, json_response, tagged


class Note(Body):
    text: Text

    read_only: ClassVar[frozenset[str]] = frozenset({"id", "version"})


def test_what_a_resource_shows_may_be_sent_back() -> None:
    shown = {"id": "n", "version": 3, "text": " Bring the card. "}
    assert Note.model_validate(shown).model_dump() == {"text": "Bring the card."}
    assert shown["version"] == 3


def test_unknown_fields_are_refused_and_what_was_sent_stands_in_no_error() -> None:
    with pytest.raises(ValidationError) as refused:
        Note.model_validate({"text": "secret\x00", "colour": "secret"})
    assert {error["loc"] for error in refused.value.errors()} == {("text",), ("colour",)}
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("body", [[], "text", None])
def test_what_is_no_object_is_refused(body: object) -> None:
    with pytest.raises(ValidationError):
        Note.model_validate(body)


@pytest.mark.parametrize("text", ["", "  ", "x" * 201, "a\nb", "a\x7fb"])
def test_texts_are_a_line_that_is_there(text: str) -> None:
    with pytest.raises(ValidationError):
        Note(text=text)


def test_pages_say_that_they_are_the_last() -> None:
    with pytest.raises(ValidationError):
        PageOf[Note].model_validate({"items": []})
    assert PageOf[Note](items=[], next=None).model_dump() == {"items": [], "next": None}


def test_answers_are_kept_by_no_cache_unless_they_say_so() -> None:
    assert json_response({"a": 1}).headers["Cache-Control"] == "no-store"
    public = json_response({"a": 1}, status=201, headers={"Cache-Control": "public"})
    assert (public.status_code, public.body, public.headers["Cache-Control"]) == (201, b'{"a":1}', "public")
    assert tagged(7) == {**NO_STORE, "ETag": '"7"'}


def test_problems_are_described_by_their_status() -> None:
    described = problems(404, 422)
    assert {status: each["description"] for status, each in described.items()} == {
        404: PROBLEMS[404],
        422: PROBLEMS[422],
    }
