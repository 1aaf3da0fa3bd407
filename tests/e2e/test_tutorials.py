"""The tutorials, as a newcomer follows them one after the other on a new platform."""

from pathlib import Path

import pytest

from tests.support.platform import REPOSITORY
from tests.support.tutorial import Reader, is_same_output, read_steps

TUTORIALS = [REPOSITORY / "docs" / "tutorial" / name for name in ("first-search.md", "first-booking.md")]


@pytest.mark.timeout(900)
def test_all_commands_of_the_tutorials_have_the_outputs_shown(tmp_path: Path) -> None:
    reader = Reader(tmp_path, options=("--demo-providers", "800"))
    reader.follow(*(page.read_text() for page in TUTORIALS))
    assert not (differences := reader.differences()), "\n\n".join(differences)


def test_steps_are_read_with_their_continuation_lines_and_outputs() -> None:
    first, second, third = read_steps(
        "Text\n\n```first-terminal\nmake up\n```\n```\n$ f() {\n  ls\n}\n$ f \\\n  -a\nx\n```\n"
    )
    assert first.is_platform
    assert (second.command, second.output) == ("f() {\n  ls\n}", "")
    assert (third.command, third.output) == ("f \\\n  -a", "x\n")


@pytest.mark.parametrize(
    ("shown", "actual", "same"),
    [
        ('{"state": "booked", "version": 1}', '{"state":"booked","version":2}', True),
        ('{"state": "booked"}', '{"state": "arrived"}', False),
        ('{"state": "booked"}', '{"state": "booked", "more": 1}', False),
        ('{"name": "Ada"}', '{"name": "Grace"}', True),
        ('{"items": [{"id": 1}, {"id": 2}]}', '{"items": [{"id": 1}]}', True),
        ("until 2026-11-24T09:30:00-07:00\n", "until 2027-01-02T10:00:00Z\n", True),
        ("3 rejected", "no rejects", False),
        ("clean\n", "", False),
    ],
)
def test_outputs_may_differ_in_ids_times_and_numbers_only(shown: str, actual: str, same: bool) -> None:
    assert is_same_output(shown, actual) is same
