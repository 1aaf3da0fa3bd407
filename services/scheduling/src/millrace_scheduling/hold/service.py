"""Holding, extending and giving up times."""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from millrace_platform.authentication import Principal
from millrace_platform.database import Connection
from millrace_platform.errors import Conflict, Problem, TooManyRequests
from millrace_platform.idempotency import Answer, IdempotencyKey, at_once, kept_row, once
from millrace_platform.ids import Ids
from millrace_platform.statements import Statements
from millrace_scheduling.booking.problems import hold_lapsed, hold_used, no_visit_type, nothing_there, slot_taken
from millrace_scheduling.claim import repository as claims
from millrace_scheduling.claim.model import Owner, Span, Visit
from millrace_scheduling.claim.repository import Claim
from millrace_scheduling.hold import repository
from millrace_scheduling.hold.asking import Asked, NotOfferedError, NoVisitTypeError, visit_and_span
from millrace_scheduling.hold.model import LIFETIME, ExtendedBeforeError, Held, Hold, TooManyHoldsError
from millrace_scheduling.hold.repository import Kept, Shop, TakeHold
from millrace_scheduling.hold.schemas import HoldResource, local_text
from millrace_scheduling.unit_of_work import Units, Work

Nearest: TypeAlias = Callable[[Statements, Asked, datetime], Awaitable[Sequence[datetime]]]
"""The nearest other times at which such a visit can take place."""


class Offers(Protocol):
    """The waitlist, as far as holds and bookings concern it."""

    async def taken(self, work: Work, offer_id: UUID) -> None:
        """The hold of an offer was booked."""
        ...

    async def declined(self, work: Work, offer_id: UUID) -> None:
        """The hold of an offer was given up."""
        ...


@dataclass(frozen=True, slots=True)
class Judge:
    """Says which time has to be taken for what is asked for, or what to tell the caller."""

    nearest: Nearest

    async def visit(self, session: Statements, asked: Asked, shop: Shop | None, now: datetime) -> tuple[Visit, Span]:
        """Problems: 404, 409 with alternatives, 422."""
        if shop is None:
            raise nothing_there("provider-location", asked.place_id)
        if shop.calendar is None:
            raise slot_taken([], "The provider takes no bookings here.")
        try:
            return visit_and_span(asked, shop.place, shop.calendar, shop.segments, now)
        except NoVisitTypeError:
            raise no_visit_type() from None
        except NotOfferedError as error:
            raise await self.taken(session, asked, shop.calendar.time_zone, now, str(error)) from None

    async def taken(
        self, session: Statements, asked: Asked, time_zone: str, now: datetime, detail: str | None = None
    ) -> Problem:
        """The problem of a time that can't be had."""
        starts = [local_text(each, time_zone) for each in await self.nearest(session, asked, now)]
        return slot_taken(starts) if detail is None else slot_taken(starts, detail)


@dataclass(frozen=True, slots=True)
class HoldService:
    """For patients, each of whom sees only their own."""

    units: Units
    ids: Ids
    take: TakeHold
    judge: Judge
    offers: Offers

    async def hold(
        self, caller: Principal, key: IdempotencyKey, asked: Asked, dependant_id: UUID | None, address: bytes
    ) -> Answer:
        """Problems: 404, 409 with alternatives, 422, 429, and those of the key."""
        owner, now = Owner(caller.subject, dependant_id, address), self.units.now()
        async with self.units.database.connection() as connection:

            async def look() -> Any:
                return await repository.look_at_shop(connection, owner.patient_id, key, asked.place_id, asked.start)

            async def act(found: Any) -> Answer:
                visit, occupied = await self.judge.visit(connection, asked, repository.shop_of(found), now)
                hold = Hold(self.ids(), owner.patient_id, owner.dependant_id, visit, now + LIFETIME)
                claim = Claim(hold.id, owner, visit, occupied, hold.expires_at)
                answer = _answer(201, hold)
                if not await self._take(connection, claim, kept_row(owner.patient_id, key, now, answer), now):
                    raise await self.judge.taken(connection, asked, visit.time_zone, now)
                return answer

            return await at_once(key, look, act)

    async def _take(self, connection: Connection, claim: Claim, answer: Sequence[object], now: datetime) -> bool:
        """Whether the time could be had; holds that have lapsed are no obstacle. Problems: 429."""
        taken, held = await self.take(connection, claim, answer, now)
        if not taken:
            _require_room(held, now)
            if await claims.lapse_here(connection, claim, now):
                taken, held = await self.take(connection, claim, answer, now)
        return taken

    async def get(self, caller: Principal, hold_id: UUID) -> Hold:
        """Problems: 404, also for one that was given up or booked."""
        async with self.units.begin() as work:
            kept = await repository.find(work.session, hold_id, caller.subject)
        if kept is None or not kept.runs(work.now):
            raise nothing_there("hold", hold_id)
        return kept.hold

    async def extend(self, caller: Principal, key: IdempotencyKey, hold_id: UUID) -> Answer:
        """Once, for as long again. Problems: 404, 409, and those of the key."""

        async def effect(work: Work) -> Answer:
            kept = require_running(
                await repository.find(work.session, hold_id, caller.subject, lock=True), hold_id, work.now
            )
            try:
                extended = kept.extension(work.now)
            except ExtendedBeforeError:
                raise Conflict("A hold is extended once. Book the time, or hold it again when it has lapsed.") from None
            await repository.extend(work.session, extended)
            return _answer(200, extended)

        return await once(self.units.begin, caller.subject, key, self.units.now(), effect)

    async def release(self, caller: Principal, hold_id: UUID) -> None:
        """Nothing happens where it was given up or has lapsed. Problems: 404, 409 where it was booked."""
        async with self.units.begin() as work:
            kept = await repository.find(work.session, hold_id, caller.subject, lock=True)
            if kept is None:
                raise nothing_there("hold", hold_id)
            if kept.booked:
                raise hold_used(hold_id)
            if await claims.release(work.session, hold_id) and kept.offer_id is not None:
                await self.offers.declined(work, kept.offer_id)


def require_running(kept: Kept | None, hold_id: UUID, now: datetime) -> Hold:
    """The hold, unless it can't be used any more. Problems: 404, 409."""
    if kept is None:
        raise nothing_there("hold", hold_id)
    if kept.booked:
        raise hold_used(hold_id)
    if not kept.runs(now):
        raise hold_lapsed()
    return kept.hold


def _require_room(held: Held, now: datetime) -> None:
    try:
        held.require_room(now)
    except TooManyHoldsError as error:
        wait = max(1, math.ceil((error.until - now).total_seconds()))
        raise TooManyRequests("Book or give up a time that you hold, or wait.", retry_after=wait) from None


def _answer(status: int, hold: Hold) -> Answer:
    body = HoldResource.of(hold).model_dump_json().encode()
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Answer(status, body, {**headers, "Location": f"/v1/holds/{hold.id}"} if status == 201 else headers)
