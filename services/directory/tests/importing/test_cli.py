"""`millrace import` at the command line."""

import asyncio
import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from millrace_directory.importing.cli import app

from .support import Directory, content, individual


@pytest.fixture
def runner(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("MILLRACE_DIRECTORY_DATABASE_URL", directory.dsn)
    return CliRunner()


async def in_thread(runner: CliRunner, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and messages of a command; it runs an event loop, so it needs a thread of its own."""
    result = await asyncio.to_thread(runner.invoke, app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


async def test_a_summary_by_reason(runner: CliRunner, tmp_path: Path) -> None:
    file, rejects = tmp_path / "file.csv", tmp_path / "rejects.csv"
    file.write_text(content([individual(1), individual(2) | {"NPI": "1000000138"}]))
    code, shown, _ = await in_thread(runner, "nppes", str(file), "--rejects", str(rejects))
    assert code == 0
    assert "individuals" in shown
    assert "wrong NPI check digit" in shown
    assert "2 rows in" in shown
    assert [row["npi"] for row in csv.DictReader(rejects.open())] == ["1000000138"]


@pytest.mark.parametrize("text", ["", "id,name\n1,2\n"])
async def test_a_file_of_something_else_is_one_line_and_exit_code_2(
    runner: CliRunner, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "file.csv"
    file.write_text(text)
    code, shown, said = await in_thread(runner, "nppes", str(file))
    assert (code, shown) == (2, "")
    assert len(said.strip().splitlines()) == 1
    assert "NPPES file" in said


async def test_files_that_are_not_there(runner: CliRunner, tmp_path: Path) -> None:
    for arguments in (["nppes", str(tmp_path / "no.csv")], ["qhp", str(tmp_path / "a"), str(tmp_path / "b")]):
        code, _, said = await in_thread(runner, *arguments)
        assert code == 2
        assert "No such file" in said
        assert len(said.strip().splitlines()) == 1


async def test_a_database_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_DIRECTORY_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    file = tmp_path / "file.csv"
    file.write_text(content([individual(1)]))
    code, _, said = await in_thread(CliRunner(), "nppes", str(file))
    assert code == 1
    assert "database" in said
