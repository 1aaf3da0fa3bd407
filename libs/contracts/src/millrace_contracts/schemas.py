"""JSON Schemas of everything on the feeds, and the snapshots of them under version control.

`python -m millrace_contracts.schemas check` compares the code with the snapshots (and, with `--since REVISION`, the
snapshots with those of an earlier Git revision; with `--history`, with those of all); `… write` renews the snapshots.
Neither lets an incompatible change pass under an old version: it needs the next one in the registry
(`urn:millrace:<entity>:2`).
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

from millrace_contracts.compatibility import Schema, incompatibilities
from millrace_contracts.envelope import Envelope
from millrace_contracts.registry import CONTRACTS

DIRECTORY = Path(__file__).parents[2] / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
ENVELOPE = "envelope"
ENVELOPE_VERSION = 1


def schemas() -> dict[str, Schema]:
    """All schemas as the code has them, by name: the envelope's and each entity's."""
    entities = {contract.name: _document(contract.type, contract.dataschema) for contract in CONTRACTS.values()}
    return {ENVELOPE: _envelope(), **entities}


def _document(kind: type[msgspec.Struct], identifier: str) -> dict[str, Any]:
    # Through JSON and back: msgspec leaves Python's tuples among the defaults.
    generated: dict[str, Any] = json.loads(json.dumps(_with_clean_texts(msgspec.json.schema(kind))))
    return {"$schema": DIALECT, "$id": identifier, **generated}


def _envelope() -> Schema:
    schema = _document(Envelope, f"urn:millrace:{ENVELOPE}:{ENVELOPE_VERSION}")
    attributes = schema["$defs"]["Envelope"]
    # The reader defaults it, but CloudEvents requires it, and every event carries it.
    attributes["required"] = ["specversion", *attributes["required"]]
    attributes["properties"]["data"] = {"type": ["object", "null"]}
    return schema


def _with_clean_texts(value: Any) -> Any:
    """Docstrings without the indentation that they have in the code."""
    if isinstance(value, dict):
        return {
            key: inspect.cleandoc(one) if key == "description" and isinstance(one, str) else _with_clean_texts(one)
            for key, one in value.items()
        }
    return value


def snapshots(directory: Path = DIRECTORY) -> dict[str, Schema]:
    """The snapshots in a directory, by name."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(directory.glob("*.json"))}


def snapshots_since(revision: str, directory: Path = DIRECTORY) -> dict[str, Schema]:
    """The snapshots as they were at a Git revision. Raises `CalledProcessError` where Git doesn't know it."""
    listed = _git(directory, "ls-tree", "--name-only", revision, "./").splitlines()
    names = [name for name in listed if name.endswith(".json")]
    return {Path(name).stem: json.loads(_git(directory, "show", f"{revision}:./{name}")) for name in names}


def revisions(directory: Path = DIRECTORY) -> list[str]:
    """The Git revisions that changed the snapshots, newest first; none where there is no Git or no history."""
    try:
        return _git(directory, "log", "--format=%H", "--", ".").split()
    except (OSError, subprocess.CalledProcessError):
        return []


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603 # no shell, our own words
    return done.stdout


def broken_promises(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> Iterator[str]:
    """Each incompatible change that doesn't come with a higher version, as one line."""
    for name, before in old.items():
        after = new.get(name)
        if after is None:
            yield f"{name}: the schema was removed, but its events are on the streams"
            continue
        if version(after) > version(before):
            continue
        if version(after) < version(before):
            yield f"{name}: the version fell from {version(before)} to {version(after)}"
        for change in incompatibilities(before, after):
            yield f"{name}: {change}; this needs version {version(before) + 1}"


def version(schema: Schema) -> int:
    """The last part of the schema's identifier."""
    return int(str(schema["$id"]).rpartition(":")[2])


def stale(code: Mapping[str, Schema], kept: Mapping[str, Schema]) -> Iterator[str]:
    """Each snapshot that isn't what the code has, as one line."""
    for name in sorted(code.keys() | kept.keys()):
        if code.get(name) != kept.get(name):
            yield f"{name}: the snapshot isn't what the code has; run `python -m millrace_contracts.schemas write`"


def write(code: Mapping[str, Schema], directory: Path = DIRECTORY) -> list[str]:
    """Renew the snapshots, all or none; returns what forbids it."""
    problems = list(broken_promises(snapshots(directory), code))
    if not problems:
        directory.mkdir(exist_ok=True)
        for name, schema in code.items():
            (directory / f"{name}.json").write_text(json.dumps(schema, indent=2) + "\n", "utf-8")
    return problems


def check(code: Mapping[str, Schema], directory: Path = DIRECTORY, since: Iterable[str] = ()) -> list[str]:
    """What is wrong with the code against the snapshots, and with the snapshots against earlier revisions."""
    kept = snapshots(directory)
    problems = list(broken_promises(kept, code)) or list(stale(code, kept))
    for revision in since:
        problems += broken_promises(snapshots_since(revision, directory), kept)
    return list(dict.fromkeys(problems))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status: 1 where something is wrong, which it says a line each."""
    parser = argparse.ArgumentParser(prog="python -m millrace_contracts.schemas", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("check", help="compare the code with the snapshots")
    checking.add_argument("--since", metavar="REVISION", help="compare the snapshots with those of this Git revision")
    checking.add_argument("--history", action="store_true", help="compare them with those of every Git revision")
    commands.add_parser("write", help="renew the snapshots")
    options = parser.parse_args(arguments)
    if options.command == "write":
        problems = write(schemas())
    else:
        earlier = [*([options.since] if options.since else ()), *(revisions() if options.history else ())]
        problems = check(schemas(), since=earlier)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
