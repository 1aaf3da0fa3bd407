"""`python -m millrace_local`: the `millrace` command."""

from millrace_local.cli import main

main()
