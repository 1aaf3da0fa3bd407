"""One trace connects a change in the directory with the write of the read model."""

import json
import secrets

import httpx

from tests.support.otlp import Receiver
from tests.support.platform import Platform, wait_for


def test_one_trace_connects_the_request_with_the_read_model(platform: Platform, telemetry: Receiver) -> None:
    target = httpx.get(f"{platform.url}/v1/directory/provider-locations", params={"limit": 1}).json()["items"][0]
    path = f"{platform.url}/v1/directory/provider-locations/{target['id']}"
    trace_id = secrets.token_hex(16)
    changed = httpx.patch(
        path,
        json={"new_patients": not target["new_patients"]},
        headers={
            **platform.token("admin"),
            "If-Match": httpx.get(path).headers["ETag"],
            "Content-Type": "application/merge-patch+json",
            "traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01",
        },
    )
    assert changed.status_code == 200, changed.text

    def services() -> set[str] | None:
        seen = {span.service for span in telemetry.of_trace(trace_id)}
        return seen if {"directory", "refinery", "projector"} <= seen else None

    wait_for(services, seconds=30, what="spans of directory, refinery and projector in one trace")

    def read_model_write() -> bool:
        return any(
            span.service == "projector" and "read" in span.name.lower() and "model" in span.name.lower()
            for span in telemetry.of_trace(trace_id)
        )

    wait_for(read_model_write, seconds=30, what="the span of the read-model write")


def test_spans_contain_no_raw_query(platform: Platform, telemetry: Receiver) -> None:
    marker = f"zz{secrets.token_hex(6)}"
    httpx.get(f"{platform.url}/v1/suggest", params={"q": marker})

    def search_spans() -> bool:
        return any(span.service == "search" and "suggest" in span.name for span in telemetry.spans())

    wait_for(search_spans, seconds=30, what="a span of the suggestion")
    everything = json.dumps([[span.name, span.attributes] for span in telemetry.spans()])
    assert marker not in everything


def test_consumers_are_named_after_their_services(platform: Platform) -> None:
    names = {service: platform.status(service)["consumer"]["worker"] for service in ("refinery", "projector")}
    assert names == {"refinery": "local-refinery", "projector": "local-projector"}
