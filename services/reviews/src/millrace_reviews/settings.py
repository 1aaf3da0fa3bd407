"""Settings of this service beyond the platform's; variables begin with `MILLRACE_REVIEWS_`."""

from typing import Annotated

from pydantic import Field

from millrace_platform.audit.key import AuditSettings
from millrace_platform.settings import CallerKeys, Seconds

DAY = 86_400.0


class ReviewsSettings(AuditSettings):
    """Settings of reviews and averages. Times are in seconds."""

    reviews_database_url: str = Field("postgresql://127.0.0.1:5432/reviews", repr=False)
    reviews_leases_table: str = "millrace-reviews-leases"
    operator_reviews_keys: CallerKeys = ()
    """Keys of `millrace` commands for requests to this service; only platforms on one machine have them."""

    reviews_window: Seconds = 90 * DAY
    """Time after a visit's completion during which its review may be created or changed."""
    reviews_prior_mean: Annotated[float, Field(ge=1, le=5)] = 4.0
    """Stars assumed for a provider before any review (the prior mean of the averages)."""
    reviews_prior_weight: Annotated[float, Field(ge=0, le=10_000)] = 5.0
    """Number of reviews that the prior mean weighs as much as; 0 yields plain averages."""
