"""Generates the JSON Schemas of all events, and compares them with the snapshots under version control.

`python -m millrace_contracts.schemas check` compares the code with the snapshots and the rendered AsyncAPI page (and,
with `--since REVISION`, the snapshots with those of an earlier Git revision; with `--history`, with those of all);
`… write` updates snapshots and page. Both reject an incompatible change unless the entity has a higher version in the
registry (`urn:millrace:<entity>:2`).
"""

import argparse
import inspect
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from millrace_contracts.asyncapi import COMMAND, find_stale_page, write_page
from millrace_contracts.compatibility import Schema, find_incompatibilities
from millrace_contracts.envelope import Envelope
from millrace_contracts.registry import CONTRACTS

DIRECTORY = Path(__file__).parents[2] / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
ENVELOPE = "envelope"
ENVELOPE_VERSION = 1


def generate_schemas() -> dict[str, Schema]:
    """Generate the schemas of the envelope and of each entity; return them by name."""
    entities = {contract.name: _document(contract.type, contract.dataschema) for contract in CONTRACTS.values()}
    return {ENVELOPE: _envelope(), **entities}


def _document(kind: type[msgspec.Struct], identifier: str) -> dict[str, Any]:
    # The round trip through JSON converts the tuples that msgspec leaves among the defaults.
    generated: dict[str, Any] = json.loads(json.dumps(_clean_descriptions(msgspec.json.schema(kind))))
    return {"$schema": DIALECT, "$id": identifier, **generated}


def _envelope() -> Schema:
    schema = _document(Envelope, f"urn:millrace:{ENVELOPE}:{ENVELOPE_VERSION}")
    attributes = schema["$defs"]["Envelope"]
    # Optional for our readers, but CloudEvents requires it, and every event has it.
    attributes["required"] = ["specversion", *attributes["required"]]
    attributes["properties"]["data"] = {"type": ["object", "null"]}
    return schema


def _clean_descriptions(value: Any) -> Any:
    """Remove the indentation from descriptions, which are docstrings."""
    if isinstance(value, dict):
        return {
            key: inspect.cleandoc(one) if key == "description" and isinstance(one, str) else _clean_descriptions(one)
            for key, one in value.items()
        }
    return value


def load_snapshots(directory: Path = DIRECTORY) -> dict[str, Schema]:
    """Return the snapshots in a directory by name."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(directory.glob("*.json"))}


def load_snapshots_at(revision: str, directory: Path = DIRECTORY) -> dict[str, Schema]:
    """Return the snapshots at a Git revision; raise `CalledProcessError` for an unknown revision."""
    listed = _git(directory, "ls-tree", "--name-only", revision, "./").splitlines()
    names = [name for name in listed if name.endswith(".json")]
    return {Path(name).stem: json.loads(_git(directory, "show", f"{revision}:./{name}")) for name in names}


def list_revisions(directory: Path = DIRECTORY) -> list[str]:
    """Return the Git revisions that changed the snapshots, newest first; empty without Git or history."""
    try:
        return _git(directory, "log", "--format=%H", "--", ".").split()
    except (OSError, subprocess.CalledProcessError):
        return []


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603 # no shell, constant arguments
    return done.stdout


def find_incompatible_changes(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> Iterator[str]:
    """Yield a line for each incompatible change without a higher version."""
    for name, before in old.items():
        after = new.get(name)
        if after is None:
            yield f"{name}: the schema was removed, but its events are on the streams"
            continue
        if version(after) > version(before):
            continue
        if version(after) < version(before):
            yield f"{name}: the version fell from {version(before)} to {version(after)}"
        for change in find_incompatibilities(before, after):
            yield f"{name}: {change}; this needs version {version(before) + 1}"


def version(schema: Schema) -> int:
    """Return the version, the last part of the schema's `$id`."""
    return int(str(schema["$id"]).rpartition(":")[2])


def find_stale_snapshots(code: Mapping[str, Schema], stored: Mapping[str, Schema]) -> Iterator[str]:
    """Yield a line for each snapshot that differs from the code."""
    for name in sorted(code.keys() | stored.keys()):
        if code.get(name) != stored.get(name):
            yield f"{name}: the snapshot differs from the code; run `{COMMAND}`"


def write_snapshots(code: Mapping[str, Schema], directory: Path = DIRECTORY) -> list[str]:
    """Write a snapshot of each schema, or none if any changed incompatibly; return the incompatible changes."""
    problems = list(find_incompatible_changes(load_snapshots(directory), code))
    if not problems:
        directory.mkdir(exist_ok=True)
        for name, schema in code.items():
            (directory / f"{name}.json").write_text(json.dumps(schema, indent=2) + "\n", "utf-8")
    return problems


def check_snapshots(code: Mapping[str, Schema], directory: Path = DIRECTORY, since: Iterable[str] = ()) -> list[str]:
    """Return the problems of the code against the snapshots, and of the snapshots against earlier revisions."""
    stored = load_snapshots(directory)
    problems = list(find_incompatible_changes(stored, code)) or list(find_stale_snapshots(code, stored))
    for revision in since:
        problems += find_incompatible_changes(load_snapshots_at(revision, directory), stored)
    return list(dict.fromkeys(problems))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; print the problems to stderr and return the exit status, 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m millrace_contracts.schemas", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("check", help="compare the code with the snapshots and the page")
    checking.add_argument("--since", metavar="REVISION", help="compare the snapshots with those of this Git revision")
    checking.add_argument("--history", action="store_true", help="compare them with those of every Git revision")
    commands.add_parser("write", help="write the snapshots and the page")
    options = parser.parse_args(arguments)
    schemas = generate_schemas()
    if options.command == "check":
        earlier = [*([options.since] if options.since else ()), *(list_revisions() if options.history else ())]
        problems = [*check_snapshots(schemas, since=earlier), *find_stale_page(schemas)]
    elif not (problems := write_snapshots(schemas)):
        write_page(schemas)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
