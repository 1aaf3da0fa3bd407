"""Expected statuses of search: provider pages are public."""

from tests.e2e.tenancy.directory import new_npi
from tests.e2e.tenancy.rows import Row, Thing, World, everyone


def shown_provider(world: World) -> Thing:
    """Return a provider of the demo data."""
    response = world.http.get(f"{world.url('directory')}/v1/directory/provider-locations", params={"limit": 1})
    return Thing({"npi": response.raise_for_status().json()["items"][0]["npi"]})


ROWS: dict[str, Row] = {
    path: Row(everyone(200), shown_provider, makers={"npi": new_npi})
    for path in ("GET /v1/providers/{npi}", "GET /v1/providers/{npi}/locations")
}
