"""Revokes the access tokens of accounts, here and through the change feed."""

from uuid import UUID

from millrace_patients.account import repository
from millrace_patients.wire import account_event
from millrace_platform.audit.unit_of_work import UnitOfWork


async def revoke_tokens(work: UnitOfWork, account_id: UUID) -> None:
    """Refuse all access tokens that the account got until now, and publish the account; ignore an unknown one."""
    account = await repository.revoke_tokens(work.session, account_id, work.now)
    if account is not None:
        work.record(account_event(account))
