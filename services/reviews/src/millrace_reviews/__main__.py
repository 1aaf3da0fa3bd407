"""Run the service: `python -m millrace_reviews`."""

from millrace_platform.serve import serve

serve("millrace_reviews.main:create")
