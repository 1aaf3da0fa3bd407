"""Traces and metrics of the feeds."""

import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from millrace_contracts.envelope import encode
from millrace_feeds import tracing
from millrace_feeds.publish_queue import QueuedRecord
from millrace_feeds.status import Freshness, Rate, commit_time, seconds_since_commit
from millrace_feeds.tracing import (
    MAX_LINKS,
    current_traceparent,
    find_traceparent,
    handle_span,
    parse_traceparent,
    publish_span,
)
from millrace_feeds.transport import Record

from .conftest import envelope


def traceparent(number: int, flags: str = "01") -> str:
    return f"00-{number:032x}-{number:016x}-{flags}"


def encoded_envelope(**changes: object) -> bytes:
    base = envelope("practice/1", 1, b'{"time":"noon","replay":true}')
    return encode(msgspec.structs.replace(base, **{"time": "2026-01-01T00:00:10.5Z", **changes}))


def record(body: bytes) -> Record:
    return Record("changes", "shardId-000000000000", "1", "practice/1", body, 0.0)


def traced(number: int, flags: str = "01") -> Record:
    return record(encoded_envelope(traceparent=traceparent(number, flags)))


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    return exporter


def test_batch_span_links_to_traces_of_its_records(spans: InMemorySpanExporter) -> None:
    with handle_span("refinery", [traced(1), traced(2), traced(1), traced(3, "00"), record(b"no envelope")]):
        pass
    (span,) = spans.get_finished_spans()
    assert [link.context.trace_id for link in span.links] == [1, 2]
    assert span.name == "refinery handle changes"
    assert span.kind is trace.SpanKind.CONSUMER
    assert span.parent is None


def test_batch_of_one_trace_continues_it(spans: InMemorySpanExporter) -> None:
    with handle_span("refinery", [traced(7), traced(7)]):
        downstream = parse_traceparent(current_traceparent() or "")
    (span,) = spans.get_finished_spans()
    assert span.context is not None
    assert span.context.trace_id == 7
    assert downstream is not None
    assert downstream.span_id == span.context.span_id


def test_put_span_links_to_traces_of_its_records(spans: InMemorySpanExporter) -> None:
    with publish_span("changes", [QueuedRecord(n, "key", b"", traceparent(n)) for n in range(1, 500)]):
        pass
    (span,) = spans.get_finished_spans()
    assert len(span.links) == MAX_LINKS
    assert span.kind is trace.SpanKind.PRODUCER


def test_no_span_without_sdk() -> None:
    with handle_span("refinery", [traced(1)]) as span:
        assert not span.is_recording()
        assert current_traceparent() is None


def test_find_traceparent_in_encoded_envelope() -> None:
    assert find_traceparent(encoded_envelope(traceparent=traceparent(5))) == traceparent(5)
    assert find_traceparent(encoded_envelope()) is None
    assert parse_traceparent("nonsense") is None


def test_commit_time_is_read_from_envelope_not_data() -> None:
    assert commit_time(encoded_envelope()) == 1767225610.5
    assert commit_time(b'{"no": "envelope"}') is None
    assert commit_time(encoded_envelope(time="yesterday")) is None


def test_replays_are_excluded_from_freshness() -> None:
    assert seconds_since_commit([record(encoded_envelope(replay=True)), record(encoded_envelope())], 1767225612.0) == [
        1.5
    ]


def test_percentiles_cover_latest_values() -> None:
    freshness = Freshness(size=100)
    assert freshness.percentile_ms(0.5) is None
    freshness.add(n / 1_000 for n in range(-900, 101))
    assert freshness.percentile_ms(0.5) == pytest.approx(50)
    assert freshness.percentile_ms(0.99) == pytest.approx(99)


def test_rate_ignores_events_before_window() -> None:
    rate = Rate(window=10)
    rate.add(50, 100.0)
    rate.add(50, 100.9)
    assert rate.per_second(105.0) == 10.0
    assert rate.per_second(111.0) == 0.0
