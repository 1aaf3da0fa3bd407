"""Migrates the directory's database to the newest revision; the `millrace.init` entry point of this package."""

from pathlib import Path

from millrace_directory.settings import DirectorySettings
from millrace_platform.migrations import Migrations

migrate = Migrations(Path(__file__).with_name("migrations"), lock_key=0x6D696C6C_64697265).apply  # "milldire"


async def init() -> None:
    """Create or upgrade the tables at `MILLRACE_DIRECTORY_DATABASE_URL`, idempotently."""
    await migrate(DirectorySettings().directory_database_url)
