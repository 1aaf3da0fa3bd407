"""Certificates of `localhost` for the tests."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from millrace_local.certificates.authority import CertificateSet, issue

VALIDITY = timedelta(days=90)


@cache
def issued(authority: str) -> CertificateSet:
    """Return the certificates `service`, and `other` of another host, by an authority of this name."""
    hosts = {"service": ["localhost", "127.0.0.1"], "other": ["other.example"]}
    return issue(hosts, datetime.now(UTC), VALIDITY)


def tls_variables(authority: str = "ours") -> dict[str, str]:
    """Return the settings as environment variables."""
    return {f"MILLRACE_{name.upper()}": value for name, value in tls_settings(authority).items()}


def tls_settings(authority: str = "ours") -> dict[str, Any]:
    """Return the settings of a service with a certificate of this authority, which it trusts."""
    certificates = issued(authority)
    pair = certificates.pairs["service"]
    return {"tls_certificate": pair.certificate, "tls_key": pair.key, "tls_ca": certificates.authority}
