"""The load balancer's path rules; paths are never rewritten. `/internal` has none, so it is reachable only directly."""

SERVICES = ("directory", "refinery", "projector", "search", "patients", "scheduling", "reviews", "notifications")
DATABASES = ("directory", "patients", "scheduling", "reviews", "notifications")
"""Services with a database, which has the service's name."""

RULES: tuple[tuple[str, str], ...] = (
    ("/v1/directory", "directory"),
    ("/v1/specialties", "directory"),
    ("/v1/visit-reasons", "directory"),
    ("/v1/insurance-plans", "directory"),
    ("/v1/search", "search"),
    ("/v1/suggest", "search"),
    ("/v1/providers", "search"),
    ("/v1/patients", "patients"),
    ("/v1/auth", "patients"),
    ("/v1/reviews", "reviews"),
    ("/v1/webhooks", "notifications"),
    ("/v1/availability", "scheduling"),
    ("/v1/calendars", "scheduling"),
    ("/v1/holds", "scheduling"),
    ("/v1/appointments", "scheduling"),
    ("/v1/waitlist", "scheduling"),
)

STREAMS = frozenset({"/v1/availability/stream"})
"""Paths whose responses don't end by themselves; the edge limits them apart from requests."""


def service_for(path: str) -> str | None:
    """Return the service that owns `path` (still percent-encoded), or None. Rules match whole segments."""
    for prefix, service in RULES:
        if path == prefix or path.startswith(f"{prefix}/"):
            return service
    return None
