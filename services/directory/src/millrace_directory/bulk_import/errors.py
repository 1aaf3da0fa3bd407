"""Errors that end an import. The text of each is one line for the command line."""

from millrace_directory.bulk_import.stats import ImportStats


class ImportFailedError(Exception):
    """Raised if an import can't continue. `exit_code` is that of the command.

    `stats` counts the rows that were imported before; it is None if the import didn't begin.
    """

    exit_code = 1
    stats: ImportStats | None = None


class UnusableFileError(ImportFailedError):
    """Raised if the file doesn't exist, is damaged, or has another format."""

    exit_code = 2


class ImportDatabaseError(ImportFailedError):
    """Raised if the database fails or contains an invalid row. Committed rows stay; the import can be continued."""


class ImportRunningError(ImportFailedError):
    """Raised if another import is writing to this database."""
