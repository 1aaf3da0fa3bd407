"""The AsyncAPI document has the same streams, entities and schemas as the code."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from millrace_contracts.entities import Practice
from millrace_contracts.registry import CONTRACTS
from millrace_contracts.schemas import DIRECTORY, load_snapshots

ROOT = Path(__file__).parents[1]
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "asyncapi.yaml").read_text("utf-8"))
BASE = "https://example.org/asyncapi.yaml"
STREAMS = {"changes", "entities"}


def find_references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(find_references, node.values()))
    return set().union(*map(find_references, node)) if isinstance(node, list) else set()


def resolve(reference: str) -> Any:
    node: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def validator(name: str) -> Draft202012Validator:
    """Return a validator of the message payload `name` that resolves references to schema files."""
    files = {f"https://example.org/schemas/{stem}.json": schema for stem, schema in load_snapshots().items()}
    resources = [(uri, _without_id(schema)) for uri, schema in files.items()]
    registry: Registry[Any] = Registry().with_resources(
        [(uri, Resource.from_contents(contents)) for uri, contents in resources]
    )
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": BASE,
        **resolve(f"#/components/schemas/{name}"),
    }
    return Draft202012Validator(schema, registry=registry)


def _without_id(schema: Any) -> dict[str, Any]:
    """Remove `$id`: the document refers to schema files by path."""
    return {key: value for key, value in schema.items() if key != "$id"}


def test_all_references_resolve() -> None:
    for reference in find_references(DOCUMENT):
        if reference.startswith("#"):
            assert resolve(reference)
        else:
            assert (ROOT / reference).resolve().parent == DIRECTORY
            assert (ROOT / reference).is_file()


def test_all_snapshots_are_referenced() -> None:
    named = {Path(reference).stem for reference in find_references(DOCUMENT) if not reference.startswith("#")}
    assert named == load_snapshots().keys()


def test_streams_contain_all_entities() -> None:
    assert DOCUMENT["channels"].keys() == STREAMS
    for stream, channel in DOCUMENT["channels"].items():
        assert channel["address"] == stream
        assert channel["messages"].keys() == CONTRACTS.keys()
    assert {operation["channel"]["$ref"] for operation in DOCUMENT["operations"].values()} == {
        f"#/channels/{stream}" for stream in STREAMS
    }


@pytest.mark.parametrize("name", CONTRACTS)
def test_message_of_each_entity(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    assert message["name"] == name
    assert message["payload"] == {"$ref": f"#/components/schemas/{name}"}
    envelope, own = DOCUMENT["components"]["schemas"][name]["allOf"]
    assert envelope == {"$ref": "./schemas/envelope.json"}
    assert own["properties"]["dataschema"] == {"const": CONTRACTS[name].dataschema}
    assert own["properties"]["data"]["anyOf"][0] == {"$ref": f"./schemas/{name}.json"}


def test_examples_match_schemas() -> None:
    examples = [
        (message["name"], example["payload"])
        for message in DOCUMENT["components"]["messages"].values()
        for example in message.get("examples", ())
    ]
    assert examples
    for name, payload in examples:
        validator(name).validate(payload)


def test_message_with_another_entity_is_invalid() -> None:
    (example, _) = DOCUMENT["components"]["messages"]["practice"]["examples"]
    data = json.loads(msgspec.json.encode(Practice(id="p-1", name="Harbor Clinic")))
    good = {**example["payload"], "data": data}
    assert validator("practice").is_valid(good)
    assert not validator("provider").is_valid(good)
    assert not validator("practice").is_valid({**good, "data": {"id": "p-1"}})
    assert not validator("practice").is_valid({**good, "subject": "practice"})
