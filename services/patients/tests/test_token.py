"""The command `millrace token`: its tokens carry roles but open no personal data."""

import time
from pathlib import Path

import pytest
import typer

from millrace_patients.signing.cli import token

from .running import PRACTICE, run_command, running, set_environment, settings_for

COMMAND = typer.Typer()
COMMAND.command()(token)


async def test_token_has_its_roles_but_opens_no_personal_data(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(postgres_dsn, patients_signing_keys=None)
    set_environment(monkeypatch, settings)
    async with running(settings) as service:
        patient = await service.patient("ada@example.org")
        printed = await run_command(COMMAND, "--role", "staff", "--practice", PRACTICE, "--role", "support")
        assert printed.exit_code == 0, printed.output
        # The command uses the system clock, the service a manual one.
        service.clock.now = time.time()
        principal = await service.app.state.verifier.verify(printed.stdout.strip())
        assert (principal.roles, principal.practices) == ({"staff", "support"}, {PRACTICE})

        headers = {"Authorization": f"Bearer {printed.stdout.strip()}", "Purpose-Of-Use": "TREAT"}
        assert (await service.client.get(patient.path, headers=headers)).status_code == 401


@pytest.mark.parametrize("arguments", [("--role", "staff"), ("--role", "admin", "--practice", PRACTICE)])
async def test_staff_requires_a_practice_and_practices_require_staff(arguments: tuple[str, ...]) -> None:
    refused = await run_command(COMMAND, *arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")


async def test_command_fails_with_an_external_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_PATIENTS_IDENTITY", "cognito")
    assert (await run_command(COMMAND, "--role", "admin")).exit_code == 2


async def test_missing_master_key_is_reported_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = tmp_path / "none"
    monkeypatch.setenv("MILLRACE_PATIENTS_MASTER_KEY_FILE", str(missing))
    refused = await run_command(COMMAND, "--role", "admin")
    assert refused.exit_code == 1
    assert refused.stderr.splitlines() == [
        f"No master key at {missing}: run `millrace init`, or set MILLRACE_PATIENTS_MASTER_KEYS."
    ]
