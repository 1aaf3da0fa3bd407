"""Settings of the directory beyond the platform's; variables begin with `MILLRACE_DIRECTORY_`."""

from pydantic import Field

from millrace_platform.settings import CallerKeys, PlatformSettings


class DirectorySettings(PlatformSettings):
    directory_database_url: str = Field("postgresql://127.0.0.1:5432/directory", repr=False)
    directory_leases_table: str = "millrace-directory-leases"
    operator_directory_keys: CallerKeys = ()
    """Keys of `millrace` commands for requests to this service; only platforms on one machine have them."""
