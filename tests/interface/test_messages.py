"""The messages about invalid requests, of every field of every service: plain words, and no value of the request."""

import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import iter_route_contexts

from millrace_platform.errors import FieldError
from millrace_platform.testing import SERVICE_KEY
from millrace_platform.validation import field_errors

SERVICES = ("directory", "search", "patients", "reviews", "notifications", "scheduling")
MARK = "zq7xk"
"""Part of all invalid texts, so that a message that repeats one is noticed."""
INVALID: tuple[Any, ...] = (
    "", MARK, f"{MARK}\x00 ", MARK * 2_000, "2026-13-45", "2026-01-01T25:00:00", -1, 10**30, 0.5, 1e308, True, None,
    [], [MARK], {}, {MARK: MARK},
)  # fmt: skip
LONGEST_LIST = 100
MAX_DEPTH = 5
_REGEX = re.compile(r"[\\^$|*]|[+?][^4\s]|[\[\]{}]|\bpattern\b|\bregex\b", re.IGNORECASE)
_TERMS = re.compile(r"\bInput\b|\bValue error\b|\bitems\b.*\bpassword\b|\bNone\b")


@pytest.fixture
def app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    name: str = request.param
    monkeypatch.setenv(f"MILLRACE_{name.upper()}_DATABASE_URL", "postgresql://nobody@127.0.0.1/none")
    monkeypatch.setenv(f"MILLRACE_{name.upper()}_PATIENTS_KEYS", SERVICE_KEY)
    monkeypatch.setenv("MILLRACE_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("MILLRACE_AUTH_ISSUER", "https://issuer.example.com")
    created: FastAPI = importlib.import_module(f"millrace_{name}.main").create()
    return created


@pytest.mark.parametrize("app", SERVICES, indirect=True)
def test_messages_are_specific_and_plain_and_repeat_no_value(app: FastAPI) -> None:
    found = {(error["detail"], error["remedy"]) for error in _all_errors(app)}
    assert len(found) > 5
    for texts in found:
        for text in texts:
            assert MARK not in text
            assert text != "The value is invalid."
            assert not _REGEX.search(text), text
            assert not _TERMS.search(text), text
            assert text[:1].isupper() and text.endswith((".", "?")), text


def _all_errors(app: FastAPI) -> Iterator[FieldError]:
    """Yield the errors of invalid values for each parameter and body of the application."""
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route, "dependant", None)
        if dependant is None:
            continue
        body = getattr(route, "body_field", None)
        for field in (*get_flat_params(dependant), *([body] if body else [])):
            schema = field._type_adapter.json_schema()
            for value in _invalid_values(schema, schema.get("$defs", {})):
                _, errors = field.validate(value, {}, loc=("body", field.name))
                yield from field_errors(errors or ())


def _invalid_values(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int = 0) -> Iterator[Any]:
    """Yield values that the JSON schema doesn't allow, and objects and lists with such values in them."""
    yield from INVALID
    if depth == MAX_DEPTH:
        return
    if reference := schema.get("$ref"):
        yield from _invalid_values(definitions[reference.rpartition("/")[2]], definitions, depth + 1)
    for kind in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(kind, ()):
            yield from _invalid_values(each, definitions, depth + 1)
    for name, each in schema.get("properties", {}).items():
        yield from ({name: value} for value in _invalid_values(each, definitions, depth + 1))
    if items := schema.get("items"):
        yield from ([value] for value in _invalid_values(items, definitions, depth + 1))
        yield [MARK] * LONGEST_LIST
