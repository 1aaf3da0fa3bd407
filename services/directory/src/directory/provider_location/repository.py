"""Provider-locations in the database."""

from directory.provider_location.model import ProviderLocation
from directory.provider_location.tables import provider_location
from directory.repository import Repository

provider_locations = Repository(provider_location, ProviderLocation)
