"""Run the service: `python -m millrace_projector`."""

from millrace_platform.serve import serve

serve("millrace_projector.main:create")
