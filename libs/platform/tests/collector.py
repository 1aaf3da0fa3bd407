"""An OTLP/HTTP collector that stores received requests."""

import gzip
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """Received request bodies by path."""

    def __init__(self) -> None:
        self.address = ""
        self.bodies: dict[str, list[bytes]] = {"/v1/traces": [], "/v1/metrics": [], "/v1/logs": []}

    def spans(self) -> list[Span]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies["/v1/traces"]]
        return [s for r in requests for group in r.resource_spans for scope in group.scope_spans for s in scope.spans]

    def metrics(self) -> list[Metric]:
        requests = [ExportMetricsServiceRequest.FromString(body) for body in self.bodies["/v1/metrics"]]
        return [
            m for r in requests for group in r.resource_metrics for scope in group.scope_metrics for m in scope.metrics
        ]

    def logs(self) -> list[LogRecord]:
        requests = [ExportLogsServiceRequest.FromString(body) for body in self.bodies["/v1/logs"]]
        return [
            entry
            for r in requests
            for group in r.resource_logs
            for scope in group.scope_logs
            for entry in scope.log_records
        ]

    def resource(self) -> Resource:
        first = ExportTraceServiceRequest.FromString(self.bodies["/v1/traces"][0])
        resource: Resource = first.resource_spans[0].resource
        return resource

    def all_bytes(self) -> bytes:
        return b"".join(body for bodies in self.bodies.values() for body in bodies)


def values(attributes: Iterable[KeyValue]) -> dict[str, str | int]:
    """Return attributes as a dictionary."""
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in attributes}


@contextmanager
def run_collector() -> Iterator[Collector]:
    """Run a collector on a free local port and yield it."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            collector.bodies[self.path].append(body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Suppress the server's access log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
