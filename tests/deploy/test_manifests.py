"""Copilot's manifests contain no misspelled key, which Copilot would ignore."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from tests.deploy.manifests import Environment, Pipeline, Service, keys
from tests.deploy.names import COPILOT, ENVIRONMENTS, SERVICES
from tests.deploy.tools import tool

MANIFESTS: list[tuple[Path, type[BaseModel]]] = [
    *((COPILOT / service / "manifest.yml", Service) for service in SERVICES),
    *((COPILOT / "environments" / name / "manifest.yml", Environment) for name in ENVIRONMENTS),
    (COPILOT / "pipelines" / "main" / "manifest.yml", Pipeline),
]


UNTAGGED = {"branch", "repository", "environments"}
"""Keys without a YAML tag in Copilot's program: it reads them from a map or by the field's name."""


def keys_with_paths(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield each key of a document, as the path of its mapping and the key."""
    if isinstance(node, dict):
        for key, child in node.items():
            yield path, key
            yield from keys_with_paths(child, (*path, key))
    elif isinstance(node, list):
        for number, child in enumerate(node):
            yield from keys_with_paths(child, (*path, number))


def misspell_one_key(document: Any, path: tuple[str | int, ...], key: str) -> Any:
    """Return a copy of the document in which the last letter of one key is missing."""
    changed = copy.deepcopy(document)
    node = changed
    for step in path:
        node = node[step]
    node[key[:-1] or "x"] = node.pop(key)
    return changed


def has_free_keys(path: tuple[str | int, ...]) -> bool:
    """Return whether the keys of this mapping are names that we choose, such as those of variables and secrets."""
    given = {"variables", "secrets", "args", "sidecars", "volumes", "deployments", "post_deployments"}
    return bool(path) and path[-1] in given


@pytest.mark.parametrize(("manifest", "schema"), MANIFESTS, ids=lambda value: getattr(value, "parent", value))
def test_manifest_keys_are_known_to_copilot(manifest: Path, schema: type[BaseModel]) -> None:
    schema.model_validate(yaml.safe_load(manifest.read_text()))


@pytest.mark.parametrize(("manifest", "schema"), MANIFESTS, ids=lambda value: getattr(value, "parent", value))
def test_misspelt_key_is_found_anywhere(manifest: Path, schema: type[BaseModel]) -> None:
    document = yaml.safe_load(manifest.read_text())
    for path, key in keys_with_paths(document):
        if not has_free_keys(path):
            with pytest.raises(ValidationError):
                schema.model_validate(misspell_one_key(document, path, key))


@pytest.mark.deploy
@pytest.mark.parametrize("schema", [Service, Environment, Pipeline])
def test_schema_keys_are_in_copilots_program(schema: type[BaseModel]) -> None:
    tags = set(re.findall(rb'yaml:"([A-Za-z_]+)', tool("copilot").read_bytes()))
    unknown = {key for key in keys(schema) if key.encode() not in tags}
    assert unknown <= UNTAGGED


def test_every_service_is_in_every_stage_of_the_pipeline() -> None:
    pipeline = yaml.safe_load((COPILOT / "pipelines" / "main" / "manifest.yml").read_text())
    assert [stage["name"] for stage in pipeline["stages"]] == list(ENVIRONMENTS)
    assert all(set(stage["deployments"]) == set(SERVICES) for stage in pipeline["stages"])
    assert [stage.get("requires_approval", False) for stage in pipeline["stages"]] == [False, False, True]
