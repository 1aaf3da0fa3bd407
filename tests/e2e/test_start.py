"""The log of a healthy start."""

import re

import httpx
import pytest

from tests.support.platform import Platform

COMPLETE = "the demo data is complete"
ALARMING = re.compile(r"\[(warning|error|critical) *\]|WARNING|ERROR|Traceback|can't be loaded")


@pytest.fixture(scope="module")
def start(platform: Platform) -> list[str]:
    """Return the lines of the log until all demo data were loaded."""
    if platform.log is None:
        pytest.skip("the log of this platform is elsewhere")
    text = platform.log.read_text()
    assert COMPLETE in text
    return text.partition(COMPLETE)[0].splitlines()


def test_start_prints_no_warning(start: list[str]) -> None:
    assert [line for line in start if ALARMING.search(line)] == []


def test_start_says_what_it_does(start: list[str]) -> None:
    shown = "\n".join(start)
    for message in (
        "starting PostgreSQL, Valkey and the AWS emulator",
        "starting the services",
        "importing the demo data of new york",
        "Millrace is ready after",
        "loading the rest of the demo data in the background",
        "demo data of los angeles is loaded",
    ):
        assert message in shown


def test_idle_services_log_nothing(start: list[str]) -> None:
    """The services ask each other for work all the time, but a request that finds none has no line."""
    polls = re.compile(r"\[millrace\.request\].* method=GET .*(route=\(unmatched\)|/status|/outbox|/readyz|/healthz)")
    assert [line for line in start if polls.search(line)] == []


def test_examples_of_the_landing_page_find_something(platform: Platform) -> None:
    landing = httpx.get(platform.url).text.replace("&amp;", "&")
    searches = re.findall(r'href="(/v1/search[^"]+)"', landing)
    assert searches
    for path in searches:
        assert httpx.get(platform.url + path).json()["results"]
