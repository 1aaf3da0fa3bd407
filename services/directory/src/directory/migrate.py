"""Bring the directory's database to the newest revision: the `millrace.init` entry point of this package."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from millrace_platform.database import sqlalchemy_url
from millrace_platform.settings import PlatformSettings

LOCK_KEY = 0x6D696C6C_64697265
"""Advisory lock of the migrations ("milldire"): of several starting processes one migrates, the others wait for it."""
LOCK_TIMEOUT = "60s"


def configuration() -> Config:
    """Alembic's configuration for the migrations inside this package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


async def migrate(database_url: str) -> None:
    """Upgrade to head in one transaction: all revisions are applied or none. Raises on a lock held for over 60 s."""
    engine = create_async_engine(sqlalchemy_url(database_url))
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def init() -> None:
    """Idempotent: creates or upgrades the tables at `MILLRACE_DIRECTORY_DATABASE_URL`."""
    await migrate(PlatformSettings().directory_database_url)
