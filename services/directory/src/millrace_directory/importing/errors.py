"""What ends an import, each as one line for the person at the command line."""


class ImportFault(Exception):  # noqa: N818 # the base of what can go wrong, not itself raised
    """The import can't go on. `exit_code` is the command's."""

    exit_code = 1


class UnusableFileError(ImportFault):
    """The file isn't there, is damaged, or isn't what it should be."""

    exit_code = 2


class DatabaseFault(ImportFault):
    """The database can't be reached, or fails; what was committed stays, and the import can be continued."""


class BusyError(ImportFault):
    """Another import writes to this database."""
