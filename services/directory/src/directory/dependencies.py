"""What endpoints are given."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from directory.insurance_plan.service import InsurancePlanService
from directory.location.service import LocationService
from directory.practice.service import PracticeService
from directory.provider.service import ProviderService
from directory.provider_location.service import ProviderLocationService
from directory.replay import Replay
from millrace_feeds.relay import Relay
from millrace_platform.database import Database
from millrace_platform.ids import Ids


@dataclass(frozen=True, slots=True)
class Directory:
    """The service, wired."""

    practices: PracticeService
    locations: LocationService
    providers: ProviderService
    provider_locations: ProviderLocationService
    insurance_plans: InsurancePlanService
    database: Database
    relay: Relay
    replay: Replay
    ids: Ids


async def _directory(request: Request) -> Directory:
    directory: Directory = request.app.state.directory
    return directory


InDirectory: TypeAlias = Annotated[Directory, Depends(_directory)]
