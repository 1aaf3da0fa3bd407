"""The page of settings agrees with the code."""

import json
import re
from pathlib import Path

from pydantic_settings import NoDecode

from millrace_refinery.settings import RefinerySettings

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


def rows(page: str) -> list[tuple[str, str]]:
    """Return each name in the first cell of a table row, with the row's second cell."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`.*?) \| (.*?) \|", text, re.MULTILINE)
    return [(name, second) for first, second in cells for name in re.findall(r"`(.*?)`", first)]


def test_settings_page_lists_every_setting_with_its_default() -> None:
    documented = {name: default.strip("`") for name, default in rows("settings.md")}
    for name, field in RefinerySettings.model_fields.items():
        variable = str(field.validation_alias or f"millrace_{name}").upper()
        default = "none" if field.default is None else str(field.default)
        if isinstance(field.default, tuple):  # JSON, except keys, which commas separate
            default = "none" if NoDecode in field.metadata else json.dumps(field.default)
        assert documented.get(variable) == default, variable
