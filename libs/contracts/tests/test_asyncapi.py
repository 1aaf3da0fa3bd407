"""The AsyncAPI document speaks of the same streams, entities and schemas as the code."""

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
from millrace_contracts.schemas import DIRECTORY, snapshots

ROOT = Path(__file__).parents[1]
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "asyncapi.yaml").read_text("utf-8"))
BASE = "https://example.org/asyncapi.yaml"
STREAMS = {"changes", "entities"}


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def local(reference: str) -> Any:
    node: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def validator(name: str) -> Draft202012Validator:
    """Of the message payload called `name`, with the files that the document refers to."""
    files = {f"https://example.org/schemas/{stem}.json": schema for stem, schema in snapshots().items()}
    resources = [(uri, _without_id(schema)) for uri, schema in files.items()]
    registry: Registry[Any] = Registry().with_resources(
        [(uri, Resource.from_contents(contents)) for uri, contents in resources]
    )
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": BASE,
        **local(f"#/components/schemas/{name}"),
    }
    return Draft202012Validator(schema, registry=registry)


def _without_id(schema: Any) -> dict[str, Any]:
    """As a reader of the files sees it, who finds them by path."""
    return {key: value for key, value in schema.items() if key != "$id"}


def test_all_references_lead_somewhere() -> None:
    for reference in references(DOCUMENT):
        if reference.startswith("#"):
            assert local(reference)
        else:
            assert (ROOT / reference).resolve().parent == DIRECTORY
            assert (ROOT / reference).is_file()


def test_all_snapshots_are_referred_to() -> None:
    named = {Path(reference).stem for reference in references(DOCUMENT) if not reference.startswith("#")}
    assert named == snapshots().keys()


def test_the_streams_carry_every_entity() -> None:
    assert DOCUMENT["channels"].keys() == STREAMS
    for stream, channel in DOCUMENT["channels"].items():
        assert channel["address"] == stream
        assert channel["messages"].keys() == CONTRACTS.keys()
    assert {operation["channel"]["$ref"] for operation in DOCUMENT["operations"].values()} == {
        f"#/channels/{stream}" for stream in STREAMS
    }


@pytest.mark.parametrize("name", CONTRACTS)
def test_each_message_is_that_of_its_entity(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    assert message["name"] == name
    assert message["payload"] == {"$ref": f"#/components/schemas/{name}"}
    envelope, own = DOCUMENT["components"]["schemas"][name]["allOf"]
    assert envelope == {"$ref": "./schemas/envelope.json"}
    assert own["properties"]["dataschema"] == {"const": CONTRACTS[name].dataschema}
    assert own["properties"]["data"]["anyOf"][0] == {"$ref": f"./schemas/{name}.json"}


def test_examples_are_as_their_schemas_say() -> None:
    examples = [
        (message["name"], example["payload"])
        for message in DOCUMENT["components"]["messages"].values()
        for example in message.get("examples", ())
    ]
    assert examples
    for name, payload in examples:
        validator(name).validate(payload)


def test_another_entity_under_the_name_is_refused() -> None:
    (example, _) = DOCUMENT["components"]["messages"]["practice"]["examples"]
    data = json.loads(msgspec.json.encode(Practice(id="p-1", name="Harbor Clinic")))
    good = {**example["payload"], "data": data}
    assert validator("practice").is_valid(good)
    assert not validator("provider").is_valid(good)
    assert not validator("practice").is_valid({**good, "data": {"id": "p-1"}})
    assert not validator("practice").is_valid({**good, "subject": "practice"})
