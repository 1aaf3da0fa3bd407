"""Schedule by which signing keys are created, used and withdrawn, without I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

K = TypeVar("K", bound="KeyAge")

MARGIN = 300.0
"""Seconds for which a key stays published after its last token has expired."""


@dataclass(frozen=True, slots=True)
class KeyAge:
    """Id of a key and its creation time (Unix seconds)."""

    kid: str
    created_at: float


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """Rotation schedule of signing keys in seconds.

    A key is created every `period`, published `ahead` before it signs, and withdrawn when the last token it signed,
    which is valid for `token`, has expired.
    """

    period: float
    ahead: float
    token: float

    def is_due(self, keys: Sequence[KeyAge], now: float) -> bool:
        """Return whether it is time to create a new key."""
        return not keys or now >= max(key.created_at for key in keys) + self.period

    def select_signer(self, keys: Sequence[K], now: float) -> K:
        """Return the key to sign with: the newest that has been published long enough, else the oldest."""
        ready = [key for key in keys if key.created_at + self.ahead <= now]
        return max(ready, key=_age) if ready else min(keys, key=_age)

    def expired_keys(self, keys: Sequence[K], now: float) -> Iterator[K]:
        """Yield the keys whose last token has expired."""
        for key, successor in pairwise(sorted(keys, key=_age)):
            if now >= successor.created_at + self.ahead + self.token + MARGIN:
                yield key


def _age(key: KeyAge) -> tuple[float, str]:
    return (key.created_at, key.kid)
