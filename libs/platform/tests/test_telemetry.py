"""What a service exports over OTLP/HTTP, to a real receiver."""

import signal

from .collector import Collector, collecting, values
from .processes import serving
from .sample_service import SECRET

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
TRACEPARENT = f"traceparent: 00-{TRACE}-{CALLER}-01\r\n"


async def exported_by(*targets: tuple[str, str], headers: str = TRACEPARENT) -> Collector:
    """What a service exports that was asked for these (method, target), by the time it has stopped."""
    with collecting() as collector:
        async with serving(OTEL_EXPORTER_OTLP_ENDPOINT=collector.address) as service:
            for method, target in targets:
                await service.ask(method, target, headers)
            service.process.send_signal(signal.SIGTERM)
            assert await service.exit_status() == 0
        return collector


async def test_a_request_is_a_span_in_the_callers_trace() -> None:
    collector = await exported_by(("GET", "/v1/items/jane.doe?name=jane"))
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


async def test_a_failure_is_told_and_probes_are_not() -> None:
    collector = await exported_by(("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/v1/boom"))
    (span,) = collector.spans()
    assert values(span.attributes)["error.type"] == "500"
    assert span.status.code == span.status.STATUS_CODE_ERROR


async def test_requests_are_counted_by_route() -> None:
    collector = await exported_by(("GET", "/v1/items/1"), ("GET", "/v1/items/2"), ("HEAD", "/v1/items/3"))
    (duration,) = [metric for metric in collector.metrics() if metric.name == "http.server.request.duration"]
    counts = {
        (values(point.attributes)["http.request.method"], values(point.attributes)["http.route"]): point.count
        for point in duration.histogram.data_points
    }
    assert duration.unit == "s"
    assert counts == {("GET", "/v1/items/{key}"): 2, ("HEAD", "/v1/items/{key}"): 1}


async def test_log_lines_carry_their_trace() -> None:
    collector = await exported_by(("POST", "/v1/log"))
    (line,) = [entry for entry in collector.logs() if entry.body.string_value == "something happened"]
    assert line.trace_id.hex() == TRACE
    assert line.severity_text == "WARNING"
    assert values(line.attributes)["items"] == 3
    assert values(line.attributes)["request_id"]


async def test_paths_queries_and_headers_are_not_exported() -> None:
    secrets = "authorization: Bearer hunter2\r\ncookie: session=hunter2\r\n" + TRACEPARENT
    collector = await exported_by(("GET", f"/v1/items/{SECRET}?name={SECRET}"), headers=secrets)
    assert collector.spans()
    sent = collector.everything()
    assert SECRET.encode() not in sent
    assert b"hunter2" not in sent


async def test_a_collector_that_is_gone_stops_nothing() -> None:
    with collecting() as collector:
        address = collector.address
    async with serving(OTEL_EXPORTER_OTLP_ENDPOINT=address) as service:
        status, _ = await service.ask("GET", "/v1/items/1")
        service.process.send_signal(signal.SIGTERM)
        assert status == 200
        assert await service.exit_status() == 0
