"""Runs the real tools cfn-lint, checkov and copilot in their own environment.

`make deploy-tools` creates it from `tests/deploy/tools.lock`. Without it, tests that need a tool are skipped;
with `MILLRACE_DEPLOY_TOOLS=required`, as in `make deploy-check`, they fail.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.deploy.names import REPOSITORY

ENVIRONMENT = REPOSITORY / ".millrace" / "deploy-tools"
SECONDS = 240


def tool(name: str) -> Path:
    """Return the tool's program; skip or fail the test if it is missing."""
    program = ENVIRONMENT / "bin" / name
    if not program.exists():
        message = f"{name} is missing: run `make deploy-tools`"
        if os.environ.get("MILLRACE_DEPLOY_TOOLS") == "required":
            pytest.fail(message)
        pytest.skip(message)
    return program


def run(
    name: str, *arguments: str, environment: Mapping[str, str] | None = None, cwd: Path = REPOSITORY
) -> subprocess.CompletedProcess[str]:
    """Run a tool. Its environment contains only the given variables, PATH and HOME."""
    inherited = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return subprocess.run(
        [str(tool(name)), *arguments],
        env={**inherited, "NO_COLOR": "1", **(environment or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
