"""Provider-locations in the database."""

from millrace_directory.provider_location.model import ProviderLocation
from millrace_directory.provider_location.tables import provider_location
from millrace_directory.repository import Repository

provider_locations = Repository(provider_location, ProviderLocation)
