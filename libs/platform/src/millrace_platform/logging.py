"""Logs: one JSON object a line (or one plain line for people), without personal data.

What a log call gives as `extra` becomes a member of its own. An exception is told by its type, its frames and, unless
its library is known to quote data in it, its message.
"""

import atexit
import contextlib
import logging
import sys
import threading
import time
import traceback
from collections import deque
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal, TextIO

import msgspec
from opentelemetry import trace

from millrace_feeds.clock import rfc3339
from millrace_platform.context import request_id

QUOTING_LIBRARIES = frozenset({"asyncpg", "sqlalchemy", "pydantic", "pydantic_core", "fastapi", "msgspec"})
"""Their messages repeat values of the row or the request at fault."""

DEPTH_LIMIT = 8
GROUP_LIMIT = 8

_STANDARD_COUNT = len(vars(logging.makeLogRecord({})))
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_json = msgspec.json.Encoder(enc_hook=str)


def configure_logging(*, service: str, level: str, format: Literal["json", "text"]) -> None:  # noqa: A002 # as named
    """Send all logs of the process to standard error. Call it once, at the start of a process."""
    handler = LineHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service) if format == "json" else PlainFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for chatty in ("botocore", "aiobotocore", "httpcore", "httpx", "urllib3", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))


class LineHandler(logging.Handler):
    """Writes lines from a thread of its own, many at a time: a slow reader of the stream never holds up the loop.

    Holds at most `capacity` lines; further ones are dropped, and a line says how many.
    """

    PAUSE_SECONDS = 0.05
    """Between two writes, so that busy times cost few of them."""

    def __init__(self, stream: TextIO, *, capacity: int = 10_000) -> None:
        super().__init__()
        self._stream = stream
        self._lines: deque[str] = deque()
        self._capacity = capacity
        self._dropped = 0
        self._pending = threading.Event()
        self._writing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._write_all_along, name="log-writer", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:
            self.handleError(record)
            return
        if len(self._lines) >= self._capacity:
            self._dropped += 1
            return
        self._lines.append(line)
        if not self._pending.is_set():
            self._pending.set()

    def flush(self) -> None:
        """Write all that is pending, in the calling thread."""
        with self._writing:
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                lines.append(self.format(_record_of_loss(dropped)))
            # Who no longer listens can't be told; the service goes on.
            with contextlib.suppress(OSError, ValueError):
                self._stream.write("".join(f"{line}\n" for line in lines))
                self._stream.flush()

    def close(self) -> None:
        self._closed = True
        self._pending.set()
        self.flush()
        super().close()

    def _write_all_along(self) -> None:
        while not self._closed:
            self._pending.wait()
            self._pending.clear()
            self.flush()
            time.sleep(self.PAUSE_SECONDS)


def _record_of_loss(dropped: int) -> logging.LogRecord:
    fields = {
        "name": "millrace.logging",
        "levelno": logging.WARNING,
        "levelname": "WARNING",
        "msg": "log lines dropped",
    }
    return logging.makeLogRecord({**fields, "dropped": dropped})


class JsonFormatter(logging.Formatter):
    """`time`, `level`, `service`, `logger`, `event`, then ids of the request and the trace, then what is extra."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        members: dict[str, Any] = {
            "time": rfc3339(record.created),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "event": record.getMessage(),
        }
        members |= identifiers()
        members |= extra_fields(record)
        if record.exc_info and record.exc_info[1] is not None:
            members["exception"] = describe_exception(record.exc_info[1])
        return _json.encode(members).decode()


class PlainFormatter(logging.Formatter):
    """`07:04:30.123 INFO  millrace.request request method=GET route=/v1/search …`, without colours."""

    def format(self, record: logging.LogRecord) -> str:
        time_of_day = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        fields = {**extra_fields(record), **identifiers()}
        pairs = "".join(f" {name}={value}" for name, value in fields.items())
        line = f"{time_of_day} {record.levelname:<5} {record.name} {record.getMessage()}{pairs}"
        if record.exc_info and record.exc_info[1] is not None:
            line += "\n" + describe_exception(record.exc_info[1])
        return line


def identifiers() -> dict[str, str]:
    """Ids of the request and of the span at hand, where there are any."""
    found: dict[str, str] = {}
    if (current := request_id.get()) is not None:
        found["request_id"] = current
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        found["trace_id"] = format(span.trace_id, "032x")
        found["span_id"] = format(span.span_id, "016x")
    return found


def extra_fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the log call gave as `extra`."""
    # They come behind the standard ones, which need not be looked at each time.
    added = islice(vars(record).items(), _STANDARD_COUNT, None)
    return {name: value for name, value in added if name not in _STANDARD}


def describe_exception(error: BaseException, depth: int = 0) -> str:
    """The traceback with its causes and groups; messages that may quote data are left out."""
    parts: list[str] = []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and depth < DEPTH_LIMIT:
        parts += [describe_exception(cause, depth + 1), "led to"]
    parts.append("".join(traceback.format_tb(error.__traceback__)) + _title(error))
    if isinstance(error, BaseExceptionGroup) and depth < DEPTH_LIMIT:
        parts += [describe_exception(each, depth + 1) for each in error.exceptions[:GROUP_LIMIT]]
    return "\n".join(parts)


def _title(error: BaseException) -> str:
    kind = type(error)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    sqlstate = getattr(error, "sqlstate", None) or getattr(getattr(error, "orig", None), "sqlstate", None)
    if sqlstate:
        name += f" [{sqlstate}]"
    if any(ancestor.__module__.partition(".")[0] in QUOTING_LIBRARIES for ancestor in kind.__mro__):
        return name
    return f"{name}: {error}"
