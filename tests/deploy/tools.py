"""Runs cfn-lint, checkov and copilot from their own virtual environment.

`make deploy-tools` creates it from `tests/deploy/tools.lock`. Without it, tests that need a tool are skipped;
with `MILLRACE_DEPLOY_TOOLS=required`, as in `make deploy-check`, they fail.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.deploy.names import REPOSITORY
from tests.support import platform

ENVIRONMENT = REPOSITORY / ".millrace" / "deploy-tools"
SECONDS = 240


def tool(name: str) -> Path:
    """Return the path of a tool; skip or fail the test if it isn't installed."""
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
    variables = {**inherited, "NO_COLOR": "1", **(environment or {})}
    return platform.run([str(tool(name)), *arguments], seconds=SECONDS, environment=variables, cwd=cwd)
