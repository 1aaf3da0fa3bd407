"""When a key signs and how long it is published: pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

MARGIN = 300.0
"""Seconds that a key stays published beyond the last token that it signed."""


@dataclass(frozen=True, slots=True)
class KeyAge:
    """A key and when it was made (Unix seconds)."""

    kid: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Rotation:
    """Seconds. A key is made every `period`, published `ahead` before it signs, and withdrawn when the last token that
    it signed, which lives for `token`, has expired."""

    period: float
    ahead: float
    token: float

    def is_due(self, keys: Sequence[KeyAge], now: float) -> bool:
        """Whether a new key has to be made."""
        return not keys or now >= max(key.created_at for key in keys) + self.period

    def signer(self, keys: Sequence[KeyAge], now: float) -> KeyAge:
        """The newest that was published long enough; of a first key nobody can have an older set."""
        ready = [key for key in keys if key.created_at + self.ahead <= now]
        return max(ready, key=_age) if ready else min(keys, key=_age)

    def withdrawn(self, keys: Sequence[KeyAge], now: float) -> Iterator[KeyAge]:
        """Keys whose last token has expired."""
        for key, successor in pairwise(sorted(keys, key=_age)):
            if now >= successor.created_at + self.ahead + self.token + MARGIN:
                yield key


def _age(key: KeyAge) -> tuple[float, str]:
    return (key.created_at, key.kid)
