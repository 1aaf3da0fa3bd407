"""The service's audit trail for `millrace audit`."""

from contextlib import AbstractAsyncContextManager

from millrace_platform.audit.trail import Trail, open_service_trail
from millrace_reviews.bootstrap import APPLICATION
from millrace_reviews.settings import ReviewsSettings


def open_trail() -> AbstractAsyncContextManager[Trail]:
    """Open the trail; entering it raises `TrailUnavailableError` without its key."""
    settings = ReviewsSettings()
    return open_service_trail(settings, settings.reviews_database_url, APPLICATION)
