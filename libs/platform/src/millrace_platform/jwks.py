"""Fetch and cache the issuer's public keys (RFC 7517): limit the rate of fetches, use cached keys in outages."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpx
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from millrace_feeds.clock import Clock
from millrace_platform.errors import Unavailable

Fetch: TypeAlias = Callable[[], Awaitable[bytes]]
"""Fetches the key set's JSON; may raise any exception."""

KEYS_LIMIT = 32
MODULUS_BITS = 2048
"""Minimum size of an RS256 key (RFC 7518, section 3.3)."""
BODY_LIMIT = 65_536
PUBLIC_MEMBERS = ("kty", "n", "e")

_log = logging.getLogger("millrace.jwks")


@dataclass(frozen=True, slots=True)
class KeyCacheSettings:
    """Durations in seconds. `refresh_after` must be shorter than the time that a key is published before its use."""

    refresh_after: float = 300.0
    stale_for: float = 86_400.0
    """Maximum age of cached keys since the last successful fetch."""
    minimum_interval: float = 10.0
    """Minimum time between two fetches, so that tokens with invented key ids can't cause a fetch each."""
    timeout: float = 3.0


def rsa_keys(body: bytes) -> dict[str, RSAKey]:
    """Return the keys in a JSON Web Key Set that can verify RS256, by id; omit others, and those below 2048 bits.

    Raises ValueError if `body` is not a key set.
    """
    document = msgspec.json.decode(body)
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("not a key set")
    found: dict[str, RSAKey] = {}
    for entry in listed[:KEYS_LIMIT]:
        key = _rsa_key(entry)
        if key is not None:
            found.setdefault(entry["kid"], key)
    return found


def _rsa_key(entry: Any) -> RSAKey | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str):
        return None
    if entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig" or entry.get("alg", "RS256") != "RS256":
        return None
    try:
        # Other members of the entry must not affect the key.
        key = RSAKey.import_key({name: entry[name] for name in PUBLIC_MEMBERS})
    except (JoseError, ValueError, KeyError, TypeError):
        return None
    return key if key.raw_value.key_size >= MODULUS_BITS else None


class KeyCache:
    """Caches keys by id. Refreshes in the background; only lookups of unknown or outdated keys wait for that."""

    def __init__(self, fetch: Fetch, clock: Clock, settings: KeyCacheSettings | None = None) -> None:
        self._fetch = fetch
        self._clock = clock
        self._settings = settings or KeyCacheSettings()
        self._keys: Mapping[str, RSAKey] = {}
        self._fetched: float | None = None
        self._tried: float | None = None
        self._refreshing: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> RSAKey | None:
        """Return the key with this id or None. Raises `Unavailable` while keys can't be fetched."""
        if self._age() >= self._settings.refresh_after or kid not in self._keys:
            self._begin_refresh()
        if self._refreshing is not None and (kid not in self._keys or self._too_old()):
            # All requests share the fetch: cancelling one that waits must not cancel it.
            await asyncio.shield(self._refreshing)
        if self._too_old():
            raise Unavailable("Access tokens can't be verified now. Retry later.")
        return self._keys.get(kid)

    async def close(self) -> None:
        """Cancel the current fetch, if any."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            with suppress(asyncio.CancelledError):
                await self._refreshing

    def _age(self) -> float:
        return float("inf") if self._fetched is None else self._clock.monotonic() - self._fetched

    def _too_old(self) -> bool:
        return self._age() >= self._settings.stale_for

    def _begin_refresh(self) -> None:
        now = self._clock.monotonic()
        if self._refreshing is not None:
            return
        if self._tried is not None and now - self._tried < self._settings.minimum_interval:
            return
        self._tried = now
        self._refreshing = asyncio.create_task(self._refresh(), name="jwks")

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(self._settings.timeout):
                keys = rsa_keys(await self._fetch())
            if not keys:
                raise ValueError("a key set without usable keys")
            self._keys = keys
            self._fetched = self._clock.monotonic()
        except Exception as error:
            # After any error the cached keys stay in use until they are too old.
            _log.warning("fetching the issuer's keys failed", extra={"reason": type(error).__name__})
        finally:
            self._refreshing = None


@asynccontextmanager
async def open_key_cache(
    url: str, clock: Clock, tls: ssl.SSLContext, settings: KeyCacheSettings | None = None
) -> AsyncIterator[KeyCache]:
    """Yield a cache of the keys at the URL; the first lookup fetches them, without following redirects."""
    settings = settings or KeyCacheSettings()
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=0)
    async with httpx.AsyncClient(verify=tls, timeout=settings.timeout, limits=limits, follow_redirects=False) as client:
        cache = KeyCache(lambda: _get(client, url), clock, settings)
        try:
            yield cache
        finally:
            await cache.close()


async def _get(client: httpx.AsyncClient, url: str) -> bytes:
    async with client.stream("GET", url, headers={"Accept": "application/json"}) as response:
        if response.status_code != httpx.codes.OK:
            raise ValueError("no key set at the address")
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > BODY_LIMIT:
                raise ValueError("key set too large")
        return body
