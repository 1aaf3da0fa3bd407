"""`millrace certificates`: what it writes, keeps and renews, by the command and by TLS handshakes."""

import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from millrace_local.certificates.cli import certificates
from millrace_local.certificates.files import Certificates
from millrace_local.routes import SERVICES

NAMES = ("--names", "patients=patients,127.0.0.1", "--names", "search=search")
HOSTS = {"patients": ["patients"]}
NOW = datetime.now(UTC)
YEAR = timedelta(days=365)


def run(directory: Path, *options: str) -> Result:
    app = typer.Typer()
    app.command()(certificates)
    return CliRunner().invoke(app, [str(directory), *options])


def contents(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir()}


def connects(directory: Path, authorities: str, host: str, name: str = "patients") -> bool:
    """Return whether a client that trusts these authorities accepts the certificate as that of the host."""
    client_context = ssl.create_default_context(cadata=authorities)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(directory / f"{name}.pem", directory / f"{name}-key.pem")
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError:
                return False
    return client.version() is not None


def test_each_name_gets_a_certificate_of_its_hosts(tmp_path: Path) -> None:
    result = run(tmp_path, *NAMES)
    assert result.exit_code == 0
    assert result.stdout.startswith("Made 2 certificates in ")
    authorities = (tmp_path / "ca.pem").read_text()
    assert connects(tmp_path, authorities, "patients")
    assert connects(tmp_path, authorities, "127.0.0.1")
    assert not connects(tmp_path, authorities, "search")
    assert connects(tmp_path, authorities, "search", name="search")


def test_only_the_owner_can_read_keys_and_no_key_of_the_authority_is_left(tmp_path: Path) -> None:
    run(tmp_path, *NAMES)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("ca.pem", "patients.pem", "patients-key.pem", "search.pem", "search-key.pem")
    }
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("*-key.pem")}
    assert modes == {"patients-key.pem": 0o600, "search-key.pem": 0o600}


def test_services_have_certificates_by_default(tmp_path: Path) -> None:
    run(tmp_path)
    authorities = (tmp_path / "ca.pem").read_text()
    assert all(connects(tmp_path, authorities, service, name=service) for service in SERVICES)


def test_valid_certificates_stay(tmp_path: Path) -> None:
    run(tmp_path, *NAMES)
    before = contents(tmp_path)
    result = run(tmp_path, *NAMES)
    assert result.exit_code == 0
    assert "are valid until" in result.stdout
    assert contents(tmp_path) == before


def test_renewed_authorities_verify_old_and_new_certificates(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    run(old, *NAMES)
    new.mkdir()
    for name, text in contents(old).items():
        (new / name).write_text(text)
    assert run(new, *NAMES, "--renew").exit_code == 0
    both = (new / "ca.pem").read_text()
    assert connects(old, both, "patients")
    assert connects(new, both, "patients")
    assert not connects(new, (old / "ca.pem").read_text(), "patients")


@pytest.mark.parametrize("damage", ["patients.pem", "patients-key.pem", "ca.pem"])
def test_missing_and_mixed_files_are_replaced(tmp_path: Path, damage: str) -> None:
    run(tmp_path, *NAMES)
    (tmp_path / damage).unlink()
    run(tmp_path, *NAMES)
    assert connects(tmp_path, (tmp_path / "ca.pem").read_text(), "patients")
    (tmp_path / damage).write_text((tmp_path / damage.replace("patients", "search")).read_text() + "x")
    (tmp_path / "search-key.pem").replace(tmp_path / "patients-key.pem")
    run(tmp_path, *NAMES)
    assert connects(tmp_path, (tmp_path / "ca.pem").read_text(), "patients")


def test_other_hosts_get_new_certificates(tmp_path: Path) -> None:
    run(tmp_path, *NAMES)
    run(tmp_path, "--names", "patients=patients.local")
    assert connects(tmp_path, (tmp_path / "ca.pem").read_text(), "patients.local")


@pytest.mark.parametrize(("days", "left", "valid"), [(365, 31, True), (365, 29, False), (9, 4, True), (9, 2, False)])
def test_certificates_are_due_before_their_end(tmp_path: Path, days: int, left: int, valid: bool) -> None:
    stored = Certificates(tmp_path, HOSTS)
    stored.renew(NOW, timedelta(days=days))
    assert (stored.find_end(NOW + timedelta(days=days - left)) is not None) is valid


def test_only_the_last_valid_authorities_stay(tmp_path: Path) -> None:
    stored = Certificates(tmp_path, HOSTS)
    for _ in range(6):
        stored.renew(NOW, YEAR)
    assert (tmp_path / "ca.pem").read_text().count("BEGIN CERTIFICATE") == 4
    stored.renew(NOW + 2 * YEAR, YEAR)
    assert (tmp_path / "ca.pem").read_text().count("BEGIN CERTIFICATE") == 1


@pytest.mark.parametrize(
    "names", ["patients", "patients=", "=patients", "Patients=patients", "../a=a", "a=a,,b", "a=a b", "ca=ca"]
)
def test_invalid_names_are_refused_in_one_line(tmp_path: Path, names: str) -> None:
    result = run(tmp_path, "--names", names)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "--names" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_repeated_name_is_refused(tmp_path: Path) -> None:
    assert run(tmp_path, "--names", "a=a", "--names", "a=b").exit_code == 2


def test_directory_that_cannot_be_written_is_refused_in_one_line() -> None:
    result = run(Path(os.devnull) / "certificates")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "Name a directory" in result.stderr
