"""The AsyncAPI document has the same streams, entities and schemas as the code."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from millrace_contracts import asyncapi
from millrace_contracts.entities import Practice
from millrace_contracts.envelope import Envelope
from millrace_contracts.registry import CONTRACTS
from millrace_contracts.schemas import DIRECTORY, load_snapshots, main

ROOT = asyncapi.DOCUMENT.parent
DOCUMENT: dict[str, Any] = yaml.safe_load(asyncapi.DOCUMENT.read_text("utf-8"))
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
    # Without `$id`, because the document refers to schema files by path.
    resources = {uri: {key: value for key, value in each.items() if key != "$id"} for uri, each in files.items()}
    registry: Registry[Any] = Registry().with_resources(
        (uri, DRAFT202012.create_resource(contents)) for uri, contents in {BASE: DOCUMENT, **resources}.items()
    )
    return Draft202012Validator({"$ref": f"{BASE}#/components/schemas/{name}"}, registry=registry)


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
    assert envelope == {"$ref": "#/components/schemas/envelope"}
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


def page_fields(title: str) -> dict[str, tuple[str, ...]]:
    """Return type, required and description of each field in a section of the page, by name."""
    section = asyncapi.render_page(load_snapshots()).partition(f"# {title}\n")[2].partition("\n#")[0]
    return {
        name: tuple(rest)
        for name, *rest in re.findall(r"^\| `([\w.\[\]]+)` \| (.+) \| (.+) \| (.*) \|$", section, re.M)
    }


@pytest.mark.parametrize(
    ("title", "struct"), [("Envelope", Envelope), *((name, contract.type) for name, contract in CONTRACTS.items())]
)
def test_page_describes_every_field(title: str, struct: type[msgspec.Struct]) -> None:
    fields = page_fields(title)
    assert {name for name in fields if "." not in name} == set(struct.__struct_encode_fields__)
    assert all(description for _, _, description in fields.values())


def test_page_resolves_nested_schemas() -> None:
    assert page_fields("availability")["openings[].modes"] == (
        "array of `in_person`, `video`",
        'no, default `["in_person"]`',
        "How the visit can take place, sorted.",
    )
    assert page_fields("location")["position.lat"] == ("number", "yes", "Degrees of latitude (WGS 84).")
    assert page_fields("appointment")["moved_from"][0] == "string or null (date-time)"
    assert page_fields("appointment")["cancelled_by"][0] == "`patient`, `practice` or null"


def test_page_names_key_and_occasion_of_a_message() -> None:
    page = asyncapi.render_page(load_snapshots())
    assert "| published when | A waitlist offer was made, taken or expired |" in page
    assert "| key (`subject` and partition key) | `availability/<npi>/<provider_location_id>/<week>` |" in page
    assert "| `projectEntities` | receive | `entities` |" in page


def test_changed_schema_makes_the_page_stale_until_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    schemas = load_snapshots()
    monkeypatch.setattr(asyncapi, "PAGE", tmp_path / "asyncapi.md")
    asyncapi.write_page(schemas)
    assert main(["check"]) == 0
    schemas["patient"]["$defs"]["Patient"]["properties"]["state"]["enum"].append("merged")
    asyncapi.write_page(schemas)
    assert main(["check"]) == 1
    assert "docs/reference/asyncapi.md" in (error := capsys.readouterr().err)
    assert "run `python -m millrace_contracts.schemas write`" in error
