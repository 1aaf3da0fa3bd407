"""`python -m refinery`"""

from millrace_platform.serve import serve

serve("refinery.main:create")
