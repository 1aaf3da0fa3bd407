"""The snapshots match the code and change only compatibly."""

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from millrace_contracts.entities import Entity
from millrace_contracts.registry import CONTRACTS, Contract
from millrace_contracts.schemas import (
    check_snapshots,
    generate_schemas,
    list_revisions,
    load_snapshots,
    main,
    write_snapshots,
)

from .strategies import entities


def provider(schemas: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = schemas["provider"]["$defs"]["Provider"]
    return fields


@pytest.fixture
def code() -> dict[str, Any]:
    return copy.deepcopy(dict(generate_schemas()))


def test_snapshots_match_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0, capsys.readouterr().err
    assert load_snapshots().keys() == {"envelope", *CONTRACTS}


def test_schemas_are_valid_and_have_version() -> None:
    for name, schema in generate_schemas().items():
        Draft202012Validator.check_schema(schema)
        assert schema["$id"] == f"urn:millrace:{name}:{CONTRACTS[name].version if name in CONTRACTS else 1}"


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
@given(data=st.data())
@settings(max_examples=20)
def test_encoded_entities_match_schema(contract: Contract[Entity], data: st.DataObject) -> None:
    entity = data.draw(entities(contract.type))
    Draft202012Validator(generate_schemas()[contract.name]).validate(json.loads(msgspec.json.encode(entity)))


def test_new_optional_field_needs_only_new_snapshot(tmp_path: Path, code: dict[str, Any]) -> None:
    assert write_snapshots(code, tmp_path) == []
    provider(code)["properties"]["pronouns"] = {"type": "string", "default": ""}
    (problem,) = check_snapshots(code, tmp_path)
    assert problem.startswith("provider: the snapshot differs from the code")
    assert write_snapshots(code, tmp_path) == []
    assert check_snapshots(code, tmp_path) == []


def test_incompatible_change_is_rejected_and_nothing_written(tmp_path: Path, code: dict[str, Any]) -> None:
    write_snapshots(code, tmp_path)
    before = load_snapshots(tmp_path)
    del provider(code)["properties"]["middle_name"]
    (problem,) = write_snapshots(code, tmp_path)
    assert problem == "provider: $.middle_name: the field was removed; this needs version 2"
    assert check_snapshots(code, tmp_path) == [problem]
    assert load_snapshots(tmp_path) == before


def test_incompatible_change_is_accepted_with_next_version(tmp_path: Path, code: dict[str, Any]) -> None:
    write_snapshots(code, tmp_path)
    del provider(code)["properties"]["middle_name"]
    code["provider"]["$id"] = "urn:millrace:provider:2"
    assert write_snapshots(code, tmp_path) == []
    assert load_snapshots(tmp_path)["provider"]["$id"] == "urn:millrace:provider:2"
    code["provider"]["$id"] = "urn:millrace:provider:1"
    assert check_snapshots(code, tmp_path)[0] == "provider: the version fell from 2 to 1"


def test_removed_entity_is_rejected(tmp_path: Path, code: dict[str, Any]) -> None:
    write_snapshots(code, tmp_path)
    del code["provider"]
    assert check_snapshots(code, tmp_path) == ["provider: the schema was removed, but its events are on the streams"]


def test_snapshots_are_compared_with_earlier_revisions(tmp_path: Path, code: dict[str, Any]) -> None:
    write_snapshots(code, tmp_path)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "Begin"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    del provider(code)["properties"]["middle_name"]
    (tmp_path / "provider.json").write_text(json.dumps(code["provider"]))
    assert check_snapshots(code, tmp_path) == []
    problem = ["provider: $.middle_name: the field was removed; this needs version 2"]
    assert check_snapshots(code, tmp_path, since=["HEAD"]) == problem
    subprocess.run([*git, "commit", "-qam", "Go on"], cwd=tmp_path, check=True)
    assert check_snapshots(code, tmp_path, since=["HEAD"]) == [], "the last revision contains the change"
    assert check_snapshots(code, tmp_path, since=list_revisions(tmp_path)) == problem


def test_no_revisions_without_history(tmp_path: Path, code: dict[str, Any]) -> None:
    write_snapshots(code, tmp_path)
    assert list_revisions(tmp_path) == []
