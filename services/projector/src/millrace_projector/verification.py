"""Compares what the directory holds with the truth, entity by entity; the read model's audit goes along.

Entities are kept as digests of their normal form, some 200 bytes each.
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
from millrace_readmodel.audit import Audit, Difference, Kind
from millrace_readmodel.items import Item
from millrace_reference.refine import UnrefinableError, refine

DIRECTORY: Final = "directory"
TRUTH: Final = "truth"
OWNED: Final = frozenset({"provider", "provider-location", "location", "practice", "insurance-plan"})
"""Entities of the directory; the truth holds others besides."""
_DIGEST_BYTES: Final = 16
_DELETED: Final = b"-"


class Line(msgspec.Struct, frozen=True):
    """One entity of the directory's snapshot; `data` is null for a tombstone."""

    subject: str
    version: int
    data: msgspec.Raw


_line = msgspec.json.Decoder(Line)


@dataclass(slots=True)
class Findings:
    """Differences, counted by store and kind; of the first ones everything is kept."""

    limit: int
    counts: Counter[tuple[str, Kind]] = field(default_factory=Counter)
    compared: Counter[str] = field(default_factory=Counter)
    examples: list[Difference] = field(default_factory=list)

    def add(self, difference: Difference) -> None:
        self.counts[difference.store, difference.kind] += 1
        if len(self.examples) < self.limit:
            self.examples.append(difference)

    @property
    def clean(self) -> bool:
        return not self.counts


class Verification:
    """First `read_directory`, then `check` with every part of the truth, then `finish`."""

    def __init__(self, audit: Audit | None, report: Callable[[Difference], None]) -> None:
        """`audit` None: there is no read model, and nothing of it is compared."""
        self._audit = audit
        self._report = report
        self._expected: dict[str, tuple[int, bytes]] = {}
        self.compared: Counter[str] = Counter()

    async def read_directory(self, lines: AsyncIterable[str | bytes]) -> None:
        """Take the directory's snapshot in: what should be in the truth. Raises `msgspec.DecodeError`."""
        async for text in lines:
            if text:
                self._expect(_line.decode(text))

    async def check(self, partitions: list[list[Item]]) -> None:
        """Compare these items of the truth with the directory, and the read model with them."""
        for items in partitions:
            for item in items:
                self._compare(item)
        if self._audit is not None:
            await self._audit.check(partitions)

    async def finish(self) -> None:
        """What the directory holds and the truth doesn't; then the rest of the audit."""
        for subject, (version, _) in self._expected.items():
            self._differs(TRUTH, Kind.MISSING, subject, f"version {version}")
        if self._audit is not None:
            await self._audit.finish()
            self.compared.update(self._audit.checked)

    def _expect(self, line: Line) -> None:
        self.compared[DIRECTORY] += 1
        if bytes(line.data) == b"null":
            self._expected[line.subject] = line.version, _DELETED
            return
        try:
            clean = refine(_decoded(line.subject, bytes(line.data)))
        except (ContractError, UnrefinableError) as error:
            self._differs(DIRECTORY, Kind.CONTENT, line.subject, str(error))
        else:
            self._expected[line.subject] = line.version, _digest(clean)

    def _compare(self, item: Item) -> None:
        if item.subject.partition("/")[0] not in OWNED:
            return
        self.compared[TRUTH] += 1
        expected = self._expected.pop(item.subject, None)
        if expected is None:
            self._differs(TRUTH, Kind.EXTRA, item.subject, f"version {item.version}")
            return
        version, digest = expected
        if item.version != version:
            self._differs(TRUTH, Kind.VERSION, item.subject, f"version {item.version}, not {version}")
        elif self._digest_of(item) != digest:
            self._differs(TRUTH, Kind.CONTENT, item.subject)

    def _digest_of(self, item: Item) -> bytes | None:
        if item.data is None:
            return _DELETED
        try:
            return _digest(_decoded(item.subject, item.data.encode()))
        except ContractError:
            return None

    def _differs(self, store: str, kind: Kind, subject: str, detail: str = "") -> None:
        self._report(Difference(store, kind, subject, detail))


def _decoded(subject: str, data: bytes) -> Entity:
    contract = CONTRACTS.get(subject.partition("/")[0])
    if contract is None:
        raise ContractError(f"subject: unknown entity {subject!r}")
    return contract.decode(data)


def _digest(entity: Entity) -> bytes:
    return hashlib.blake2b(msgspec.json.encode(entity), digest_size=_DIGEST_BYTES).digest()
