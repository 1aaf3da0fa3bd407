"""The reference pages agree with the code."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from millrace_contracts.entities import Address, Entity, Opening, Position
from millrace_contracts.envelope import Envelope
from millrace_contracts.registry import CONTRACTS
from millrace_refinery.settings import RefinerySettings

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


def rows(page: str) -> list[tuple[str, str]]:
    """Return the first and second cell of all table rows."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    return re.findall(r"^\| (`.*?) \| (.*?) \|", text, re.MULTILINE)


def section(page: str, title: str) -> str:
    text = (REFERENCE / page).read_text(encoding="utf-8")
    return text.partition(f"\n{title}\n")[2].partition("\n#")[0]


def fields(entity: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(entity)}


def test_settings_page_lists_every_setting_with_its_default() -> None:
    documented = {name.strip("`"): default.strip("`") for name, default in rows("settings.md")}
    for name, field in RefinerySettings.model_fields.items():
        variable = str(field.validation_alias or f"millrace_{name}").upper()
        default = "none" if field.default is None else str(field.default)
        if isinstance(field.default, tuple):  # written in the environment as JSON
            default = json.dumps(field.default)
        assert documented.get(variable) == default, variable


@pytest.mark.parametrize("name", CONTRACTS)
def test_events_page_lists_every_entity_with_its_fields(name: str) -> None:
    text = section("events.md", f"### {name}")
    listed = {
        field for cell in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for field in cell.strip("`").split("`, `")
    }
    assert listed == fields(CONTRACTS[name].type)
    assert f"Subject `{name}/" + "/".join(f"<{field}>" for field in CONTRACTS[name].key) + "`" in text


@pytest.mark.parametrize("part", [Address, Position])
def test_events_page_lists_parts_of_entities(part: type[Entity]) -> None:
    text = section("events.md", "### address, position")
    assert all(f"`{field}`" in text for field in fields(part))


def test_events_page_lists_the_fields_of_openings() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \|", section("events.md", "### opening"), re.MULTILINE))
    assert listed == fields(Opening)


def test_events_page_lists_the_fields_of_the_envelope() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \|", section("events.md", "## Envelope"), re.MULTILINE))
    assert listed == fields(Envelope)
