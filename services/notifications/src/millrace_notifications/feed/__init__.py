"""Consumer of the feed `entities`."""
