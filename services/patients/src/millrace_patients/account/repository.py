"""Accounts in the database."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_patients.account.model import Account
from millrace_patients.account.tables import account
from millrace_platform.authentication import Role
from millrace_platform.database import ReadSession, Session

EMAIL = "email"
"""The place of the sealed address."""


async def by_index(session: ReadSession, index: bytes) -> Account | None:
    """The account of an e-mail address."""
    return await _one(session, _query(account.c.email_index == index))


async def by_id(session: ReadSession, identifier: UUID) -> Account | None:
    """An account that isn't erased."""
    return await _one(session, _query(account.c.id == identifier))


async def locked(session: Session, identifier: UUID) -> Account | None:
    """As `by_id`; it stays as it is until the transaction ends."""
    return await _one(session, _query(account.c.id == identifier).with_for_update())


async def add(session: Session, added: Account, index: bytes, sealed_email: bytes, now: datetime) -> bool:
    """False where the address has an account already."""
    row = {
        "id": added.id,
        "email_index": index,
        "sealed_email": sealed_email,
        "password": added.password,
        "roles": list(added.roles),
        "practices": list(added.practices),
        "created_at": now,
    }
    statement = insert(account).values(row).on_conflict_do_nothing(index_elements=["email_index"])
    return (await session.execute(statement.returning(account.c.id))).first() is not None


async def set_password(session: Session, identifier: UUID, password: str) -> None:
    await session.execute(update(account).where(account.c.id == identifier).values(password=password))


async def set_roles(
    session: Session, identifier: UUID, roles: tuple[Role, ...], practices: tuple[UUID, ...]
) -> Account | None:
    """The account as it is then; None where there is none."""
    changed = update(account).where(account.c.id == identifier, account.c.email_index.is_not(None))
    statement = changed.values(roles=list(roles), practices=list(practices)).returning(account)
    return _account((await session.execute(statement)).one_or_none())


async def erase(session: Session, identifier: UUID) -> bytes | None:
    """Remove what is personal; the index that it had, None where there is nothing (any more)."""
    query = select(account.c.email_index).where(account.c.id == identifier).with_for_update()
    index: bytes | None = await session.scalar(query)
    nothing = {"email_index": None, "sealed_email": None, "password": None}
    await session.execute(update(account).where(account.c.id == identifier).values(nothing))
    return index


def _query(condition: ColumnElement[bool]) -> Select[Any]:
    return select(account).where(condition, account.c.email_index.is_not(None))


async def _one(session: ReadSession, query: Select[Any]) -> Account | None:
    return _account((await session.execute(query)).one_or_none())


def _account(row: Any) -> Account | None:
    if row is None:
        return None
    return Account(row.id, tuple(Role(role) for role in row.roles), tuple(row.practices), row.password)
