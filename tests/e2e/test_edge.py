"""What every client gets at the edge: limits of streams, and the head of a response without its body."""

import http.client

import httpx

from millrace_local.routes import STREAMS
from tests.support.platform import Platform

EVENT_STREAM = "text/event-stream"


def test_edge_knows_all_paths_of_endless_streams(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    documented = {
        path
        for path, operations in paths.items()
        for operation in operations.values()
        if EVENT_STREAM in operation["responses"]["200"].get("content", {})
    }
    assert documented == STREAMS


def test_head_of_a_stream_ends_and_the_next_request_gets_a_response(platform: Platform) -> None:
    connection = http.client.HTTPConnection(platform.url.removeprefix("http://"), timeout=20)
    for _ in range(30):  # more than the streams that one client may have
        connection.request("HEAD", "/v1/availability/stream?provider_location=01a1fcf4-a204-76da-a7e4-de0d92e6c786")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"")
    connection.request("GET", "/v1/specialties")
    assert connection.getresponse().status == 200
    connection.close()
