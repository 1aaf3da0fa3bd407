"""The position of an import in its file, stored in the transaction of each chunk."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from asyncpg import Connection

from millrace_directory.bulk_import.rejects import RejectsFile, rejects_path
from millrace_directory.bulk_import.stats import ImportStats

_FIND = """
SELECT byte_position, line, counts, rejects_file, rejects_bytes, reference_files_loaded FROM import_run
WHERE digest = $1 AND finished_at IS NULL
"""
_SAVE = """
INSERT INTO import_run
    (digest, file, byte_position, line, counts, rejects_file, rejects_bytes, reference_files_loaded, finished_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $9 THEN now() END)
ON CONFLICT (digest) DO UPDATE SET
    file = excluded.file, byte_position = excluded.byte_position, line = excluded.line, counts = excluded.counts,
    rejects_file = excluded.rejects_file, rejects_bytes = excluded.rejects_bytes, finished_at = excluded.finished_at,
    reference_files_loaded = excluded.reference_files_loaded,
    started_at = CASE WHEN import_run.finished_at IS NULL THEN import_run.started_at ELSE now() END
"""


@dataclass(slots=True)
class ImportRun:
    """Progress of an import of the file with this digest: `offset` (bytes) and `line` after the committed rows."""

    digest: str
    file: Path
    rejects: Path
    offset: int = 0
    line: int = 0
    stats: ImportStats = field(default_factory=ImportStats)
    rejects_bytes: int = 0
    """Length of the rejects file after the committed rows."""
    committed_rejects: Path | None = None
    """The rejects file of the interrupted import."""
    reference_files_loaded: bool = False
    """Whether the rows of the reference files are in the database, after which the main file is read."""

    @classmethod
    async def resume_or_start(
        cls, connection: Connection, digest: str, file: Path, rejects: Path | None, *, has_reference_files: bool
    ) -> Self:
        """Return the progress of the interrupted import of these files; if there is none, that of a new import.

        An import can't be continued if another one replaced the rows of its reference files since. Without `rejects`,
        the rejects file is that of the interrupted import or that of `rejects_path`.
        """
        row = await connection.fetchrow(_FIND, digest)
        if row is None or (has_reference_files and not row["reference_files_loaded"]):
            return cls(digest, file, rejects_path(rejects, file))
        committed = Path(row["rejects_file"])
        return cls(
            digest,
            file,
            rejects_path(rejects or committed, file),
            offset=row["byte_position"],
            line=row["line"],
            stats=ImportStats.from_json(json.loads(row["counts"])),
            rejects_bytes=row["rejects_bytes"],
            committed_rejects=committed,
            reference_files_loaded=row["reference_files_loaded"],
        )

    def rejects_file(self) -> RejectsFile:
        """Return the file for rejects, with those of the interrupted import."""
        committed = None if self.committed_rejects is None else (self.committed_rejects, self.rejects_bytes)
        return RejectsFile(self.rejects, listed=self.stats.rejected.total(), committed=committed)

    async def save(self, connection: Connection, *, finished: bool) -> None:
        """Store the progress in the connection's transaction."""
        await connection.execute(
            _SAVE,
            self.digest,
            str(self.file),
            self.offset,
            self.line,
            json.dumps(self.stats.as_json()),
            str(self.rejects),
            self.rejects_bytes,
            self.reference_files_loaded,
            finished,
        )
