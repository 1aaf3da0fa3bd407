"""Error reporting shared by the service's commands."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from millrace_feeds.errors import FeedError
from millrace_patients.crypto.kms_local import MasterKeyError
from millrace_patients.crypto.service_keys import NoRootKeyError
from millrace_platform.errors import Problem


@contextmanager
def report_errors() -> Iterator[None]:
    """Context manager of a command: print an error that the user can remedy as one line on stderr, and exit with 1."""
    try:
        yield
    except (MasterKeyError, NoRootKeyError, Problem, FeedError) as error:
        details = [each["detail"] for each in error.errors] if isinstance(error, Problem) else []
        typer.echo("; ".join(details) or str(error), err=True)
        raise typer.Exit(1) from error
