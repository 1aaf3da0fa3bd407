"""`python -m projector`"""

from millrace_platform.serve import serve

serve("projector.main:create")
