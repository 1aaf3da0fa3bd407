"""Compare the directory with the source of truth, entity by entity, and audit the read model at the same time.

The directory's entities stay in memory as digests of their normalized content, about 200 bytes each.
"""

import hashlib
from collections import Counter
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from millrace_contracts.entities import Entity
from millrace_contracts.envelope import ContractError
from millrace_contracts.registry import CONTRACTS
from millrace_readmodel.audit import Audit, Difference, DifferenceKind
from millrace_readmodel.items import Item
from millrace_reference.refine import UnrefinableError, refine

DIRECTORY: Final = "directory"
TRUTH: Final = "truth"
OWNED: Final = frozenset({"provider", "provider-location", "location", "practice", "insurance-plan"})
"""Entity types that the directory owns; the source of truth contains others, too."""
_DIGEST_BYTES: Final = 16
_TOMBSTONE: Final = b"-"


class SnapshotLine(msgspec.Struct, frozen=True):
    """One entity of the directory's snapshot; `data` is null if the entity was deleted."""

    subject: str
    version: int
    data: msgspec.Raw


_line_decoder = msgspec.json.Decoder(SnapshotLine)


@dataclass(slots=True)
class Findings:
    """Differences that a comparison found, counted by store and kind; `examples` are the first `limit` differences."""

    limit: int
    counts: Counter[tuple[str, DifferenceKind]] = field(default_factory=Counter)
    compared: Counter[str] = field(default_factory=Counter)
    examples: list[Difference] = field(default_factory=list)

    def add(self, difference: Difference) -> None:
        self.counts[difference.store, difference.kind] += 1
        if len(self.examples) < self.limit:
            self.examples.append(difference)

    @property
    def is_clean(self) -> bool:
        return not self.counts


class Verification:
    """Compares once: call `read_directory`, then `check` for each part of the source of truth, then `finish`."""

    def __init__(self, audit: Audit | None, report: Callable[[Difference], None]) -> None:
        """`report` is called for each difference. Without an `audit`, the read model isn't compared."""
        self._audit = audit
        self._report = report
        self._expected: dict[str, tuple[int, bytes]] = {}
        self.compared: Counter[str] = Counter()

    async def read_directory(self, lines: AsyncIterable[str | bytes]) -> None:
        """Read the directory's snapshot as the expected content of the source of truth.

        Raises `msgspec.DecodeError` for an invalid line.
        """
        async for text in lines:
            if text:
                self._expect(_line_decoder.decode(text))

    async def check(self, partitions: list[list[Item]]) -> None:
        """Compare items of the source of truth, one list per partition key, with the directory and the read model;
        record the differences in the findings.
        """
        for items in partitions:
            for item in items:
                self._compare(item)
        if self._audit is not None:
            await self._audit.check(partitions)

    async def finish(self) -> None:
        """Report entities that the source of truth lacks, and finish the audit."""
        for subject, (version, _) in self._expected.items():
            self._add_difference(TRUTH, DifferenceKind.MISSING, subject, f"version {version}")
        if self._audit is not None:
            await self._audit.finish()
            self.compared.update(self._audit.checked)

    def _expect(self, line: SnapshotLine) -> None:
        self.compared[DIRECTORY] += 1
        if bytes(line.data) == b"null":
            self._expected[line.subject] = line.version, _TOMBSTONE
            return
        try:
            refined = refine(_decode(line.subject, bytes(line.data)))
        except (ContractError, UnrefinableError) as error:
            self._add_difference(DIRECTORY, DifferenceKind.CONTENT, line.subject, str(error))
        else:
            self._expected[line.subject] = line.version, _digest(refined)

    def _compare(self, item: Item) -> None:
        if item.subject.partition("/")[0] not in OWNED:
            return
        self.compared[TRUTH] += 1
        expected = self._expected.pop(item.subject, None)
        if expected is None:
            self._add_difference(TRUTH, DifferenceKind.EXTRA, item.subject, f"version {item.version}")
            return
        version, digest = expected
        if item.version != version:
            self._add_difference(TRUTH, DifferenceKind.VERSION, item.subject, f"version {item.version}, not {version}")
        elif self._digest_item(item) != digest:
            self._add_difference(TRUTH, DifferenceKind.CONTENT, item.subject)

    def _digest_item(self, item: Item) -> bytes | None:
        if item.data is None:
            return _TOMBSTONE
        try:
            return _digest(_decode(item.subject, item.data.encode()))
        except ContractError:
            return None

    def _add_difference(self, store: str, kind: DifferenceKind, subject: str, detail: str = "") -> None:
        self._report(Difference(store, kind, subject, detail))


def _decode(subject: str, data: bytes) -> Entity:
    contract = CONTRACTS.get(subject.partition("/")[0])
    if contract is None:
        raise ContractError(f"subject: unknown entity {subject!r}")
    return contract.decode(data)


def _digest(entity: Entity) -> bytes:
    return hashlib.blake2b(msgspec.json.encode(entity), digest_size=_DIGEST_BYTES).digest()
