"""A service's database brought to its newest revision, by Alembic."""

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from millrace_platform.database import sqlalchemy_url

LOCK_TIMEOUT = "60s"


@dataclass(frozen=True, slots=True)
class Migrations:
    """Alembic's `folder` of revisions, whose `env.py` runs them on `config.attributes["connection"]`.

    `lock_key` is of an advisory lock: of several starting processes one migrates, the others wait for it.
    """

    folder: Path
    lock_key: int

    async def apply(self, database_url: str) -> None:
        """Upgrade to head in one transaction: all revisions are applied or none. Raises on a lock held for 60 s."""
        engine = create_async_engine(sqlalchemy_url(database_url))
        try:
            async with engine.begin() as connection:
                await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": self.lock_key})
                await connection.run_sync(self._upgrade)
        finally:
            await engine.dispose()

    def _upgrade(self, connection: Connection) -> None:
        config = Config()
        # ConfigParser's own sign, where a path has it.
        config.set_main_option("script_location", str(self.folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
