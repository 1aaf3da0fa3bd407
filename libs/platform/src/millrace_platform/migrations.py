"""Migrate a service's database to its newest revision, by Alembic."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from millrace_platform.database import sqlalchemy_url, tls_options

ENVIRONMENT = Path(__file__).with_name("alembic_environment")
LOCK_TIMEOUT = "60s"


class IncompatibleDatabaseError(Exception):
    """Another version of Millrace created the database; the text names the database and the remedy."""

    def __init__(self, database: str, revision: str) -> None:
        super().__init__(
            f"The database {database!r} was made by another version of Millrace (revision {revision})."
            " Remove the home directory (.millrace, or the one of MILLRACE_HOME) or the database, and start again."
        )


@dataclass(frozen=True, slots=True)
class Migrations:
    """Upgrades a database by Alembic revisions, the files in `folder/versions`.

    The name of a revision's file begins with the revision; the names sort in the order of the revisions.
    `lock_key` is the key of the advisory lock that lets one of several starting processes migrate at a time.
    """

    folder: Path
    lock_key: int

    async def apply(self, database_url: str) -> None:
        """Upgrade to the newest revision in one transaction: all revisions are applied or none.

        Raises `IncompatibleDatabaseError` if the database has a revision without a file, `DBAPIError` if the lock isn't
        free within 60 s, and `ValueError` for misnamed files.
        """
        engine = create_async_engine(sqlalchemy_url(database_url), connect_args=tls_options())
        try:
            async with engine.begin() as connection:
                await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": self.lock_key})
                await connection.run_sync(self._upgrade)
        finally:
            await engine.dispose()

    def _upgrade(self, connection: Connection) -> None:
        revisions = sorted(path.stem.partition("_")[0] for path in (self.folder / "versions").glob("*.py"))
        current = _get_revision(connection)
        if current == revisions[-1]:
            return
        if current is not None and current not in revisions:
            raise IncompatibleDatabaseError(str(connection.engine.url.database), current)
        # Imported late, as Alembic loads slowly and most starts have nothing to upgrade.
        from alembic import command  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        # ConfigParser interpolates a single percent sign.
        config.set_main_option("script_location", str(ENVIRONMENT).replace("%", "%%"))
        config.set_main_option("version_locations", str(self.folder / "versions").replace("%", "%%"))
        config.set_main_option("path_separator", "newline")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if (head := _get_revision(connection)) != revisions[-1]:
            raise ValueError(f"{self.folder}: the name of the file of revision {head} must begin with it and sort last")


def _get_revision(connection: Connection) -> str | None:
    """Return the revision of the database; None if it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision
