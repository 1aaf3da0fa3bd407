"""Issue X.509 certificates (RFC 5280) by an authority whose key is thrown away at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLOCK_SKEW: Final = timedelta(minutes=5)
"""Time by which the other side's clock may be behind ours."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both as PEM."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class CertificateSet:
    """The certificate of an authority, as PEM, and the pairs that it issued, by name."""

    authority: str
    pairs: Mapping[str, Pair]


def issue(hosts: Mapping[str, Sequence[str]], now: datetime, validity: timedelta) -> CertificateSet:
    """Create an authority and a pair of each name for its hosts, which are DNS names or IP addresses.

    All are valid for the same time. The authority's key is not stored, so it can issue no more.
    """
    authority_key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(f"Millrace services {now:%Y-%m-%d %H:%M:%S}")
    authority = (
        _builder(subject, subject, authority_key.public_key(), now, validity)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True), critical=True)
        .sign(authority_key, SHA256())
    )
    pairs = {}
    for name, alternatives in hosts.items():
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(_subject(name), subject, key.public_key(), now, validity)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([general_name(each) for each in alternatives]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
            .sign(authority_key, SHA256())
        )
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pairs[name] = Pair(to_pem(certificate), private.decode())
    return CertificateSet(to_pem(authority), pairs)


def general_name(host: str) -> x509.GeneralName:
    """Return a DNS name or an IP address as a certificate has it; raise ValueError if the host isn't ASCII."""
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def to_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, validity: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + validity)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
