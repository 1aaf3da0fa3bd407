"""Delivers messages to endpoints: at least once, unordered, in fair shares of endpoints and practices.

There is one dispatcher for endpoints that respond promptly and one for all others, each with its own workers and
connections: however many endpoints are slow, the prompt ones don't wait for them (decision 0110).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from millrace_feeds.clock import Clock, utc_now
from millrace_notifications.delivery import repository
from millrace_notifications.delivery.model import GONE, Attempt, DueDelivery, Shares, State, is_success, next_attempt
from millrace_notifications.delivery.signing import signed_headers
from millrace_notifications.endpoint import repository as endpoints
from millrace_notifications.endpoint.model import Endpoint, Secrets, UnknownKeyError
from millrace_notifications.network.client import Poster, PostFailedError, PostResponse
from millrace_notifications.network.urls import Target, UrlNotAllowedError, parse_target
from millrace_notifications.stats import Stats
from millrace_platform.database import Database, Session
from millrace_platform.ids import Ids

PER_PROMPT_ENDPOINT = 4
"""Maximum of concurrent requests to one endpoint that is prompt."""
PER_SLOW_ENDPOINT = 1
USER_AGENT = "Millrace-Webhooks/1"

_log = logging.getLogger("notifications.webhooks")


@dataclass(frozen=True, slots=True)
class _Result:
    """Result of an attempt. `retry_after` is the response's delay in seconds, None without one."""

    attempt: Attempt
    delivered: bool
    retry_after: int | None


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Leases due deliveries to endpoints that are `prompt`, or to those that aren't, and sends them.

    `loopback` also allows loopback addresses, for development.
    """

    prompt: bool
    shares: Shares
    database: Database
    poster: Poster
    secrets: Secrets
    loopback: bool
    clock: Clock
    ids: Ids
    random: Random
    stats: Stats

    async def lease_due(self, limit: int) -> Sequence[DueDelivery]:
        """Lease and return up to `limit` due deliveries."""
        async with self.database.transaction() as session:
            return await repository.lease_due(
                session, self.ids(), utc_now(self.clock), limit, self.shares, prompt=self.prompt
            )

    async def deliver(self, delivery: DueDelivery) -> None:
        """Make one attempt to send a leased delivery, and record its result."""
        async with self.database.read() as session:
            endpoint = await endpoints.find(session, delivery.endpoint_id)
            body = await repository.find_body(session, delivery.message_id)
        if endpoint is None or body is None:
            return
        if not endpoint.enabled:
            await self._cancel(delivery)
            return
        result = await self._attempt(delivery, endpoint, body)
        self.stats.count_attempt(result.attempt.failure or str(result.attempt.status))
        await self._record(delivery, result)

    async def _cancel(self, delivery: DueDelivery) -> None:
        async with self.database.transaction() as session:
            now = utc_now(self.clock)
            await repository.settle(session, delivery, State.CANCELLED, now, attempts=delivery.attempts)

    async def _attempt(self, delivery: DueDelivery, endpoint: Endpoint, body: bytes) -> _Result:
        started, response, failure = self.clock.monotonic(), None, None
        attempted_at = utc_now(self.clock)
        try:
            target = parse_target(endpoint.url, loopback=self.loopback)
            response = await self._post(target, delivery, endpoint, body)
        except (UrlNotAllowedError, PostFailedError, UnknownKeyError) as error:
            failure = _failure_code(error)
        milliseconds = round((self.clock.monotonic() - started) * 1000)
        status = None if response is None else response.status
        delivered = response is not None and is_success(response)
        attempt = Attempt(delivery.attempts + 1, attempted_at, status, failure, milliseconds)
        return _Result(attempt, delivered, None if response is None else response.retry_after)

    async def _post(self, target: Target, delivery: DueDelivery, endpoint: Endpoint, body: bytes) -> PostResponse:
        now = utc_now(self.clock)
        secrets = [self.secrets.derive(endpoint.id, ref) for ref in endpoint.signing_secrets(now)]
        headers = {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            **signed_headers(str(delivery.message_id), int(now.timestamp()), body, secrets),
        }
        return await self.poster.post(target, headers, body)

    async def _record(self, delivery: DueDelivery, result: _Result) -> None:
        """Store the attempt, the delivery's new state and the endpoint's health in one transaction."""
        number, now = result.attempt.number, utc_now(self.clock)
        due = next_attempt(delivery.created_at, number, now, self.random, result.retry_after)
        async with self.database.transaction() as session:
            # Commands on endpoints lock the endpoint before its deliveries too, so they can't deadlock with this.
            endpoint = await endpoints.find_for_update(session, delivery.endpoint_id)
            if endpoint is None:
                return
            if result.delivered:
                has_lease = await repository.settle(session, delivery, State.DELIVERED, now, attempts=number)
            elif due is None:
                has_lease = await repository.settle(session, delivery, State.FAILED, now, attempts=number)
            else:
                has_lease = await repository.postpone(session, delivery, due, attempts=number)
            if has_lease:
                await repository.insert_attempt(session, delivery.id, result.attempt)
                await self._update_health(session, endpoint, result)

    async def _update_health(self, session: Session, endpoint: Endpoint, result: _Result) -> None:
        if result.delivered:
            after = endpoint.after_success()
        else:
            after = endpoint.after_failure(result.attempt.attempted_at, gone=result.attempt.status == GONE)
        after = after.after_duration(result.attempt.milliseconds)
        if after.disabled_reason != endpoint.disabled_reason:
            _log.warning("endpoint disabled", extra={"endpoint": str(endpoint.id), "reason": after.disabled_reason})
            await endpoints.update(session, after)
        elif after != endpoint:
            await endpoints.update_health(session, after)


def _failure_code(error: Exception) -> str:
    match error:
        case UrlNotAllowedError():
            return "refused_address"
        case UnknownKeyError():
            return "no_secret"
        case _:
            return str(error)
