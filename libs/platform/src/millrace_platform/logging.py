"""Write logs as one JSON object per line (or one line of text in development), without personal data.

Each field of a log call's `extra` becomes a member. An exception is described by its type, its frames and its message;
the message is left out if its library is known to quote data in it.
"""

import atexit
import contextlib
import logging
import sys
import threading
import time
import traceback
from collections import deque
from typing import Any, Literal, TextIO

import msgspec
from opentelemetry import trace
from structlog.dev import ConsoleRenderer
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict, Processor

from millrace_feeds.clock import rfc3339
from millrace_platform.context import request_id

QUOTING_LIBRARIES = frozenset({"asyncpg", "sqlalchemy", "pydantic", "pydantic_core", "fastapi", "msgspec"})
"""Libraries whose messages repeat values of the failing row or request."""

DEPTH_LIMIT = 8
GROUP_LIMIT = 8

_json = msgspec.json.Encoder(enc_hook=str)


def configure_logging(*, service: str, level: str, format: Literal["json", "text"]) -> None:  # noqa: A002 # as named
    """Send all logs of the process, at least of severity `level`, to standard error. Call it once, at its start."""
    handler = LineHandler(sys.stderr)
    handler.setFormatter(json_formatter(service) if format == "json" else text_formatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for chatty in ("botocore", "aiobotocore", "httpcore", "httpx", "urllib3", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))


class LineHandler(logging.Handler):
    """Writes lines in batches from its own thread, so that a slow reader of the stream never blocks the event loop.

    Buffers at most `capacity` lines; drops further ones and logs how many it dropped.
    """

    PAUSE_SECONDS = 0.05
    """Pause between two writes, so that many lines share one."""

    def __init__(self, stream: TextIO, *, capacity: int = 10_000) -> None:
        super().__init__()
        self._stream = stream
        self._lines: deque[str] = deque()
        self._capacity = capacity
        self._dropped = 0
        self._pending = threading.Event()
        self._writing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._write_until_closed, name="log-writer", daemon=True)
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
        """Write all buffered lines in the calling thread."""
        with self._writing:
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                lines.append(self.format(_dropped_lines_record(dropped)))
            # A closed stream must not stop the service.
            with contextlib.suppress(OSError, ValueError):
                self._stream.write("".join(f"{line}\n" for line in lines))
                self._stream.flush()

    def close(self) -> None:
        self._closed = True
        self._pending.set()
        self.flush()
        super().close()

    def _write_until_closed(self) -> None:
        while not self._closed:
            self._pending.wait()
            self._pending.clear()
            self.flush()
            time.sleep(self.PAUSE_SECONDS)


def _dropped_lines_record(dropped: int) -> logging.LogRecord:
    record = logging.LogRecord("millrace.logging", logging.WARNING, "", 0, "log lines dropped", None, None)
    record.__dict__["dropped"] = dropped
    return record


def json_formatter(service: str) -> logging.Formatter:
    """Return a formatter that writes a record as one line with a JSON object, which contains the service's name."""

    def render(_logger: Any, _method: str, event: EventDict) -> str:
        return _json.encode({"service": service, **event}).decode()

    return _formatter(render)


def text_formatter() -> logging.Formatter:
    """Return a formatter that writes a record as text without colors, for development."""
    return _formatter(ConsoleRenderer(colors=False, timestamp_key="time"))


def _formatter(renderer: Processor) -> logging.Formatter:
    return ProcessorFormatter(
        foreign_pre_chain=[
            _add_time,
            add_log_level,
            add_logger_name,
            _add_identifiers,
            ExtraAdder(),
            _describe_exception,
        ],
        processors=[ProcessorFormatter.remove_processors_meta, renderer],
    )


def _add_time(_logger: Any, _method: str, event: EventDict) -> EventDict:
    event["time"] = rfc3339(event["_record"].created)
    return event


def _add_identifiers(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Add `request_id`, `trace_id` and `span_id` of the current request and span, if there are any."""
    if (current := request_id.get()) is not None:
        event["request_id"] = current
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = format(span.trace_id, "032x")
        event["span_id"] = format(span.span_id, "016x")
    return event


def _describe_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:
    error = event.pop("exc_info", None)
    if error and error[1] is not None:
        event["exception"] = describe_exception(error[1])
    return event


def extra_fields(record: logging.LogRecord) -> EventDict:
    """Return the fields that the log call passed as `extra`."""
    fields = ExtraAdder()(logging.getLogger(), "", {"_record": record})
    return {name: value for name, value in fields.items() if name != "_record"}


def describe_exception(error: BaseException, depth: int = 0) -> str:
    """Return an exception's traceback, after those of its causes and before those of the exceptions in its group.

    Leave out messages that may quote personal data.
    """
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
