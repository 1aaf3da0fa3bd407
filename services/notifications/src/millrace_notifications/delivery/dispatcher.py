"""Delivers messages: at least once, each endpoint with its own pace, in no promised order."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.delivery import repository
from millrace_notifications.delivery.model import GONE, Attempt, Claimed, State, is_success, next_attempt
from millrace_notifications.delivery.signing import signed_headers
from millrace_notifications.endpoint import repository as endpoints
from millrace_notifications.endpoint.model import Endpoint, Secrets, UnknownKeyError
from millrace_notifications.figures import Figures
from millrace_notifications.network.client import Answer, Poster, PostFailedError
from millrace_notifications.network.urls import Target, UrlRefusedError, target_of
from millrace_platform.database import Database, Session
from millrace_platform.ids import Ids

PER_ENDPOINT = 4
"""Requests to one endpoint at a time."""
USER_AGENT = "Millrace-Webhooks/1"

_log = logging.getLogger("notifications.webhooks")


@dataclass(frozen=True, slots=True)
class _Tried:
    attempt: Attempt
    delivered: bool
    retry_after: int | None


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Claims and delivers. `loopback` as in `target_of`."""

    database: Database
    poster: Poster
    secrets: Secrets
    loopback: bool
    clock: Clock
    ids: Ids
    random: Random
    figures: Figures

    async def claim(self, limit: int) -> Sequence[Claimed]:
        async with self.database.transaction() as session:
            return await repository.claim(session, self.ids(), utc_now(self.clock), limit, PER_ENDPOINT)

    async def deliver(self, claimed: Claimed) -> None:
        """One try, and what follows from it."""
        async with self.database.read() as session:
            endpoint = await endpoints.by_id(session, claimed.endpoint_id)
            body = await repository.body_of(session, claimed.message_id)
        if endpoint is None or body is None:
            return
        if endpoint.disabled is not None:
            await self._cancel(claimed)
            return
        tried = await self._try(claimed, endpoint, body)
        self.figures.attempt(tried.attempt.failure or str(tried.attempt.status))
        await self._note(claimed, tried)

    async def _cancel(self, claimed: Claimed) -> None:
        async with self.database.transaction() as session:
            now = utc_now(self.clock)
            await repository.settle(session, claimed, State.CANCELLED, now, attempts=claimed.attempts)

    async def _try(self, claimed: Claimed, endpoint: Endpoint, body: bytes) -> _Tried:
        began, answer, failure = self.clock.monotonic(), None, None
        at = utc_now(self.clock)
        try:
            target = target_of(endpoint.url, loopback=self.loopback)
            answer = await self._post(target, claimed, endpoint, body)
        except (UrlRefusedError, PostFailedError, UnknownKeyError) as error:
            failure = _code(error)
        milliseconds = round((self.clock.monotonic() - began) * 1000)
        status = None if answer is None else answer.status
        delivered = answer is not None and is_success(answer)
        attempt = Attempt(claimed.attempts + 1, at, status, failure, milliseconds)
        return _Tried(attempt, delivered, None if answer is None else answer.retry_after)

    async def _post(self, target: Target, claimed: Claimed, endpoint: Endpoint, body: bytes) -> Answer:
        now = utc_now(self.clock)
        secrets = [self.secrets.raw(endpoint.id, place) for place in endpoint.signing(now)]
        headers = {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            **signed_headers(str(claimed.message_id), int(now.timestamp()), body, secrets),
        }
        return await self.poster.post(target, headers, body)

    async def _note(self, claimed: Claimed, tried: _Tried) -> None:
        """The try, what becomes of the delivery, and what it says of the endpoint: one transaction."""
        number, now = tried.attempt.number, utc_now(self.clock)
        due = next_attempt(claimed.created_at, number, now, self.random, tried.retry_after)
        async with self.database.transaction() as session:
            # The endpoint comes first, as for whoever disables it, so that neither waits for the other for ever.
            endpoint = await endpoints.locked(session, claimed.endpoint_id)
            if endpoint is None:
                return
            if tried.delivered:
                is_ours = await repository.settle(session, claimed, State.DELIVERED, now, attempts=number)
            elif due is None:
                is_ours = await repository.settle(session, claimed, State.FAILED, now, attempts=number)
            else:
                is_ours = await repository.postpone(session, claimed, due, attempts=number)
            if is_ours:
                await repository.note(session, claimed.id, tried.attempt)
                await self._judge(session, endpoint, tried)

    async def _judge(self, session: Session, endpoint: Endpoint, tried: _Tried) -> None:
        if tried.delivered:
            after = endpoint.after_success()
        else:
            after = endpoint.after_failure(tried.attempt.at, gone=tried.attempt.status == GONE)
        if after.disabled != endpoint.disabled:
            _log.warning("endpoint disabled", extra={"endpoint": str(endpoint.id), "reason": after.disabled})
            await endpoints.replace(session, replace(after, version=endpoint.version + 1))
        elif after.failing_since != endpoint.failing_since:
            await endpoints.note_health(session, endpoint.id, after.failing_since)


def _code(error: Exception) -> str:
    match error:
        case UrlRefusedError():
            return "refused_address"
        case UnknownKeyError():
            return "no_secret"
        case _:
            return str(error)
