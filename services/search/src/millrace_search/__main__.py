"""Run the service: `python -m millrace_search`."""

from millrace_platform.serve import serve

serve("millrace_search.main:create")
