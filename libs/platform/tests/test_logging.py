"""Log lines have the promised fields and no personal data."""

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
from millrace_platform.logging import LineHandler, describe_exception, json_formatter, text_formatter

SECRET = "jane.doe@example.org"


def record(event: str = "batch written", **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("sample", logging.WARNING, "", 0, event, None, None)
    made.__dict__.update(created=1_795_000_000.5, **fields)
    return made


def raised(action: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:  # any exception type
        action()
    return caught.value


def test_json_line_has_the_fields_of_record_request_and_extra() -> None:
    token = request_id.set("r-1")
    try:
        line = json_formatter("directory").format(record(rows=3, table="provider"))
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


def test_json_line_contains_no_line_break() -> None:
    line = json_formatter("directory").format(record("two\nlines", odd=object()))
    assert "\n" not in line
    assert json.loads(line)["odd"].startswith("<object")


def test_text_line_has_the_same_fields() -> None:
    line = text_formatter().format(record(rows=3))
    assert all(part in line for part in ("2026-11-18T11:06:40.500Z", "warning", "batch written", "sample", "rows=3"))


def test_exception_is_described_with_frames_message_and_cause() -> None:
    def fails() -> None:
        try:
            raise KeyError("a")
        except KeyError as error:
            raise RuntimeError("no such shard") from error

    text = describe_exception(raised(fails))
    assert text.index("KeyError: 'a'") < text.index("led to") < text.index("RuntimeError: no such shard")
    assert "in fails" in text


def test_exception_group_is_described_with_its_parts() -> None:
    text = describe_exception(ExceptionGroup("both", [ValueError("first"), ValueError("second")]))
    assert "ValueError: first" in text
    assert "ValueError: second" in text


def test_exception_messages_that_quote_data_are_left_out() -> None:
    class Person(BaseModel):
        age: int

    class UniqueViolationError(Exception):
        sqlstate = "23505"

    for error in (
        raised(lambda: Person.model_validate({"age": SECRET})),
        IntegrityError("INSERT INTO person VALUES ($1)", {"email": SECRET}, UniqueViolationError(SECRET)),
    ):
        assert SECRET not in describe_exception(error)
        for formatter in (json_formatter("directory"), text_formatter()):
            assert SECRET not in formatter.format(record(exc_info=(type(error), error, error.__traceback__)))
    assert "IntegrityError [23505]" in describe_exception(error)


class BlockingStream(io.StringIO):
    """A stream that blocks each write until `release` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.blocked = threading.Event()
        self.release = threading.Event()

    def write(self, text: str) -> int:
        self.blocked.set()
        self.release.wait(10)
        return super().write(text)


def test_slow_reader_does_not_block_and_dropped_lines_are_counted() -> None:
    stream = BlockingStream()
    handler = LineHandler(stream, capacity=2)
    handler.setFormatter(text_formatter())
    handler.emit(record("first"))
    assert stream.blocked.wait(10)
    for event in ("second", "third", "lost", "lost"):
        handler.emit(record(event))
    stream.release.set()
    handler.close()
    lines = stream.getvalue().splitlines()
    for line, event in zip(lines, ["first", "second", "third", "log lines dropped"], strict=True):
        assert event in line
    assert lines[3].endswith("dropped=2")


def test_close_writes_all_buffered_lines() -> None:
    stream = io.StringIO()
    handler = LineHandler(stream)
    handler.setFormatter(text_formatter())
    for number in range(100):
        handler.emit(record(str(number)))
    handler.close()
    assert len(stream.getvalue().splitlines()) == 100


def test_closed_stream_is_ignored() -> None:
    stream = io.StringIO()
    handler = LineHandler(stream)
    stream.close()
    handler.emit(record())
    handler.close()
