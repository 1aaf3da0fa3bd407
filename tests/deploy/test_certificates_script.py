"""ecs/certificates.sh, with a stand-in of the AWS command line."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from tests.deploy import stand_in
from tests.deploy.names import APP, ECS, SERVICES
from tests.deploy.parity import ADAPTERS, ENVIRONMENT
from tests.support.platform import run

pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True, slots=True)
class Account:
    """An AWS account of the stand-in."""

    state: Path
    bin: Path

    def script(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.bin}:{os.defpath}",
            "STATE": str(self.state),
            "TMPDIR": str(self.state / "tmp"),
            "MILLRACE_BIN": str(Path(sys.executable).parent),
        }
        command = ["/bin/bash", str(ECS / "certificates.sh"), *arguments]
        return run(command, seconds=100, environment=environment)

    def secret(self, service: str) -> dict[str, str]:
        path = stand_in.secret_file(self.state, f"{APP}/{ENVIRONMENT}/{service}/tls")
        value: dict[str, str] = json.loads(path.read_text())
        return value

    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.state / "calls").read_text().splitlines()]

    def steps(self) -> list[tuple[str, str]]:
        """Return each `put` of a secret and each `wait` for a replacement with its service, in order."""
        found = []
        for words in self.calls():
            match words:
                case ["secretsmanager", "put-secret-value", "--secret-id", name, *_]:
                    found.append(("put", name.split("/")[2]))
                case ["ecs", "wait", *_, "--services", name]:
                    found.append(("wait", name))
        return found


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """Return an account without certificates."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "tmp").mkdir()
    aws = programs / "aws"
    aws.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {stand_in.__file__} "$@"\n')
    aws.chmod(0o755)
    return Account(tmp_path, programs)


def calling() -> Iterator[tuple[str, str]]:
    """Yield each service with each other service that it calls."""
    for service in SERVICES:
        for name, value in ADAPTERS["ecs"](service).variables.items():
            if match := re.fullmatch(r"https?://([a-z]+)\.[a-z.]+\.local:8000", value):
                assert name == f"MILLRACE_{match[1].upper()}_URL"
                yield service, match[1]


def trusts(authorities: str, certificate: str) -> bool:
    """Return whether one of the authorities issued the certificate."""
    issued = x509.load_pem_x509_certificate(certificate.encode())
    for authority in x509.load_pem_x509_certificates(authorities.encode()):
        try:
            issued.verify_directly_issued_by(authority)
        except (InvalidSignature, ValueError):
            continue
        return True
    return False


def test_first_run_certifies_each_service_under_its_internal_name(account: Account) -> None:
    done = account.script(ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    for service in SERVICES:
        certificate = x509.load_pem_x509_certificate(account.secret(service)["certificate"].encode())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [f"{service}.{ENVIRONMENT}.{APP}.local"]
    for caller, called in product(SERVICES, SERVICES):
        assert trusts(account.secret(caller)["ca"], account.secret(called)["certificate"])
    assert not any(words[0] == "ecs" for words in account.calls()), "services aren't deployed yet"


def test_further_run_changes_nothing(account: Account) -> None:
    account.script(ENVIRONMENT)
    before = account.steps()
    done = account.script(ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert "valid until" in done.stdout
    assert account.steps() == before


def test_renewal_replaces_callers_before_the_services_that_they_call(account: Account) -> None:
    account.script(ENVIRONMENT)
    first = len(account.steps())
    old = {service: account.secret(service)["certificate"] for service in SERVICES}
    done = account.script(ENVIRONMENT, "--renew")
    assert done.returncode == 0, done.stderr
    steps = account.steps()[first:]
    assert sorted(steps) == sorted((step, service) for step in ("put", "wait") for service in SERVICES)
    pairs = list(calling())
    assert len(pairs) == 3
    for caller, called in pairs:
        assert steps.index(("wait", caller)) < steps.index(("put", called))
        # While tasks are replaced, some of the called service have the old certificate.
        for certificate in (old[called], account.secret(called)["certificate"]):
            assert trusts(account.secret(caller)["ca"], certificate)
    assert all(account.secret(service)["certificate"] != old[service] for service in SERVICES)


def test_unfinished_renewal_is_completed_by_the_next_run(account: Account) -> None:
    account.script(ENVIRONMENT)
    old = account.secret("directory")["certificate"]
    hindrance = account.state / "unstable-patients"
    hindrance.touch()
    done = account.script(ENVIRONMENT, "--renew")
    assert done.returncode == 1
    assert "patients doesn't become stable" in done.stderr
    assert account.secret("directory")["certificate"] == old
    between = account.secret("patients")["certificate"]
    hindrance.unlink()
    assert account.script(ENVIRONMENT, "--renew").returncode == 0
    for certificate in (old, between, account.secret("directory")["certificate"]):
        assert trusts(account.secret("scheduling")["ca"], certificate)
    assert account.secret("directory")["certificate"] != old


def test_keys_are_in_no_output_no_argument_and_no_file(account: Account) -> None:
    outputs = [account.script(ENVIRONMENT), account.script(ENVIRONMENT, "--renew")]
    texts = [output.stdout + output.stderr for output in outputs]
    assert not any("PRIVATE KEY" in text for text in [*texts, (account.state / "calls").read_text()])
    assert list((account.state / "tmp").iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["production"], ["dev", "--force"], ["dev", "--renew", "search"]])
def test_script_prints_its_usage(account: Account, arguments: list[str]) -> None:
    done = account.script(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage:")
