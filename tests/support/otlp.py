"""A receiver of OTLP over HTTP that stores spans, metrics and logs."""

import gzip
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

SPAN_LIMIT = 100_000
BODY_LIMIT = 20_000
SIGNALS = ("traces", "metrics", "logs")


@dataclass(frozen=True, slots=True)
class Span:
    """A received span. `linked_traces` are the trace ids of its links; attribute values are texts."""

    service: str
    name: str
    trace_id: str
    linked_traces: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]


class Receiver:
    """Stores the last spans in the order of arrival, and the last raw request bodies of each signal.

    A signal is `traces`, `metrics` or `logs`. Protobuf doesn't encode texts, so the bodies can be searched for them.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = threading.Lock()
        self._spans: list[Span] = []
        self._bodies: dict[str, deque[bytes]] = {name: deque(maxlen=BODY_LIMIT) for name in SIGNALS}

    def add(self, signal: str, body: bytes) -> None:
        with self._lock:
            self._bodies[signal].append(body)
        if signal == "traces":
            self._add_spans(body)

    def bodies(self, signal: str) -> bytes:
        """Return all stored request bodies of a signal, concatenated."""
        with self._lock:
            return b"\n".join(self._bodies[signal])

    def _add_spans(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        received = [
            Span(
                service=_service_name(resource.resource),
                name=span.name,
                trace_id=span.trace_id.hex(),
                linked_traces=tuple(link.trace_id.hex() for link in span.links),
                attributes=tuple((a.key, str(a.value)) for a in span.attributes),
            )
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        with self._lock:
            self._spans = (self._spans + received)[-SPAN_LIMIT:]

    def spans(self) -> list[Span]:
        with self._lock:
            return list(self._spans)

    def of_trace(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace and the spans that link to it."""
        return [span for span in self.spans() if span.trace_id == trace_id or trace_id in span.linked_traces]


def _service_name(resource: Resource) -> str:
    return next((a.value.string_value for a in resource.attributes if a.key == "service.name"), "")


@contextmanager
def otlp_receiver() -> Iterator[Receiver]:
    """Run a receiver on a free loopback port during the block; `url` is its address."""
    receiver: Receiver

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            signal = self.path.rpartition("/")[2]
            if signal in SIGNALS:
                receiver.add(signal, body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base class names it so
            """Suppress the server's own log lines."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
