"""How far a file was read: kept in the database, in the transaction of each chunk."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from asyncpg import Connection

from millrace_directory.importing.figures import Figures

_FIND = """
SELECT byte_position, line, figures, rejects_file, rejects_bytes FROM import_run
WHERE digest = $1 AND finished_at IS NULL
"""
_SAVE = """
INSERT INTO import_run (digest, file, byte_position, line, figures, rejects_file, rejects_bytes, finished_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $8 THEN now() END)
ON CONFLICT (digest) DO UPDATE SET
    file = excluded.file, byte_position = excluded.byte_position, line = excluded.line, figures = excluded.figures,
    rejects_file = excluded.rejects_file, rejects_bytes = excluded.rejects_bytes, finished_at = excluded.finished_at,
    started_at = CASE WHEN import_run.finished_at IS NULL THEN import_run.started_at ELSE now() END
"""


@dataclass(slots=True)
class Run:
    """One import of one file, known by its content. `offset` and `line` are the position behind what is in."""

    digest: str
    file: Path
    rejects: Path | None
    offset: int = 0
    line: int = 0
    figures: Figures = field(default_factory=Figures)
    rejects_bytes: int = 0

    @classmethod
    async def find(cls, connection: Connection, digest: str, file: Path, rejects: Path | None) -> Self:
        """The interrupted run of this file, else a new one. A file that was read to its end is read again."""
        row = await connection.fetchrow(_FIND, digest)
        if row is None:
            return cls(digest, file, rejects)
        same_rejects = rejects is not None and row["rejects_file"] == str(rejects)
        return cls(
            digest,
            file,
            rejects,
            offset=row["byte_position"],
            line=row["line"],
            figures=Figures.from_json(json.loads(row["figures"])),
            rejects_bytes=row["rejects_bytes"] if same_rejects else 0,
        )

    @property
    def continued(self) -> bool:
        return self.offset > 0

    async def save(self, connection: Connection, *, finished: bool) -> None:
        """Remember the position, in the connection's transaction."""
        await connection.execute(
            _SAVE,
            self.digest,
            str(self.file),
            self.offset,
            self.line,
            json.dumps(self.figures.as_json()),
            None if self.rejects is None else str(self.rejects),
            self.rejects_bytes,
            finished,
        )
