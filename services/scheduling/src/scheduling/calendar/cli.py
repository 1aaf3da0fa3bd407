"""`millrace calendars`."""

import typer

app = typer.Typer(no_args_is_help=True, help="Calendars of provider-locations.")
