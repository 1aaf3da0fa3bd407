"""Renders the AsyncAPI document, with the schemas that it refers to, as a page of the documentation."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from millrace_contracts.compatibility import Schema, resolve
from millrace_contracts.registry import CONTRACTS

DOCUMENT = Path(__file__).parents[2] / "asyncapi.yaml"
PAGE = Path(__file__).parents[4] / "docs" / "reference" / "asyncapi.md"
COMMAND = "python -m millrace_contracts.schemas write"
FIELDS = ["| field | type | required | description |", "| --- | --- | --- | --- |"]


def write_page(schemas: Mapping[str, Schema]) -> None:
    """Write the page for these schemas (by name)."""
    PAGE.write_text(render_page(schemas), "utf-8")


def find_stale_page(schemas: Mapping[str, Schema]) -> Iterator[str]:
    """Yield a line with the remedy if the page is missing or differs from the document and these schemas."""
    if not PAGE.is_file() or PAGE.read_text("utf-8") != render_page(schemas):
        yield f"docs/reference/{PAGE.name}: the page differs from {DOCUMENT.name} and the schemas; run `{COMMAND}`"


def render_page(schemas: Mapping[str, Schema]) -> str:
    """Render channels, operations, envelope and messages as Markdown; `schemas` are the contracts' schemas by name."""
    document: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text("utf-8"))
    payloads = document["components"]["schemas"]
    envelope, attributes = schemas["envelope"], payloads["envelope"]["allOf"][1]
    lines = [
        "# AsyncAPI: channels and messages",
        f"Generated from [{DOCUMENT.name}](../../libs/contracts/{DOCUMENT.name}) and the JSON Schemas beside it by "
        f"`{COMMAND}`; don't edit this page. Order, repeats and compatibility: [events](events.md).",
        document["info"]["description"].strip(),
        "## Channels",
        "\n".join(_render_channels(document)),
        "## Operations",
        "\n".join(_render_operations(document)),
        "## Envelope",
        "Every message is a CloudEvent with these attributes. Its `data` is the entity described with the message.",
        "\n".join([*FIELDS, *_render_fields(envelope, envelope, attributes)]),
        "## Messages",
        "If a field that isn't required is absent, its default applies. *Clean* fields are absent on `changes` and "
        "filled in on `entities`. `a.b` is field `b` of the object `a`, `a[].b` of each object in the array `a`.",
    ]
    for name, message in document["components"]["messages"].items():
        lines += _render_message(name, message, schemas[name], payloads[name]["allOf"][1]["properties"])
    return "\n\n".join(lines) + "\n"


def _render_channels(document: Schema) -> Iterator[str]:
    yield "| channel | address | server | content | messages |"
    yield "| --- | --- | --- | --- | --- |"
    for name, channel in document["channels"].items():
        servers = [document["servers"][reference["$ref"].rpartition("/")[2]] for reference in channel["servers"]]
        hosts = ", ".join(f"{server['protocol']}, `{server['host']}`" for server in servers)
        content = f"{channel['title']}. {channel['description']}"
        messages = ", ".join(f"[{message}](#{message})" for message in channel["messages"])
        yield f"| `{name}` | `{channel['address']}` | {hosts} | {content} | {messages} |"


def _render_operations(document: Schema) -> Iterator[str]:
    yield "| operation | action | channel | |"
    yield "| --- | --- | --- | --- |"
    for name, operation in document["operations"].items():
        channel = operation["channel"]["$ref"].rpartition("/")[2]
        yield f"| `{name}` | {operation['action']} | `{channel}` | {operation['summary']} |"


def _render_message(name: str, message: Schema, schema: Schema, attributes: Schema) -> list[str]:
    key = "/".join([name, *(f"<{field}>" for field in CONTRACTS[name].key)])
    facts = [
        "| | |",
        "| --- | --- |",
        f"| published when | {message['title']} |",
        f"| key (`subject` and partition key) | `{key}` |",
        f"| `type` | `{attributes['type']['pattern']}` |",
        f"| `dataschema` | `{attributes['dataschema']['const']}` |",
    ]
    fields = [*FIELDS, *_render_fields(schema, schema, attributes["data"])]
    return [f"### {name}", message["description"], "\n".join(facts), "\n".join(fields)]


def _render_fields(schema: Schema, root: Schema, notes: Schema, prefix: str = "") -> Iterator[str]:
    """Yield a table row for each field of an object, and for the fields of nested objects.

    `root` contains the definitions that references point to; `notes` the descriptions and formats, in the same shape.
    """
    schema = resolve(schema, root)
    for name, field in schema["properties"].items():
        note = notes.get("properties", {}).get(name, {})
        kind = _describe_type(field, root) + (f" ({note['format']})" if "format" in note else "")
        required = "yes" if name in schema["required"] else f"no, default `{json.dumps(field['default'])}`"
        yield f"| `{prefix}{name}` | {kind} | {required} | {note.get('description', '')} |"
        for each in field.get("anyOf", [field]):
            nested = resolve(each, root)
            if "items" in nested and "$ref" in nested["items"]:
                yield from _render_fields(nested["items"], root, note.get("items", {}), f"{prefix}{name}[].")
            elif "properties" in nested:
                yield from _render_fields(nested, root, note, f"{prefix}{name}.")


def _describe_type(schema: Schema, root: Schema) -> str:
    schema = resolve(schema, root)
    if "anyOf" in schema:
        return " or ".join(_describe_type(each, root) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema["type"] == "array":
        return f"array of {_describe_type(schema['items'], root)}"
    return schema["type"] if isinstance(schema["type"], str) else " or ".join(schema["type"])
