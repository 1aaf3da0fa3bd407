"""Fixtures: the service on an empty database, with an account or a patient."""

from collections.abc import AsyncIterator

import pytest

from .running import Account, Service, running, settings_for


@pytest.fixture
async def service(postgres_dsn: str) -> AsyncIterator[Service]:
    async with running(settings_for(postgres_dsn)) as service:
        yield service


@pytest.fixture
async def account(service: Service) -> Account:
    """Return a signed-in account without a profile."""
    return await service.account("a@example.org")


@pytest.fixture
async def ada(service: Service) -> Account:
    """Return the account of a patient, who has a profile."""
    return await service.patient("ada@example.org")
