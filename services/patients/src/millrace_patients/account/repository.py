"""Reads and writes accounts in the database."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from millrace_patients.account.model import Account, PublicAccount
from millrace_patients.person.vault import PersonKey
from millrace_patients.schema import account, recovery_code, second_factor
from millrace_platform.authentication import Role
from millrace_platform.database import ReadSession, Session

EMAIL_LABEL = "email"
"""Label with which `PersonKey` encrypts the account's email address."""


@dataclass(frozen=True, slots=True)
class Address:
    """The verified address of an account, and its email index."""

    index: bytes = field(repr=False)
    email: str = field(repr=False)


async def find_address(session: ReadSession, key: PersonKey) -> Address | None:
    """Return the address of the person's account; None if another issuer manages the accounts."""
    query = select(account.c.email_index, account.c.sealed_email).where(account.c.id == key.owner)
    row = (await session.execute(query)).one_or_none()
    if row is None or row.email_index is None or row.sealed_email is None:
        return None
    return Address(row.email_index, key.unseal(row.sealed_email, EMAIL_LABEL).decode())


async def find_by_email_index(session: ReadSession, index: bytes) -> Account | None:
    """Return the account with this email index; None if there is none."""
    return await _find(session, account.c.email_index == index)


async def find(session: ReadSession, identifier: UUID) -> Account | None:
    """Return the account; None if unknown or erased."""
    return await _find(session, account.c.id == identifier)


async def has_verified_email(session: ReadSession, identifier: UUID) -> bool:
    """Return whether there is an account: its address is verified, since its password is set with an emailed token.

    There is none if another issuer manages the accounts.
    """
    query = select(account.c.id).where(account.c.id == identifier, account.c.sealed_email.is_not(None))
    return await session.scalar(query) is not None


async def find_for_update(session: Session, identifier: UUID) -> Account | None:
    """Return the account and lock its row; None if unknown or erased."""
    return await _find(session, account.c.id == identifier, for_update=True)


async def add(session: Session, added_account: Account, index: bytes, sealed_email: bytes, now: datetime) -> bool:
    """Insert an account; return False if the address already has one."""
    row = {
        "id": added_account.id,
        "email_index": index,
        "sealed_email": sealed_email,
        "password_hash": added_account.password_hash,
        "roles": list(added_account.roles),
        "practice_ids": list(added_account.practice_ids),
        "created_at": now,
    }
    statement = insert(account).values(row).on_conflict_do_nothing(index_elements=["email_index"])
    return (await session.execute(statement.returning(account.c.id))).first() is not None


async def set_password(session: Session, identifier: UUID, password_hash: str) -> None:
    await session.execute(update(account).where(account.c.id == identifier).values(password_hash=password_hash))


async def set_roles(
    session: Session, identifier: UUID, roles: tuple[Role, ...], practice_ids: tuple[UUID, ...]
) -> Account | None:
    """Replace the account's roles and practices and return it; None if unknown or erased."""
    changed = update(account).where(account.c.id == identifier, account.c.email_index.is_not(None))
    statement = changed.values(roles=list(roles), practice_ids=list(practice_ids)).returning(account)
    return _account((await session.execute(statement)).one_or_none())


async def erase(session: Session, identifier: UUID, now: datetime) -> bytes | None:
    """Remove the account's personal data and return its former email index; None if there was none.

    Insert an erased account for a person whose account another issuer manages, so that its tokens can be revoked.
    """
    query = select(account.c.email_index).where(account.c.id == identifier).with_for_update()
    index: bytes | None = await session.scalar(query)
    await session.execute(delete(recovery_code).where(recovery_code.c.account_id == identifier))
    await session.execute(delete(second_factor).where(second_factor.c.account_id == identifier))
    no_data = {"email_index": None, "sealed_email": None, "password_hash": None}
    row = {"id": identifier, "roles": [], "practice_ids": [], "created_at": now}
    statement = insert(account).values(row).on_conflict_do_update(index_elements=[account.c.id], set_=no_data)
    await session.execute(statement)
    return index


async def revoke_tokens(session: Session, identifier: UUID, now: datetime) -> PublicAccount | None:
    """Store that tokens issued before `now` are invalid and return the account's next version; None if unknown."""
    values = {"version": account.c.version + 1, "tokens_valid_from": now}
    changed = update(account).where(account.c.id == identifier).values(values).returning(account)
    row = (await session.execute(changed)).one_or_none()
    return None if row is None else _public_account(row)


async def list_published_after(session: ReadSession, after: UUID | None, limit: int) -> list[PublicAccount]:
    """Return up to `limit` accounts that have had an event, with ids above `after`, sorted by id."""
    query = select(account).where(account.c.version > 0).order_by(account.c.id).limit(limit)
    if after is not None:
        query = query.where(account.c.id > after)
    return [_public_account(row) for row in await session.execute(query)]


async def _find(session: ReadSession, condition: ColumnElement[bool], *, for_update: bool = False) -> Account | None:
    query = select(account).where(condition, account.c.email_index.is_not(None))
    return _account((await session.execute(query.with_for_update() if for_update else query)).one_or_none())


def _account(row: Any) -> Account | None:
    if row is None:
        return None
    return Account(row.id, tuple(Role(role) for role in row.roles), tuple(row.practice_ids), row.password_hash)


def _public_account(row: Any) -> PublicAccount:
    is_erased = row.email_index is None
    roles = () if is_erased else tuple(Role(role) for role in row.roles)
    practice_ids = () if is_erased else tuple(row.practice_ids)
    return PublicAccount(row.id, row.version, is_erased, roles, practice_ids, row.tokens_valid_from)
