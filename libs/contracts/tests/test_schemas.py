"""The snapshots are what the code has, and change by the rules."""

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
from millrace_contracts.schemas import check, main, revisions, schemas, snapshots, write

from .strategies import entities


def provider(schema_set: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = schema_set["provider"]["$defs"]["Provider"]
    return fields


@pytest.fixture
def code() -> dict[str, Any]:
    return copy.deepcopy(dict(schemas()))


def test_the_snapshots_under_version_control_are_what_the_code_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0, capsys.readouterr().err
    assert snapshots().keys() == {"envelope", *CONTRACTS}


def test_schemas_are_valid_and_carry_their_version() -> None:
    for name, schema in schemas().items():
        Draft202012Validator.check_schema(schema)
        assert schema["$id"] == f"urn:millrace:{name}:{CONTRACTS[name].version if name in CONTRACTS else 1}"


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
@given(data=st.data())
@settings(max_examples=20)
def test_what_is_written_is_as_its_schema_says(contract: Contract[Entity], data: st.DataObject) -> None:
    entity = data.draw(entities(contract.type))
    Draft202012Validator(schemas()[contract.name]).validate(json.loads(msgspec.json.encode(entity)))


def test_an_optional_field_more_needs_a_new_snapshot_only(tmp_path: Path, code: dict[str, Any]) -> None:
    assert write(code, tmp_path) == []
    provider(code)["properties"]["pronouns"] = {"type": "string", "default": ""}
    (told,) = check(code, tmp_path)
    assert told.startswith("provider: the snapshot isn't what the code has")
    assert write(code, tmp_path) == []
    assert check(code, tmp_path) == []


def test_an_incompatible_change_is_refused_and_nothing_written(tmp_path: Path, code: dict[str, Any]) -> None:
    write(code, tmp_path)
    before = snapshots(tmp_path)
    del provider(code)["properties"]["middle_name"]
    (told,) = write(code, tmp_path)
    assert told == "provider: $.middle_name: the field was removed; this needs version 2"
    assert check(code, tmp_path) == [told]
    assert snapshots(tmp_path) == before


def test_an_incompatible_change_passes_with_the_next_version(tmp_path: Path, code: dict[str, Any]) -> None:
    write(code, tmp_path)
    del provider(code)["properties"]["middle_name"]
    code["provider"]["$id"] = "urn:millrace:provider:2"
    assert write(code, tmp_path) == []
    assert snapshots(tmp_path)["provider"]["$id"] == "urn:millrace:provider:2"
    code["provider"]["$id"] = "urn:millrace:provider:1"
    assert check(code, tmp_path)[0] == "provider: the version fell from 2 to 1"


def test_an_entity_that_is_gone_is_refused(tmp_path: Path, code: dict[str, Any]) -> None:
    write(code, tmp_path)
    del code["provider"]
    assert check(code, tmp_path) == ["provider: the schema was removed, but its events are on the streams"]


def test_snapshots_edited_together_with_the_code_are_seen_against_an_earlier_revision(
    tmp_path: Path, code: dict[str, Any]
) -> None:
    write(code, tmp_path)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "Begin"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    del provider(code)["properties"]["middle_name"]
    (tmp_path / "provider.json").write_text(json.dumps(code["provider"]))
    assert check(code, tmp_path) == []
    told = ["provider: $.middle_name: the field was removed; this needs version 2"]
    assert check(code, tmp_path, since=["HEAD"]) == told
    subprocess.run([*git, "commit", "-qam", "Go on"], cwd=tmp_path, check=True)
    assert check(code, tmp_path, since=["HEAD"]) == [], "nothing of it is left to be seen in the last revision"
    assert check(code, tmp_path, since=revisions(tmp_path)) == told


def test_without_history_there_is_nothing_to_compare_with(tmp_path: Path, code: dict[str, Any]) -> None:
    write(code, tmp_path)
    assert revisions(tmp_path) == []
