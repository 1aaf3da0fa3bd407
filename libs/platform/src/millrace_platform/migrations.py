"""A service's database brought to its newest revision, by Alembic."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from millrace_platform.database import sqlalchemy_url

LOCK_TIMEOUT = "60s"


@dataclass(frozen=True, slots=True)
class Migrations:
    """Alembic's `folder` of revisions, whose `env.py` runs them on `config.attributes["connection"]`.

    Revisions follow one another; the name of a file begins with its revision, and those sort in their order.
    `lock_key` is of an advisory lock: of several starting processes one migrates, the others wait for it.
    """

    folder: Path
    lock_key: int

    async def apply(self, database_url: str) -> None:
        """Upgrade to head in one transaction: all revisions are applied or none.

        Raises on a lock held for 60 s, and ValueError where files don't bear the names that they should.
        """
        engine = create_async_engine(sqlalchemy_url(database_url))
        try:
            async with engine.begin() as connection:
                await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": self.lock_key})
                if await connection.run_sync(_revision) != self._newest():
                    await connection.run_sync(self._upgrade)
        finally:
            await engine.dispose()

    def _newest(self) -> str:
        return max((path.stem.partition("_")[0] for path in (self.folder / "versions").glob("*.py")), default="")

    def _upgrade(self, connection: Connection) -> None:
        # Most starts have nothing to upgrade, and Alembic takes longer to load than to find that out.
        from alembic import command  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        # ConfigParser's own sign, where a path has it.
        config.set_main_option("script_location", str(self.folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if (head := _revision(connection)) != self._newest():
            raise ValueError(f"{self.folder}: the file of revision {head} must bear its name and sort last")


def _revision(connection: Connection) -> str | None:
    """That of the database; None before the first one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision
