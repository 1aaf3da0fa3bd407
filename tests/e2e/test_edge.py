"""Streams, heads without a body, and header fields of responses, as a client of the edge sees them."""

import http.client

import httpx

from millrace_local.routes import RULES, STREAMS
from millrace_platform.cors import REQUEST_HEADERS
from tests.support.platform import Platform

EVENT_STREAM = "text/event-stream"


def test_edge_knows_all_paths_of_endless_streams(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    documented = {
        path
        for path, operations in paths.items()
        for operation in operations.values()
        if EVENT_STREAM in operation["responses"].get("200", {}).get("content", {})
    }
    assert documented == STREAMS


def test_other_origins_may_send_every_documented_header(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    parameters = (
        parameter
        for operations in paths.values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
    )
    documented = {each["name"].lower() for each in parameters if each["in"] == "header"}
    assert documented
    assert documented <= {*REQUEST_HEADERS.lower().split(", ")}


def test_every_service_protects_the_reader_of_its_responses(http: httpx.Client) -> None:
    """Compare the fields of the edge, too, which has pages and problems of its own."""
    paths = ["/", "/docs", "/openapi.json", "/healthz", "/nowhere", *(path for path, _ in RULES)]
    for path in paths:
        response = http.get(path)
        for name in ("x-content-type-options", "content-security-policy", "referrer-policy", "cache-control"):
            assert len(response.headers.get_list(name)) == 1, (path, name)
        assert response.headers["x-content-type-options"] == "nosniff"


def test_head_of_a_stream_ends_and_the_next_request_gets_a_response(platform: Platform) -> None:
    connection = http.client.HTTPConnection(platform.url.removeprefix("http://"), timeout=20)
    for _ in range(30):  # more than the streams that one client may have
        connection.request("HEAD", "/v1/availability/stream?provider_location=01a1fcf4-a204-76da-a7e4-de0d92e6c786")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"")
    connection.request("GET", "/v1/specialties")
    assert connection.getresponse().status == 200
    connection.close()
