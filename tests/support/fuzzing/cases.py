"""Creates the malformed requests for the operations of OpenAPI documents."""

import copy
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.support.fuzzing.values import BODIES, FRAMING, HEADERS, MEMBERS, TARGETS, TOKENS
from tests.support.operations import METHODS

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
_OTHER_METHODS = (b"HEAD", b"OPTIONS", b"TRACE", b"PATCH", b"FOO", b"get")
_DEPTH_LIMIT = 8


@dataclass(frozen=True, slots=True)
class Case:
    """A malformed request; `what` says how it is malformed.

    `is_framed` is False if the declared length of the body is wrong: then the server may close without a response.
    """

    what: str
    method: bytes
    target: bytes
    headers: Headers = ()
    body: bytes = b""
    is_framed: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """An operation that malformed requests are made for. `known` are existing identifiers by parameter or field."""

    document: Mapping[str, Any]
    path: str
    method: str
    known: Mapping[str, str] = field(default_factory=dict)

    @property
    def operation(self) -> Mapping[str, Any]:
        operation: Mapping[str, Any] = self.document["paths"][self.path][self.method]
        return operation

    def parameters(self, place: str) -> list[Mapping[str, Any]]:
        return [each for each in self.operation.get("parameters", ()) if each["in"] == place]

    def valid(self) -> Case:
        """Return a request that the schema allows."""
        path = self.path
        for each in self.parameters("path"):
            path = path.replace(f"{{{each['name']}}}", str(self._sample(each["name"], each.get("schema", {}), 0)))
        query = [
            f"{each['name']}={self._sample(each['name'], each.get('schema', {}), 0)}"
            for each in self.parameters("query")
            if each.get("required")
        ]
        target = f"{path}?{'&'.join(query)}" if query else path
        headers: Headers = ((b"Idempotency-Key", b"%x" % random.getrandbits(64)), (b"If-Match", b"*"))
        content = self.operation.get("requestBody", {}).get("content", {})
        if not content:
            return Case("valid", self.method.upper().encode(), target.encode(), headers)
        (media_type, described), *_ = content.items()
        body = self._sample("body", described.get("schema", {}), 0)
        return Case(
            "valid",
            self.method.upper().encode(),
            target.encode(),
            (*headers, (b"Content-Type", media_type.encode())),
            json.dumps(body).encode(),
        )

    def _sample(self, name: str, schema: Mapping[str, Any], depth: int) -> Any:
        """Return a value of the schema: an existing identifier, its example, its default or the simplest one."""
        if name in self.known:
            return self.known[name]
        if "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        for key in ("anyOf", "oneOf", "allOf"):
            if schema.get(key):
                return self._sample(name, schema[key][0], depth)
        if schema.get("examples"):
            return schema["examples"][0]
        for key in ("example", "const", "default"):
            if key in schema:
                return schema[key]
        if schema.get("enum"):
            return schema["enum"][0]
        return self._simplest(schema, depth)

    def _simplest(self, schema: Mapping[str, Any], depth: int) -> Any:
        match schema.get("type"):
            case "object" if depth < _DEPTH_LIMIT:
                members = schema.get("properties", {})
                return {name: self._sample(name, each, depth + 1) for name, each in members.items()}
            case "array" if depth < _DEPTH_LIMIT:
                return [self._sample("", schema.get("items", {}), depth + 1)]
            case "integer" | "number":
                return schema.get("minimum", 1)
            case "boolean":
                return True
            case "string":
                return _TEXTS.get(schema.get("format", ""), "a" * max(1, schema.get("minLength", 1)))
        return {}


_TEXTS = {
    "uuid": "6f1c2a9e-9a53-4e0c-8a1d-3c0a5c1f7b42",
    "date": "2027-06-01",
    "date-time": "2027-06-01T10:00:00Z",
    "uri": "https://hooks.example.com/fuzz",
    "email": "fuzz@example.org",
}


def targets(document: Mapping[str, Any], known: Mapping[str, str]) -> Iterator[Target]:
    """Yield all operations of an OpenAPI document."""
    for path, item in document["paths"].items():
        for method in item:
            if method in METHODS:
                yield Target(document, path, method, known)


def all_cases(target: Target) -> Iterator[list[Case]]:
    """Yield the malformed requests for an operation, in a list for each part of the request."""
    valid = target.valid()
    yield [_with_header(valid, b"Authorization", b"Bearer " + token) for token in TOKENS]
    yield [_with_header(valid, name, value) for name, values in HEADERS.items() for value in values]
    yield [_with_framing(valid, headers) for headers in FRAMING]
    yield [Case(f"method {method!r}", method, valid.target, valid.headers) for method in _OTHER_METHODS]
    for each in target.parameters("path"):
        yield [_with_path_value(target, valid, each["name"], value) for value in TARGETS]
    for each in target.parameters("query"):
        yield [_with_query_value(valid, each["name"], value) for value in TARGETS]
    if valid.body:
        yield [_with_body(valid, f"body {body[:40]!r}", body) for body in BODIES]
        for position in _positions(json.loads(valid.body)):
            yield list(_with_members(valid, position))


def sampled_cases(target: Target, source: random.Random, each: int) -> Iterator[Case]:
    """Yield up to `each` malformed requests of every part of a request."""
    for part in all_cases(target):
        yield from source.sample(part, min(each, len(part)))


def _with_header(valid: Case, name: bytes, value: bytes) -> Case:
    others = tuple(each for each in valid.headers if each[0] != name)
    return Case(f"{name.decode()}: {value[:40]!r}", valid.method, valid.target, (*others, (name, value)), valid.body)


def _with_framing(valid: Case, headers: Headers) -> Case:
    what = f"framing {headers!r}"
    return Case(what, valid.method, valid.target, (*valid.headers, *headers), b"{}", is_framed=False)


def _with_path_value(target: Target, valid: Case, name: str, value: bytes) -> Case:
    path = target.path.encode().replace(f"{{{name}}}".encode(), value)
    for each in target.parameters("path"):
        sample = str(target.known.get(each["name"], _TEXTS["uuid"]))
        path = path.replace(f"{{{each['name']}}}".encode(), sample.encode())
    return Case(f"path {name}={value[:40]!r}", valid.method, path, valid.headers, valid.body)


def _with_query_value(valid: Case, name: str, value: bytes) -> Case:
    path, _, query = valid.target.partition(b"?")
    others = [each for each in query.split(b"&") if each and not each.startswith(name.encode() + b"=")]
    target = path + b"?" + b"&".join([*others, name.encode() + b"=" + value])
    return Case(f"query {name}={value[:40]!r}", valid.method, target, valid.headers, valid.body)


def _with_body(valid: Case, what: str, body: bytes) -> Case:
    return Case(what, valid.method, valid.target, valid.headers, body)


def _positions(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every member and item of a JSON value, and of one unknown member in each object."""
    if isinstance(value, dict):
        yield (*path, "unknown")
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield (*path, name)
        yield from _positions(member, (*path, name))


def _with_members(valid: Case, position: tuple[str | int, ...]) -> Iterator[Case]:
    for value in MEMBERS:
        body = copy.deepcopy(json.loads(valid.body))
        parent = body
        for step in position[:-1]:
            parent = parent[step]
        parent[position[-1]] = value
        where = ".".join(map(str, position))
        yield _with_body(valid, f"body {where}={str(value)[:40]!r}", json.dumps(body).encode())
