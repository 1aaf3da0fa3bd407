"""Which service answers which path: the load balancer's rules, nothing is rewritten."""

SERVICES = ("directory", "refinery", "projector", "search", "patients", "reviews")
DATABASES = ("directory", "patients", "reviews")
"""Services with a database of their own, which bears their name."""

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
    *((f"/internal/{service}", service) for service in SERVICES),
)


def service_for(path: str) -> str | None:
    """The service that owns `path` (as it came, still percent-encoded), or None. A rule holds for whole segments."""
    for prefix, service in RULES:
        if path == prefix or path.startswith(f"{prefix}/"):
            return service
    return None
