"""Traces, metrics and logs of a service process, exported over OTLP/HTTP to a test collector."""

import signal

import pytest

from millrace_platform.context import is_probe

from .certificates import VALIDITY, tls_variables
from .collector import Collector, run_collector, values
from .processes import run_service
from .sample_service import SECRET

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
TRACEPARENT = f"traceparent: 00-{TRACE}-{CALLER}-01\r\n"


async def export_telemetry_of(*targets: tuple[str, str], headers: str = TRACEPARENT, **variables: str) -> Collector:
    """Send these requests (method, target) to a service, stop it and return the collector of its telemetry.

    `variables` are further ones of the service's environment.
    """
    with run_collector() as collector:
        async with run_service(OTEL_EXPORTER_OTLP_ENDPOINT=collector.address, **variables) as service:
            for method, target in targets:
                await service.request(method, target, headers)
            service.process.send_signal(signal.SIGTERM)
            assert await service.exit_status() == 0
        return collector


async def test_request_creates_a_span_in_the_callers_trace() -> None:
    collector = await export_telemetry_of(("GET", "/v1/items/jane.doe?limit=7"))
    (span,) = collector.spans()
    assert span.name == "GET /v1/items/{key}"
    assert span.trace_id.hex() == TRACE
    assert span.parent_span_id.hex() == CALLER
    assert values(span.attributes) == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "http.route": "/v1/items/{key}",
        "http.response.status_code": 200,
    }
    assert values(collector.resource().attributes)["service.name"] == "sample"


async def test_failed_request_is_traced_and_probes_are_not() -> None:
    collector = await export_telemetry_of(("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/v1/error"))
    (span,) = collector.spans()
    assert values(span.attributes)["error.type"] == "500"
    assert span.status.code == span.status.STATUS_CODE_ERROR


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/internal/projector/status"])
def test_health_and_status_paths_are_probes(path: str) -> None:
    assert is_probe(path)


@pytest.mark.parametrize("path", ["/v1/search", "/internal/directory/replay", "/v1/status", "/internal/x/status/y"])
def test_other_paths_are_not_probes(path: str) -> None:
    assert not is_probe(path)


async def test_requests_are_counted_by_route() -> None:
    collector = await export_telemetry_of(("GET", "/v1/items/1"), ("GET", "/v1/items/2"), ("HEAD", "/v1/items/3"))
    (duration,) = [metric for metric in collector.metrics() if metric.name == "http.server.request.duration"]
    counts = {
        (values(point.attributes)["http.request.method"], values(point.attributes)["http.route"]): point.count
        for point in duration.histogram.data_points
    }
    assert duration.unit == "s"
    assert counts == {("GET", "/v1/items/{key}"): 2, ("HEAD", "/v1/items/{key}"): 1}


async def test_days_until_the_certificate_expires_are_a_metric() -> None:
    collector = await export_telemetry_of(("GET", "/v1/items/1"), **tls_variables())
    (remaining,) = [metric for metric in collector.metrics() if metric.name == "millrace.tls.certificate.remaining"]
    assert remaining.unit == "d"
    assert remaining.gauge.data_points[0].as_double == pytest.approx(VALIDITY.days, abs=0.1)


async def test_long_requests_have_a_metric_of_their_own_unless_they_fail() -> None:
    collector = await export_telemetry_of(*(("GET", f"/v1/{each}") for each in ("poll", "stream", "poll-down")))
    measured = {metric.name: metric.histogram.data_points for metric in collector.metrics()}
    long = {
        values(point.attributes)["http.route"]: values(point.attributes)["millrace.request.kind"]
        for point in measured["millrace.http.long.duration"]
    }
    ordinary = [values(point.attributes)["http.route"] for point in measured["http.server.request.duration"]]
    assert long == {"/v1/poll": "poll", "/v1/stream": "stream"}
    assert ordinary == ["/v1/poll-down"]


async def test_log_lines_have_the_trace_id() -> None:
    collector = await export_telemetry_of(("POST", "/v1/log"))
    (line,) = [entry for entry in collector.logs() if entry.body.string_value == "something happened"]
    assert line.trace_id.hex() == TRACE
    assert line.severity_text == "WARNING"
    assert values(line.attributes)["items"] == 3
    assert values(line.attributes)["request_id"]


async def test_paths_queries_and_headers_are_not_exported() -> None:
    secrets = "authorization: Bearer hunter2\r\ncookie: session=hunter2\r\n" + TRACEPARENT
    collector = await export_telemetry_of(("GET", f"/v1/items/{SECRET}?name={SECRET}"), headers=secrets)
    assert collector.spans()
    sent = collector.all_bytes()
    assert SECRET.encode() not in sent
    assert b"hunter2" not in sent


async def test_service_runs_without_its_collector() -> None:
    with run_collector() as collector:
        address = collector.address
    async with run_service(OTEL_EXPORTER_OTLP_ENDPOINT=address) as service:
        status, _ = await service.request("GET", "/v1/items/1")
        service.process.send_signal(signal.SIGTERM)
        assert status == 200
        assert await service.exit_status() == 0
