"""Takes what the service needs from `entities`."""
