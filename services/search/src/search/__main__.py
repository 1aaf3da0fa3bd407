"""`python -m search`"""

from millrace_platform.serve import serve

serve("search.main:create")
