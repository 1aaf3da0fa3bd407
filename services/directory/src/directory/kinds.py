"""All kinds of entities, in the order of their subjects."""

from typing import Any

from directory.insurance_plan.wire import INSURANCE_PLANS
from directory.location.wire import LOCATIONS
from directory.practice.wire import PRACTICES
from directory.provider.wire import PROVIDERS
from directory.provider_location.wire import PROVIDER_LOCATIONS
from directory.wire import Kind

KINDS: tuple[Kind[Any], ...] = (INSURANCE_PLANS, LOCATIONS, PRACTICES, PROVIDER_LOCATIONS, PROVIDERS)
"""`provider-location/…` comes before `provider/…`, as `-` does before `/`."""
