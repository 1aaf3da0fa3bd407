"""Store certificates in a directory: `ca.pem`, and `<name>.pem` and `<name>-key.pem` of each name."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from millrace_local.certificates.authority import CertificateSet, general_name, issue, to_pem

AUTHORITIES: Final = "ca.pem"
AUTHORITIES_LIMIT: Final = 4
"""Maximum number of authorities in the file: the one in use, and those before it."""
RENEWAL_TIME: Final = timedelta(days=30)
"""Time before the end of certificates from which on they are renewed; for short-lived ones a third of their time."""


class Certificates:
    """The certificates in a directory for `hosts`, the DNS names and IP addresses by name."""

    def __init__(self, directory: Path, hosts: Mapping[str, Sequence[str]]) -> None:
        self._directory = directory
        self._hosts = hosts

    def find_end(self, now: datetime) -> datetime | None:
        """Return when the certificates end; None if they must be renewed: some are missing, invalid or end soon."""
        try:
            authority = self._authorities()[0]
            certificates = [self._read(name, authority) for name in self._hosts]
        except (OSError, ValueError, TypeError, InvalidSignature, IndexError):
            return None
        end = min(each.not_valid_after_utc for each in (authority, *certificates))
        lifetime = end - authority.not_valid_before_utc
        return end if end - now > min(RENEWAL_TIME, lifetime / 3) else None

    def renew(self, now: datetime, validity: timedelta) -> None:
        """Replace the certificates, and add the new authority to the ones before it that are still valid.

        Raises OSError if the directory can't be written.
        """
        try:
            before = [each for each in self._authorities() if each.not_valid_after_utc > now]
        except (OSError, ValueError):
            before = []
        self._write(issue(self._hosts, now, validity), before)

    def _authorities(self) -> list[x509.Certificate]:
        return x509.load_pem_x509_certificates((self._directory / AUTHORITIES).read_bytes())

    def _read(self, name: str, authority: x509.Certificate) -> x509.Certificate:
        """Return the certificate; raise an exception unless authority, key and hosts are its own."""
        certificate = x509.load_pem_x509_certificate((self._directory / f"{name}.pem").read_bytes())
        certificate.verify_directly_issued_by(authority)
        key = load_pem_private_key((self._directory / f"{name}-key.pem").read_bytes(), None)
        if key.public_key() != certificate.public_key():
            raise ValueError("the key of another certificate")
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if list(alternatives) != [general_name(host) for host in self._hosts[name]]:
            raise ValueError("other hosts")
        return certificate

    def _write(self, issued: CertificateSet, before: Sequence[x509.Certificate]) -> None:
        self._directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        # First, so that a caller knows the new authority before a service shows a certificate of it.
        authorities = [issued.authority, *map(to_pem, before)][:AUTHORITIES_LIMIT]
        self._replace(AUTHORITIES, "".join(authorities), 0o644)
        for name, pair in issued.pairs.items():
            self._replace(f"{name}-key.pem", pair.key, 0o600)
            self._replace(f"{name}.pem", pair.certificate, 0o644)

    def _replace(self, name: str, text: str, mode: int) -> None:
        unfinished = self._directory / f".{name}.new"
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            file.write(text)
        unfinished.replace(self._directory / name)
