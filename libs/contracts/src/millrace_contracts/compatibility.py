"""Compares two JSON Schemas of an entity for compatibility within one version: pure.

Old readers must understand new events and new readers old ones, because streams store events for days and services
are deployed independently. So only optional properties may be added within a version. Parts that readers ignore
(titles, descriptions, names of definitions) may change.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]
ReferencePairs: TypeAlias = frozenset[tuple[str, str]]

_ANNOTATIONS = frozenset({"$schema", "$id", "$defs", "$comment", "title", "description", "examples"})
_COMPARED_SEPARATELY = frozenset({"properties", "required", "items", "anyOf", "enum", "type", "default"})


def find_incompatibilities(old: Schema, new: Schema) -> list[str]:
    """Return a line with the field for each change from `old` to `new` that breaks some reader."""
    return list(_Comparison(old, new).compare(old, new, "$", frozenset()))


class _Comparison:
    """A comparison of two documents, each with its own definitions for references."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new

    def compare(self, old: Schema, new: Schema, path: str, seen: ReferencePairs) -> Iterator[str]:
        pair = (old.get("$ref", ""), new.get("$ref", ""))
        if all(pair):
            if pair in seen:
                return
            seen |= {pair}
        old, new = resolve(old, self._old), resolve(new, self._new)
        if _sorted_types(old) != _sorted_types(new):
            yield f"{path}: the type changed from {_sorted_types(old)} to {_sorted_types(new)}"
            return
        yield from _compare_values(old, new, path)
        yield from _compare_keywords(old, new, path)
        yield from self._compare_properties(old, new, path, seen)
        if "items" in old and "items" in new:
            yield from self.compare(old["items"], new["items"], f"{path}[]", seen)
        elif ("items" in old) != ("items" in new):
            yield f"{path}: the type of its items changed"
        yield from self._compare_alternatives(old, new, path, seen)

    def _compare_properties(self, old: Schema, new: Schema, path: str, seen: ReferencePairs) -> Iterator[str]:
        before: Schema = old.get("properties", {})
        after: Schema = new.get("properties", {})
        required_before, required_after = set(old.get("required", ())), set(new.get("required", ()))
        for name in before.keys() - after.keys():
            yield f"{path}.{name}: the field was removed"
        for name in sorted(after.keys() - before.keys()):
            if name in required_after:
                yield f"{path}.{name}: the new field is required, but events without it are on the streams"
            elif "default" not in after[name]:
                yield f"{path}.{name}: the new field has no default"
        for name in sorted(before.keys() & after.keys()):
            if name in required_after - required_before:
                yield f"{path}.{name}: the field became required, but events without it are on the streams"
            if name in required_before - required_after:
                yield f"{path}.{name}: the field became optional, but readers rely on it"
            yield from self.compare(before[name], after[name], f"{path}.{name}", seen)

    def _compare_alternatives(self, old: Schema, new: Schema, path: str, seen: ReferencePairs) -> Iterator[str]:
        before = _sort_alternatives(old.get("anyOf", ()), self._old)
        after = _sort_alternatives(new.get("anyOf", ()), self._new)
        if len(before) != len(after):
            yield f"{path}: the number of its alternatives changed from {len(before)} to {len(after)}"
            return
        for one, other in zip(before, after, strict=True):
            yield from self.compare(one, other, path, seen)


def resolve(schema: Schema, document: Schema) -> Schema:
    """Return the schema merged with the target of its `$ref`; keywords beside `$ref` take precedence."""
    reference: str | None = schema.get("$ref")
    if reference is None:
        return schema
    target: Any = document
    for part in reference.removeprefix("#/").split("/"):
        target = target[part]
    return {**resolve(target, document), **{key: value for key, value in schema.items() if key != "$ref"}}


def _sorted_types(schema: Schema) -> list[str]:
    """Return the schema's types, sorted; without `type`, those of its `enum` values."""
    types = schema.get("type", [])
    if not types and "enum" in schema:
        types = [_json_type(value) for value in schema["enum"]]
    return sorted({types} if isinstance(types, str) else set(types))


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    names = ((bool, "boolean"), (str, "string"), (int, "integer"), (float, "number"), (list, "array"))
    return next((name for kind, name in names if isinstance(value, kind)), "object")


def _compare_values(old: Schema, new: Schema, path: str) -> Iterator[str]:
    before, after = old.get("enum"), new.get("enum")
    if before is None and after is None:
        return
    if before is None or after is None:
        yield f"{path}: the list of allowed values was {'added' if before is None else 'removed'}"
        return
    for value in [value for value in before if value not in after]:
        yield f"{path}: the value {value!r} isn't allowed any more, but it is on the streams"
    for value in [value for value in after if value not in before]:
        yield f"{path}: the value {value!r} is new, and old readers reject it"


def _compare_keywords(old: Schema, new: Schema, path: str) -> Iterator[str]:
    if "default" in old and old["default"] != new.get("default"):
        yield f"{path}: the default changed, and with it the meaning of events without the field"
    keywords = (old.keys() | new.keys()) - _ANNOTATIONS - _COMPARED_SEPARATELY
    for keyword in sorted(keywords):
        if old.get(keyword) != new.get(keyword):
            yield f"{path}: {keyword} changed from {old.get(keyword)!r} to {new.get(keyword)!r}"


def _sort_alternatives(alternatives: Any, document: Schema) -> list[Schema]:
    """Sort alternatives by their types, so that order, names and extensions make no difference."""
    return sorted(alternatives, key=lambda each: json.dumps(_sorted_types(resolve(each, document))))
