"""Names that requests may have in `Host`."""

from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import ValidationError

from millrace_platform.settings import PlatformSettings

from . import sample_service


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = sample_service.create_with(PlatformSettings(hosts=("api.millrace.example", "[::1]")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://any") as client:
        yield client


@pytest.mark.parametrize(
    "host", ["api.millrace.example", "API.Millrace.Example", "api.millrace.example:443", "[::1]", "[::1]:8000"]
)
async def test_own_names_are_accepted_with_any_port(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/openapi.json", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "10.20.3.4:8000",
        "127.0.0.1",
        "api.millrace.example.attacker.example",
        "attacker.example:api.millrace.example",
        "user@api.millrace.example",
        "api.millrace.example:80:80",
        "",
        ":80",
    ],
)
async def test_other_names_are_refused(client: httpx.AsyncClient, host: str) -> None:
    response = await client.get("/openapi.json", headers={"Host": host})
    assert (response.status_code, response.json()["type"]) == (421, "urn:millrace:problem:misdirected")
    assert response.json()["detail"] == "This service has no such host. Send the request to its own address."


async def test_two_hosts_are_a_malformed_request(client: httpx.AsyncClient) -> None:
    own = ("Host", "api.millrace.example")
    assert (await client.get("/openapi.json", headers=[own, ("Host", "attacker.example")])).status_code == 400
    assert (await client.get("/openapi.json", headers=[own, own])).status_code == 400


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes_may_send_the_address_of_a_task(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path, headers={"Host": "10.20.3.4:8000"})).status_code in (200, 503)


async def test_method_and_spelling_of_a_path_do_not_matter(client: httpx.AsyncClient) -> None:
    for path in ("/healthz/", "//healthz", "/HEALTHZ"):
        assert (await client.request("HEAD", path, headers={"Host": "attacker.example"})).status_code == 421


@pytest.mark.parametrize("host", ["", "http://a.example", "a.example:80", "a b"])
def test_setting_takes_names_only(host: str) -> None:
    with pytest.raises(ValidationError):
        PlatformSettings(hosts=(host,))
