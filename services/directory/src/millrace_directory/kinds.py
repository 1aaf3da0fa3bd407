"""All kinds of entities, in the order of their subjects."""

from typing import Any

from millrace_directory.insurance_plan.wire import INSURANCE_PLANS
from millrace_directory.location.wire import LOCATIONS
from millrace_directory.practice.wire import PRACTICES
from millrace_directory.provider.wire import PROVIDERS
from millrace_directory.provider_location.wire import PROVIDER_LOCATIONS
from millrace_directory.wire import Kind

KINDS: tuple[Kind[Any], ...] = (INSURANCE_PLANS, LOCATIONS, PRACTICES, PROVIDER_LOCATIONS, PROVIDERS)
"""`provider-location/…` comes before `provider/…`, as `-` does before `/`."""
