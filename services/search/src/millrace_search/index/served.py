"""Read from the served generation of the read model, also while another one replaces it."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from millrace_platform.errors import Unavailable
from millrace_readmodel.cached_generation import CachedGeneration, GenerationReplacedError
from millrace_readmodel.near_cache import NearCache
from millrace_readmodel.tracking import DisconnectedError, UnavailableError

ATTEMPTS: Final = 3
T = TypeVar("T")


async def read_generation(near: NearCache, read: Callable[[CachedGeneration], Awaitable[T]]) -> T:
    """Return the result of `read` for the served generation; call it again after a replacement or a lost connection.

    Raises `Unavailable` after three attempts, or if the read model can't be read; and the other errors of `read`.
    """
    generation = near.current
    try:
        for _ in range(ATTEMPTS):
            try:
                return await read(generation or await near.open_untracked())
            except GenerationReplacedError:
                pass
            except DisconnectedError:
                await near.wait_until_connected()
            generation = None
    except UnavailableError as error:
        raise Unavailable("The search index is unavailable. Try again later.") from error
    raise Unavailable("The search index is being replaced. Try again later.")
