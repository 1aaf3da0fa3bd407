"""`millrace import` at the command line."""

import asyncio
import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from millrace_directory.cli import app

from .support import Directory, content, individual


@pytest.fixture
def runner(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("MILLRACE_DIRECTORY_DATABASE_URL", directory.dsn)
    return CliRunner()


async def invoke(runner: CliRunner, *arguments: str) -> tuple[int, str, str]:
    """Run a command in a thread, as it starts an event loop; return exit code, stdout and stderr."""
    result = await asyncio.to_thread(runner.invoke, app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


async def test_summary_lists_rejects_by_reason(runner: CliRunner, tmp_path: Path) -> None:
    file, rejects = tmp_path / "file.csv", tmp_path / "rejects.csv"
    file.write_text(content([individual(1), individual(2) | {"NPI": "1000000138"}]))
    code, output, _ = await invoke(runner, "nppes", str(file), "--rejects", str(rejects))
    assert code == 0
    assert "individuals" in output
    assert "wrong NPI check digit" in output
    assert "2 rows in" in output
    assert [row["npi"] for row in csv.DictReader(rejects.open())] == ["1000000138"]


@pytest.mark.parametrize("text", ["", "id,name\n1,2\n"])
async def test_unusable_file_prints_one_line_and_exits_with_2(runner: CliRunner, tmp_path: Path, text: str) -> None:
    file = tmp_path / "file.csv"
    file.write_text(text)
    code, output, errors = await invoke(runner, "nppes", str(file))
    assert (code, output) == (2, "")
    assert len(errors.strip().splitlines()) == 1
    assert "NPPES file" in errors


async def test_missing_files_exit_with_2(runner: CliRunner, tmp_path: Path) -> None:
    for arguments in (["nppes", str(tmp_path / "no.csv")], ["qhp", str(tmp_path / "a"), str(tmp_path / "b")]):
        code, _, errors = await invoke(runner, *arguments)
        assert code == 2
        assert "No such file" in errors
        assert len(errors.strip().splitlines()) == 1


async def test_unreachable_database_exits_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_DIRECTORY_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    file = tmp_path / "file.csv"
    file.write_text(content([individual(1)]))
    code, _, errors = await invoke(CliRunner(), "nppes", str(file))
    assert code == 1
    assert "database" in errors
