"""Error reporting shared by the service's commands."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from millrace_patients.crypto.kms_local import MasterKeyError
from millrace_patients.crypto.service_keys import NoRootKeyError
from millrace_platform.errors import Problem

FAILED = 1


@contextmanager
def report_errors() -> Iterator[None]:
    """Context manager of a command: print an error that the user can remedy as one line on stderr, and exit with 1."""
    try:
        yield
    except (MasterKeyError, NoRootKeyError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from error
    except Problem as problem:
        typer.echo("; ".join(error["detail"] for error in problem.errors) or str(problem), err=True)
        raise typer.Exit(FAILED) from problem
