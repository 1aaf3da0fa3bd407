"""Errors that end an import. Each has a text of one line for the command line."""


class ImportFailedError(Exception):
    """The import can't continue. `exit_code` is the command's."""

    exit_code = 1


class UnusableFileError(ImportFailedError):
    """The file doesn't exist, is damaged, or has another format."""

    exit_code = 2


class ImportDatabaseError(ImportFailedError):
    """The database can't be reached or fails. Committed rows stay, and the import can be continued."""


class ImportRunningError(ImportFailedError):
    """Another import is writing to this database."""
