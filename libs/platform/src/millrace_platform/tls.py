"""Listen and call by TLS: a process's certificate and key, and the authority that certified the other services.

Plain HTTP without these settings, as on one machine. Docs: `docs/how-to/rotate-keys.md`.
"""

import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

from cryptography import x509
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation
from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from millrace_feeds.clock import Clock

PEM_LIMIT: Final = 32_768
"""Maximum length of a PEM text in bytes; the system buffers that much in a pipe."""
EXPIRY_WARNING_DAYS: Final = 30.0
"""Days before its end from which on a certificate should be renewed."""
_DAY: Final = 86_400.0

_log = logging.getLogger("millrace.tls")


def _read_pem(value: Any) -> Any:
    """Return a PEM text as it is, and the text of the file for a path; raise `PydanticCustomError` if unreadable."""
    if not isinstance(value, str):
        return value
    try:
        text = value if value.lstrip().startswith("-----BEGIN ") else Path(value).read_text("ascii")
    except (OSError, ValueError):
        text = ""
    if not 0 < len(text) <= PEM_LIMIT:
        raise _invalid("The file can't be read.", "Give a PEM text, or the path of a PEM file of at most 32 KiB.")
    return text


Pem = Annotated[str, BeforeValidator(_read_pem)]
"""PEM text; from the environment also the path of a PEM file."""


class TlsSettings(BaseSettings):
    """A process's own certificate, and the one with which it verifies other services. Without them, it uses HTTP."""

    model_config = SettingsConfigDict(env_prefix="MILLRACE_", frozen=True, extra="ignore", populate_by_name=True)

    tls_certificate: Pem | None = None
    """Certificate, with intermediate ones after it, that the listener shows; None: it listens without TLS."""
    tls_key: Annotated[SecretStr, BeforeValidator(_read_pem)] | None = Field(None, validate_default=True)
    """Private key of the certificate, without a password."""
    tls_ca: Pem | None = None
    """Certificates of the authorities that certified the other services; None: those that the system trusts."""

    @field_validator("tls_key")
    @classmethod
    def _check_pair(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if "tls_certificate" not in info.data:  # it is invalid itself
            return key
        certificate: str | None = info.data["tls_certificate"]
        if key is None and certificate is None:
            return None
        if certificate is None:
            raise _invalid("It needs a certificate.", "Set MILLRACE_TLS_CERTIFICATE too, or neither.")
        if key is None:
            raise _invalid("MILLRACE_TLS_CERTIFICATE needs its key.", "Set both, or neither.")
        try:
            server_context(certificate, key.get_secret_value())
            certificate_end(certificate)
        except (OSError, ValueError):  # includes ssl.SSLError
            raise _invalid(
                "It is not the key of MILLRACE_TLS_CERTIFICATE, or one of them isn't PEM.",
                "Set both to a pair that was made together, and a key without a password.",
            ) from None
        return key

    @field_validator("tls_ca")
    @classmethod
    def _check_authorities(cls, authorities: str | None) -> str | None:
        if authorities is not None:
            try:
                client_context(authorities)
            except (OSError, ValueError):
                raise _invalid("It has no valid certificate.", "Give certificates as PEM.") from None
        return authorities

    def listener_context(self) -> ssl.SSLContext | None:
        """Return the context in which this process listens; None: without TLS."""
        if self.tls_certificate is None or self.tls_key is None:
            return None
        return server_context(self.tls_certificate, self.tls_key.get_secret_value())

    def service_context(self) -> ssl.SSLContext:
        """Return the context of requests to other services."""
        return client_context(self.tls_ca)

    def public_context(self) -> ssl.SSLContext:
        """Return the context of connections whose other side may have a certificate of a public authority too."""
        return client_context(self.tls_ca, trusts_system=True)


def _invalid(detail: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("tls", detail, {"remedy": remedy})


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """Return a listener's context, TLS 1.2 or later; raise OSError or ValueError unless both are PEM and a pair."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    with ExitStack() as stack:
        paths = [stack.enter_context(_as_path(text)) for text in (certificate, key)]
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(paths[0], paths[1], password=lambda: "")
    return context


@contextmanager
def _as_path(text: str) -> Iterator[str]:
    """Yield a path at which the text can be read once: of a pipe, as a key must not be on a disk."""
    reader, writer = os.pipe()
    try:
        with os.fdopen(writer, "w", encoding="ascii") as pipe:
            pipe.write(text)
        yield f"/dev/fd/{reader}"
    finally:
        os.close(reader)


def client_context(authorities: str | None, *, trusts_system: bool = False) -> ssl.SSLContext:
    """Return a context that verifies the other side's name and certificate, by TLS 1.2 or later.

    It trusts the `authorities` (PEM), and those of the system if there are none or `trusts_system`. Raises OSError or
    ValueError if `authorities` has no certificate.
    """
    context = ssl.create_default_context(cadata=authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authorities is not None and trusts_system:
        context.load_default_certs()
    return context


def certificate_end(certificate: str) -> datetime:
    """Return the end of the first certificate's validity; raise ValueError unless it is PEM."""
    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc


def report_expiry(certificate: str, clock: Clock) -> None:
    """Log a warning if the certificate should be renewed; export its days until then as a metric."""
    end = certificate_end(certificate).timestamp()

    def days_left() -> float:
        return (end - clock.time()) / _DAY

    def observe(_: CallbackOptions) -> Iterator[Observation]:
        yield Observation(days_left())

    metrics.get_meter("millrace.tls").create_observable_gauge(
        "millrace.tls.certificate.remaining", [observe], "d", "Days until the certificate of the listener expires"
    )
    if days_left() < EXPIRY_WARNING_DAYS:
        _log.warning("the TLS certificate expires soon: renew it", extra={"days": round(days_left(), 1)})
