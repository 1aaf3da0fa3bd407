"""Merges the services' OpenAPI documents into one."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from millrace_local.routes import service_for

Document = dict[str, Any]
_REFERENCE = re.compile(r"^#/components/([^/]+)/([^/]+)$")


def union(documents: Mapping[str, Document]) -> Document:
    """Merge OpenAPI 3.1 documents by service: each contributes its routed paths and its components.

    If two services define different components of one name, the later one is renamed to `<Service><Name>`.
    """
    united: Document = {
        "openapi": "3.1.0",
        "info": {"title": "Millrace", "version": "1", "description": "An open appointment platform."},
        "paths": {},
        "components": {},
        "tags": [],
    }
    for service, document in documents.items():
        _add(united, service, _without_clashes(united["components"], service, document))
    return united


def _add(united: Document, service: str, document: Document) -> None:
    for path, item in document.get("paths", {}).items():
        if service_for(path.partition("{")[0].rstrip("/")) == service:
            united["paths"][path] = item
    for kind, components in document.get("components", {}).items():
        united["components"].setdefault(kind, {}).update(components)
    known = {tag["name"] for tag in united["tags"]}
    united["tags"] += [tag for tag in document.get("tags", []) if tag["name"] not in known]


def _without_clashes(taken: Document, service: str, document: Document) -> Document:
    renamed = _clashes(taken, document.get("components", {}))

    def new_name(kind: str, name: str) -> str:
        return f"{service.capitalize()}{name}" if (kind, name) in renamed else name

    def follow(reference: str) -> str:
        match = _REFERENCE.match(reference)
        return f"#/components/{match[1]}/{new_name(match[1], match[2])}" if match else reference

    components = {
        kind: {new_name(kind, name): component for name, component in named.items()}
        for kind, named in document.get("components", {}).items()
    }
    relinked: Document = _relinked({**document, "components": components}, follow)
    return relinked


def _clashes(taken: Document, components: Document) -> set[tuple[str, str]]:
    """Return (kind, name) of the components that differ from the existing one of that name, directly or
    in a component that they refer to."""
    known = {
        (kind, name): component
        for kind, named in components.items()
        for name, component in named.items()
        if name in taken.get(kind, {})
    }
    clashing = {key for key, component in known.items() if taken[key[0]][key[1]] != component}
    while more := {key for key, component in known.items() if _references(component) & clashing} - clashing:
        clashing |= more
    return clashing


def _references(node: Any) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()

    def note(reference: str) -> str:
        if match := _REFERENCE.match(reference):
            found.add((match[1], match[2]))
        return reference

    _relinked(node, note)
    return found


def _relinked(node: Any, follow: Callable[[str], str]) -> Any:
    match node:
        case dict():
            return {
                key: follow(value) if key == "$ref" and isinstance(value, str) else _relinked(value, follow)
                for key, value in node.items()
            }
        case list():
            return [_relinked(item, follow) for item in node]
        case _:
            return node
