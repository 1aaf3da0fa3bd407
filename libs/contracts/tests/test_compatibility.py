"""Within a version only optional fields may be added."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from millrace_contracts.compatibility import find_incompatibilities

OLD: dict[str, Any] = {
    "$id": "urn:millrace:visit:1",
    "$ref": "#/$defs/Visit",
    "$defs": {
        "Visit": {
            "title": "Visit",
            "description": "A visit.",
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "state": {"enum": ["booked", "done"]},
                "minutes": {"type": "integer"},
                "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
                "place": {"anyOf": [{"$ref": "#/$defs/Place"}, {"type": "null"}], "default": None},
                "tags": {"type": "array", "items": {"type": "string"}, "default": []},
                "legs": {"type": "array", "items": {"$ref": "#/$defs/Place"}, "default": []},
            },
            "required": ["id", "state", "minutes"],
        },
        "Place": {
            "type": "object",
            "properties": {"zip": {"type": "string"}, "within": {"$ref": "#/$defs/Place"}},
            "required": ["zip"],
        },
    },
}

Change = Callable[[dict[str, Any], dict[str, Any]], object]


def apply_change(change: Change) -> dict[str, Any]:
    """Apply `change(properties, visit)` to a copy of the schema."""
    new = copy.deepcopy(OLD)
    visit = new["$defs"]["Visit"]
    change(visit["properties"], visit)
    return new


COMPATIBLE: dict[str, Change] = {
    "nothing": lambda fields, visit: None,
    "a new optional field": lambda fields, visit: fields.update(room={"type": "string", "default": ""}),
    "another description": lambda fields, visit: visit.update(description="An appointment."),
    "a described field": lambda fields, visit: fields["id"].update(description="Its id."),
    "another order of fields": lambda fields, visit: fields.update(id=fields.pop("id")),
    "another order of alternatives": lambda fields, visit: fields["note"]["anyOf"].reverse(),
    "another order of required": lambda fields, visit: visit["required"].reverse(),
    "an inlined definition": lambda fields, visit: fields["legs"].update(items=copy.deepcopy(OLD["$defs"]["Place"])),
}

INCOMPATIBLE: dict[str, tuple[Change, str]] = {
    "a removed field": (lambda fields, visit: fields.pop("note"), "$.note"),
    "a renamed field": (lambda fields, visit: fields.update(remark=fields.pop("note")), "$.note"),
    "a new required field": (
        lambda fields, visit: (fields.update(room={"type": "string"}), visit["required"].append("room")),
        "$.room",
    ),
    "a new field without a default": (lambda fields, visit: fields.update(room={"type": "string"}), "$.room"),
    "an optional field that is required": (lambda fields, visit: visit["required"].append("note"), "$.note"),
    "a required field that is optional": (lambda fields, visit: visit["required"].remove("minutes"), "$.minutes"),
    "another type": (lambda fields, visit: fields.update(minutes={"type": "string"}), "$.minutes"),
    "a narrower type": (lambda fields, visit: fields.update(note={"type": "string", "default": None}), "$.note"),
    "a wider number": (lambda fields, visit: fields.update(minutes={"type": "number"}), "$.minutes"),
    "one alternative more": (lambda fields, visit: fields["note"]["anyOf"].append({"type": "integer"}), "$.note"),
    "a value less": (lambda fields, visit: fields.update(state={"enum": ["booked"]}), "$.state"),
    "a value more": (lambda fields, visit: fields["state"]["enum"].append("lost"), "$.state"),
    "a text limited to values": (lambda fields, visit: fields.update(id={"enum": ["a", "b"]}), "$.id"),
    "values that become any text": (lambda fields, visit: fields.update(state={"type": "string"}), "$.state"),
    "another default": (lambda fields, visit: fields["tags"].update(default=["new"]), "$.tags"),
    "another type of items": (lambda fields, visit: fields["tags"].update(items={"type": "integer"}), "$.tags[]"),
    "items of no given type": (lambda fields, visit: fields["tags"].pop("items"), "$.tags"),
    "a new limit": (lambda fields, visit: fields["id"].update(maxLength=3), "$.id"),
    "no more unknown fields": (lambda fields, visit: visit.update(additionalProperties=False), "$"),
}


@pytest.mark.parametrize("change", COMPATIBLE.values(), ids=COMPATIBLE)
def test_compatible(change: Change) -> None:
    assert find_incompatibilities(OLD, apply_change(change)) == []


@pytest.mark.parametrize(("change", "field"), INCOMPATIBLE.values(), ids=INCOMPATIBLE)
def test_incompatible(change: Change, field: str) -> None:
    lines = find_incompatibilities(OLD, apply_change(change))
    assert lines
    assert {line.partition(": ")[0] for line in lines} == {field}


@pytest.mark.parametrize("path", ["$.place", "$.legs[]"])
def test_referenced_definitions_are_compared(path: str) -> None:
    new = copy.deepcopy(OLD)
    new["$defs"]["Place"]["required"].append("country")
    new["$defs"]["Place"]["properties"]["country"] = {"type": "string"}
    assert f"{path}.country" in {line.partition(": ")[0] for line in find_incompatibilities(OLD, new)}


def test_definitions_may_be_renamed() -> None:
    new = copy.deepcopy(OLD)
    new["$defs"]["Spot"] = new["$defs"].pop("Place")
    new["$defs"]["Spot"]["properties"]["within"] = {"$ref": "#/$defs/Spot"}
    new["$defs"]["Visit"]["properties"]["place"]["anyOf"][0] = {"$ref": "#/$defs/Spot"}
    new["$defs"]["Visit"]["properties"]["legs"]["items"] = {"$ref": "#/$defs/Spot"}
    assert find_incompatibilities(OLD, new) == []
