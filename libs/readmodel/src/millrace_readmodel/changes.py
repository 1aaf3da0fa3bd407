"""Compute the writes that replace one card of the read model by another (pure functions)."""

from dataclasses import dataclass

from millrace_readmodel.cards import StoredCard, encode_name_entry, encode_row
from millrace_readmodel.layout import row_id


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """Identifies a partition (string of rows) within a generation: specialty ordinal and H3 cell in hexadecimal."""

    specialty: int
    cell: str


@dataclass(frozen=True, slots=True)
class CardChanges:
    """Idempotent writes for one provider-location, to be made before its card is replaced by compare-and-set.

    `upsert` is the row to put (partition, `layout.ROW`); `removed_from` are partitions to remove the row from. `entry`
    (a `layout.NAME_ENTRY`) is put under `added_words`; the entries under `removed_words` are removed.
    """

    row: int
    upsert: tuple[Partition, bytes] | None
    removed_from: frozenset[Partition]
    entry: bytes
    added_words: frozenset[str]
    removed_words: frozenset[str]


def partition_of(card: StoredCard) -> Partition:
    return Partition(card.specialty, card.cell)


def diff_cards(
    provider_location_id: str,
    old: StoredCard | None,
    new: StoredCard | None,
    *,
    tried: frozenset[Partition] = frozenset(),
    tried_words: frozenset[str] = frozenset(),
) -> CardChanges:
    """Return the writes needed before the stored card `old` is replaced by `new`; None stands for no card.

    `tried` and `tried_words` are partitions and words under which earlier attempts, which lost to another writer, may
    have left the row or name entries.
    """
    entry = encode_name_entry(new) if new else b""
    before = frozenset(old.words) if old else frozenset()
    after = frozenset(new.words) if new else frozenset()
    unchanged = before & after if old and encode_name_entry(old) == entry else frozenset()
    target = partition_of(new) if new else None
    stale = tried | ({partition_of(old)} if old else set())
    return CardChanges(
        row=row_id(provider_location_id),
        upsert=(target, encode_row(new)) if new and target else None,
        removed_from=frozenset(stale - {target}),
        entry=entry,
        added_words=frozenset(after - (unchanged - tried_words)),
        removed_words=frozenset((before | tried_words) - after),
    )
