"""Whether one JSON Schema of an entity may follow another under the same version: pure.

Old readers must understand new events, and new readers old ones: streams keep events for days, and services are not
deployed in one moment. So between two schemas of one version only optional properties may be added. What a reader
ignores (titles, descriptions, the names of definitions) may change.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]

_ANNOTATIONS = frozenset({"$schema", "$id", "$defs", "$comment", "title", "description", "examples"})
_COMPARED_APART = frozenset({"properties", "required", "items", "anyOf", "enum", "type", "default"})


def incompatibilities(old: Schema, new: Schema) -> list[str]:
    """Each change from `old` to `new` that some reader can't bear, with its field; empty where there is none."""
    return list(_Comparison(old, new).differences(old, new, "$", frozenset()))


class _Comparison:
    """Two documents, whose references lead to their own definitions."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new

    def differences(self, old: Schema, new: Schema, path: str, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
        pair = (old.get("$ref", ""), new.get("$ref", ""))
        if all(pair):
            if pair in seen:
                return
            seen |= {pair}
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        if _types(old) != _types(new):
            yield f"{path}: the type changed from {_types(old)} to {_types(new)}"
            return
        yield from _values(old, new, path)
        yield from _others(old, new, path)
        yield from self._properties(old, new, path, seen)
        if "items" in old and "items" in new:
            yield from self.differences(old["items"], new["items"], f"{path}[]", seen)
        elif ("items" in old) != ("items" in new):
            yield f"{path}: what its items are changed"
        yield from self._alternatives(old, new, path, seen)

    def _properties(self, old: Schema, new: Schema, path: str, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
        before: Schema = old.get("properties", {})
        after: Schema = new.get("properties", {})
        was, now = set(old.get("required", ())), set(new.get("required", ()))
        for name in before.keys() - after.keys():
            yield f"{path}.{name}: the field was removed"
        for name in sorted(after.keys() - before.keys()):
            if name in now:
                yield f"{path}.{name}: the new field is required, but events without it are on the streams"
            elif "default" not in after[name]:
                yield f"{path}.{name}: the new field has no default"
        for name in sorted(before.keys() & after.keys()):
            if name in now - was:
                yield f"{path}.{name}: the field became required, but events without it are on the streams"
            if name in was - now:
                yield f"{path}.{name}: the field became optional, but readers count on it"
            yield from self.differences(before[name], after[name], f"{path}.{name}", seen)

    def _alternatives(self, old: Schema, new: Schema, path: str, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
        before = _sorted(old.get("anyOf", ()), self._old)
        after = _sorted(new.get("anyOf", ()), self._new)
        if len(before) != len(after):
            yield f"{path}: the number of its alternatives changed from {len(before)} to {len(after)}"
            return
        for ours, theirs in zip(before, after, strict=True):
            yield from self.differences(ours, theirs, path, seen)


def _resolved(schema: Schema, document: Schema) -> Schema:
    """The schema with what its reference leads to; a reference's own siblings win."""
    reference: str | None = schema.get("$ref")
    if reference is None:
        return schema
    target: Any = document
    for part in reference.removeprefix("#/").split("/"):
        target = target[part]
    return {**_resolved(target, document), **{key: value for key, value in schema.items() if key != "$ref"}}


def _types(schema: Schema) -> list[str]:
    """Sorted; those of its values where only values are given."""
    types = schema.get("type", [])
    if not types and "enum" in schema:
        types = [_json_type(value) for value in schema["enum"]]
    return sorted({types} if isinstance(types, str) else set(types))


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    names = ((bool, "boolean"), (str, "string"), (int, "integer"), (float, "number"), (list, "array"))
    return next((name for kind, name in names if isinstance(value, kind)), "object")


def _values(old: Schema, new: Schema, path: str) -> Iterator[str]:
    before, after = old.get("enum"), new.get("enum")
    if before is None and after is None:
        return
    if before is None or after is None:
        yield f"{path}: the field has {'a' if before is None else 'no'} list of allowed values now"
        return
    for value in [value for value in before if value not in after]:
        yield f"{path}: the value {value!r} isn't allowed any more, but it is on the streams"
    for value in [value for value in after if value not in before]:
        yield f"{path}: the value {value!r} is new, and readers refuse it"


def _others(old: Schema, new: Schema, path: str) -> Iterator[str]:
    if "default" in old and old["default"] != new.get("default"):
        yield f"{path}: the default changed, and with it the meaning of events without the field"
    told = (old.keys() | new.keys()) - _ANNOTATIONS - _COMPARED_APART
    for keyword in sorted(told):
        if old.get(keyword) != new.get(keyword):
            yield f"{path}: {keyword} changed from {old.get(keyword)!r} to {new.get(keyword)!r}"


def _sorted(alternatives: Any, document: Schema) -> list[Schema]:
    """In an order that doesn't depend on how they are listed, named or extended."""
    return sorted(alternatives, key=lambda one: json.dumps(_types(_resolved(one, document))))
