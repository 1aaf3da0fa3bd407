"""Traces and figures of the feeds."""

import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from millrace_contracts.envelope import Envelope, encode
from millrace_feeds import tracing
from millrace_feeds.outgoing import Parcel
from millrace_feeds.status import Freshness, Rate, ages, commit_time
from millrace_feeds.tracing import (
    MAX_LINKS,
    context_of,
    current_traceparent,
    handle_span,
    publish_span,
    traceparent_of,
)
from millrace_feeds.transport import Record


def traceparent(number: int, flags: str = "01") -> str:
    return f"00-{number:032x}-{number:016x}-{flags}"


def envelope(**changes: object) -> bytes:
    made = Envelope(
        id="1",
        source="/services/directory",
        type="millrace.practice.updated",
        subject="practice/1",
        time="2026-01-01T00:00:10.5Z",
        dataschema="urn:millrace:practice:1",
        partitionkey="practice/1",
        entityversion=1,
        data=msgspec.Raw(b'{"time":"noon","replay":true}'),
    )
    return encode(msgspec.structs.replace(made, **changes))


def record(body: bytes) -> Record:
    return Record("changes", "shardId-000000000000", "1", "practice/1", body, 0.0)


def traced(number: int, flags: str = "01") -> Record:
    return record(envelope(traceparent=traceparent(number, flags)))


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    return exporter


def test_a_batch_links_to_the_traces_it_joins(spans: InMemorySpanExporter) -> None:
    with handle_span("refinery", [traced(1), traced(2), traced(1), traced(3, "00"), record(b"no envelope")]):
        pass
    (span,) = spans.get_finished_spans()
    assert [link.context.trace_id for link in span.links] == [1, 2]
    assert span.name == "refinery handle changes"
    assert span.kind is trace.SpanKind.CONSUMER
    assert span.parent is None


def test_a_batch_of_one_trace_continues_it(spans: InMemorySpanExporter) -> None:
    with handle_span("refinery", [traced(7), traced(7)]):
        onward = context_of(current_traceparent() or "")
    (span,) = spans.get_finished_spans()
    assert span.context is not None
    assert span.context.trace_id == 7
    assert onward is not None
    assert onward.span_id == span.context.span_id


def test_a_put_request_links_to_what_it_carries(spans: InMemorySpanExporter) -> None:
    with publish_span("changes", [Parcel(n, "key", b"", traceparent(n)) for n in range(1, 500)]):
        pass
    (span,) = spans.get_finished_spans()
    assert len(span.links) == MAX_LINKS
    assert span.kind is trace.SpanKind.PRODUCER


def test_without_an_sdk_there_is_no_span() -> None:
    with handle_span("refinery", [traced(1)]) as span:
        assert not span.is_recording()
        assert current_traceparent() is None


def test_the_traceparent_is_read_off_the_encoded_envelope() -> None:
    assert traceparent_of(envelope(traceparent=traceparent(5))) == traceparent(5)
    assert traceparent_of(envelope()) is None
    assert context_of("nonsense") is None


def test_the_commit_time_is_the_envelopes_and_not_the_datas() -> None:
    assert commit_time(envelope()) == 1767225610.5
    assert commit_time(b'{"no": "envelope"}') is None
    assert commit_time(envelope(time="yesterday")) is None


def test_a_replay_says_nothing_of_freshness() -> None:
    assert ages([record(envelope(replay=True)), record(envelope())], 1767225612.0) == [1.5]


def test_percentiles_are_of_the_latest() -> None:
    freshness = Freshness(size=100)
    assert freshness.percentile_ms(0.5) is None
    freshness.add(n / 1_000 for n in range(-900, 101))
    assert freshness.percentile_ms(0.5) == pytest.approx(50)
    assert freshness.percentile_ms(0.99) == pytest.approx(99)


def test_a_rate_forgets_what_is_older_than_its_window() -> None:
    rate = Rate(window=10)
    rate.add(50, 100.0)
    rate.add(50, 100.9)
    assert rate.per_second(105.0) == 10.0
    assert rate.per_second(111.0) == 0.0
