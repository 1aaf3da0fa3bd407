"""Run the service: `python -m millrace_refinery`."""

from millrace_platform.serve import serve

serve("millrace_refinery.main:create")
