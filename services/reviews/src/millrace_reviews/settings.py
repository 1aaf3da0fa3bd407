"""What this service is told beyond the platform's settings; variables begin with `MILLRACE_REVIEWS_`."""

from typing import Annotated

from pydantic import Field

from millrace_platform.settings import PlatformSettings, Seconds

DAY = 86_400.0


class ReviewsSettings(PlatformSettings):
    """Times are in seconds."""

    reviews_database_url: str = Field("postgresql://127.0.0.1:5432/reviews", repr=False)
    reviews_leases_table: str = "millrace-reviews-leases"

    reviews_window: Seconds = 90 * DAY
    """How long after its visit was completed a review may be written or changed."""
    reviews_prior_mean: Annotated[float, Field(ge=1, le=5)] = 4.0
    """What a provider is taken to be worth before anybody said so."""
    reviews_prior_weight: Annotated[float, Field(ge=0, le=10_000)] = 5.0
    """As how many reviews that counts; 0 makes the averages plain ones."""
