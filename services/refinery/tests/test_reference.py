"""The page of settings agrees with the code."""

import json
import re
from pathlib import Path

from millrace_refinery.settings import RefinerySettings

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


def rows(page: str) -> list[tuple[str, str]]:
    """Return the first and second cell of all table rows."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    return re.findall(r"^\| (`.*?) \| (.*?) \|", text, re.MULTILINE)


def test_settings_page_lists_every_setting_with_its_default() -> None:
    documented = {name.strip("`"): default.strip("`") for name, default in rows("settings.md")}
    for name, field in RefinerySettings.model_fields.items():
        variable = str(field.validation_alias or f"millrace_{name}").upper()
        default = "none" if field.default is None else str(field.default)
        if isinstance(field.default, tuple):  # written in the environment as JSON
            default = json.dumps(field.default)
        assert documented.get(variable) == default, variable
