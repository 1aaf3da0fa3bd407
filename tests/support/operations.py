"""Finds the operations of an OpenAPI document that take identifiers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

METHODS = frozenset({"get", "put", "post", "delete", "patch"})
NAMED_IDS = frozenset({"npi"})
"""Names of identifiers that don't end with `_id` and aren't UUIDs."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An HTTP method of a path. `ids` are the names of path parameters and of identifiers in query and body."""

    method: str
    path: str
    ids: frozenset[str]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def operations_with_ids(document: Mapping[str, Any]) -> Iterator[Operation]:
    """Yield the operations of an OpenAPI document that take an identifier."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method not in METHODS:
                continue
            ids = frozenset({*_of_parameters(document, operation), *_of_body(document, operation)})
            if ids:
                yield Operation(method.upper(), path, ids)


def _of_parameters(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[str]:
    for parameter in operation.get("parameters", ()):
        name = parameter["name"]
        if parameter["in"] == "path" or _is_id(document, name, parameter["schema"]):
            yield name


def _of_body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[str]:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        yield from _of_object(document, content.get("schema", {}), depth=0)


def _of_object(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> Iterator[str]:
    for part in _alternatives(document, schema):
        for name, one in part.get("properties", {}).items():
            if _is_id(document, name, one):
                yield name
            elif depth < 4:
                yield from _of_object(document, one, depth + 1)


def _is_id(document: Mapping[str, Any], name: str, schema: Mapping[str, Any]) -> bool:
    if name in NAMED_IDS or name == "id" or name.endswith(("_id", "_ids")):
        return True
    return any(one.get("format") == "uuid" for one in _alternatives(document, schema))


def _alternatives(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the resolved schema, its alternatives and the schema of its items."""
    if (reference := schema.get("$ref")) is not None:
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    yield schema
    for key in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(key, ()):
            yield from _alternatives(document, one)
    if "items" in schema:
        yield from _alternatives(document, schema["items"])
