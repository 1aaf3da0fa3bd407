"""Log lines: one JSON object each, with what is asked for and without personal data."""

import io
import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError

from millrace_platform.context import request_id
from millrace_platform.logging import JsonFormatter, LineHandler, PlainFormatter, describe_exception

SECRET = "jane.doe@example.org"


def record(event: str = "batch written", **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("sample", logging.WARNING, "", 0, event, None, None)
    made.__dict__.update(created=1_795_000_000.5, **fields)
    return made


def raised(action: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:  # whatever it is
        action()
    return caught.value


def test_members_of_a_line() -> None:
    token = request_id.set("r-1")
    try:
        line = JsonFormatter("directory").format(record(rows=3, table="provider"))
    finally:
        request_id.reset(token)
    assert json.loads(line) == {
        "time": "2026-11-18T11:06:40.500Z",
        "level": "warning",
        "service": "directory",
        "logger": "sample",
        "event": "batch written",
        "request_id": "r-1",
        "rows": 3,
        "table": "provider",
    }


def test_a_line_is_a_line_whatever_is_in_it() -> None:
    line = JsonFormatter("directory").format(record("two\nlines", odd=object()))
    assert "\n" not in line
    assert json.loads(line)["odd"].startswith("<object")


def test_a_line_for_people() -> None:
    assert PlainFormatter().format(record(rows=3)) == "11:06:40.500 WARNING sample batch written rows=3"


def test_an_exception_has_its_frames_message_and_cause() -> None:
    def fails() -> None:
        try:
            raise KeyError("a")
        except KeyError as error:
            raise RuntimeError("no such shard") from error

    told = describe_exception(raised(fails))
    assert told.index("KeyError: 'a'") < told.index("led to") < told.index("RuntimeError: no such shard")
    assert "in fails" in told


def test_an_exception_group_has_its_parts() -> None:
    told = describe_exception(ExceptionGroup("both", [ValueError("first"), ValueError("second")]))
    assert "ValueError: first" in told
    assert "ValueError: second" in told


def test_messages_that_quote_data_are_left_out() -> None:
    class Person(BaseModel):
        age: int

    class UniqueViolationError(Exception):
        sqlstate = "23505"

    for error in (
        raised(lambda: Person.model_validate({"age": SECRET})),
        IntegrityError("INSERT INTO person VALUES ($1)", {"email": SECRET}, UniqueViolationError(SECRET)),
    ):
        assert SECRET not in describe_exception(error)
    assert "IntegrityError [23505]" in describe_exception(error)


class Blocked(io.StringIO):
    """A stream whose reader doesn't read until `release` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.blocked = threading.Event()
        self.release = threading.Event()

    def write(self, text: str) -> int:
        self.blocked.set()
        self.release.wait(10)
        return super().write(text)


def test_a_slow_reader_holds_up_nobody_and_learns_what_it_missed() -> None:
    stream = Blocked()
    handler = LineHandler(stream, capacity=2)
    handler.setFormatter(PlainFormatter())
    handler.emit(record("first"))
    assert stream.blocked.wait(10)
    for event in ("second", "third", "lost", "lost"):
        handler.emit(record(event))
    stream.release.set()
    handler.close()
    lines = [line.split(" sample ")[-1] for line in stream.getvalue().splitlines()]
    assert lines[:3] == ["first", "second", "third"]
    assert lines[3].endswith("log lines dropped dropped=2")


def test_all_is_written_at_the_end() -> None:
    stream = io.StringIO()
    handler = LineHandler(stream)
    handler.setFormatter(PlainFormatter())
    for number in range(100):
        handler.emit(record(str(number)))
    handler.close()
    assert len(stream.getvalue().splitlines()) == 100


def test_a_stream_that_is_closed_does_no_harm() -> None:
    stream = io.StringIO()
    handler = LineHandler(stream)
    stream.close()
    handler.emit(record())
    handler.close()
