"""What has to be written to the read model when a card takes the place of another: pure."""

from dataclasses import dataclass

from millrace_readmodel.cards import StoredCard, name_entry_of, row_of
from millrace_readmodel.layout import row_id


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """A partition without its generation. `specialty` is the ordinal."""

    specialty: int
    cell: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Writes for one provider-location, all idempotent; its card comes last, by compare-and-set.

    `upsert` is the row to put (partition, `layout.ROW`); `removed_from` the partitions that must not have the row any
    more; `added_words` get `entry` (a `layout.NAME_ENTRY`); `removed_words` lose theirs.
    """

    row: int
    upsert: tuple[Partition, bytes] | None
    removed_from: frozenset[Partition]
    entry: bytes
    added_words: frozenset[str]
    removed_words: frozenset[str]


def partition_of(card: StoredCard) -> Partition:
    return Partition(card.specialty, card.cell)


def changes(
    provider_location_id: str,
    old: StoredCard | None,
    new: StoredCard | None,
    *,
    tried: frozenset[Partition] = frozenset(),
    tried_words: frozenset[str] = frozenset(),
) -> Changes:
    """From the stored card `old` (None: there is none) to `new` (None: there shall be none).

    `tried` and `tried_words` are where earlier attempts, that lost against another writer, may have left a row or name
    entries.
    """
    entry = name_entry_of(new) if new else b""
    before = frozenset(old.words) if old else frozenset()
    after = frozenset(new.words) if new else frozenset()
    kept = before & after if old and name_entry_of(old) == entry else frozenset()
    target = partition_of(new) if new else None
    stale = tried | ({partition_of(old)} if old else set())
    return Changes(
        row=row_id(provider_location_id),
        upsert=(target, row_of(new)) if new and target else None,
        removed_from=frozenset(stale - {target}),
        entry=entry,
        added_words=frozenset(after - (kept - tried_words)),
        removed_words=frozenset((before | tried_words) - after),
    )
