"""The embedded servers over a stop and a restart."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import httpx
import pytest

from millrace_local.ports import free_port
from millrace_local.servers import ministack, postgres
from millrace_local.testing import run_aside, running

DYNAMODB = {
    "Content-Type": "application/x-amz-json-1.0",
    "Authorization": "AWS4-HMAC-SHA256 Credential=local/20200101/us-east-1/dynamodb/aws4_request",
}
TABLE = {
    "TableName": "stored",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


async def execute(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def test_postgres_retains_committed_data(tmp_path: Path) -> None:
    server = postgres.Postgres(tmp_path / "postgres", free_port())
    server.prepare()
    with running(server.spec(), tmp_path / "log"):
        run_aside(lambda: server.create_database("directory"))
        run_aside(lambda: execute(server.dsn("directory"), "CREATE TABLE stored AS SELECT 42 AS answer"))
    server.prepare()
    with running(server.spec(), tmp_path / "log"):
        run_aside(lambda: server.create_database("directory"))
        assert run_aside(lambda: execute(server.dsn("directory"), "SELECT answer FROM stored")) == 42
        assert run_aside(lambda: execute(server.dsn(), "SHOW synchronous_commit")) == "on"


def test_postgres_requires_the_password(tmp_path: Path) -> None:
    server = postgres.Postgres(tmp_path / "postgres", free_port())
    server.prepare()
    assert server.password_file.stat().st_mode & 0o777 == 0o600
    wrong = server.dsn().replace(server.password_file.read_text(), "guess")
    with running(server.spec(), tmp_path / "log"), pytest.raises(asyncpg.InvalidPasswordError):
        run_aside(lambda: execute(wrong, "SELECT 1"))


def test_interrupted_initialization_is_repeated(tmp_path: Path) -> None:
    server = postgres.Postgres(tmp_path, free_port())
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new" / "half").touch()
    (tmp_path / "password").write_text("of the first attempt")
    server.prepare()
    assert (server.data / "PG_VERSION").read_text() == "18\n"
    assert not (tmp_path / "data.new").exists()


def tables(server: ministack.Ministack) -> object:
    return dynamodb(server, "ListTables", {})["TableNames"]


def dynamodb(server: ministack.Ministack, action: str, body: Mapping[str, object]) -> dict[str, object]:
    headers = {**DYNAMODB, "X-Amz-Target": f"DynamoDB_20120810.{action}"}
    answer: dict[str, object] = httpx.post(server.endpoint, headers=headers, json=body).raise_for_status().json()
    return answer


def test_aws_retains_its_state_over_a_clean_stop(tmp_path: Path) -> None:
    server = ministack.Ministack(ministack.environment_directory(), tmp_path / "aws", free_port())
    server.prepare()
    with running(server.spec(), tmp_path / "log"):
        dynamodb(server, "CreateTable", TABLE)
    with running(server.spec(), tmp_path / "log"):
        assert tables(server) == ["stored"]


def test_aws_listens_on_loopback_without_docker(aws_endpoint: str, tmp_path: Path) -> None:
    server = ministack.Ministack(tmp_path / "environment", tmp_path, free_port())
    variables = server.spec().environment
    assert variables["BIND_HOST"] == "127.0.0.1"
    assert not Path(variables["DOCKER_HOST"].removeprefix("unix://")).exists()
    assert aws_endpoint.startswith("http://127.0.0.1:")


def test_ministack_of_another_lock_is_replaced(tmp_path: Path) -> None:
    environment = tmp_path / "ministack"
    ministack.install(environment)
    (environment / "installed.sha256").write_text("of an older lock")
    (environment / "left-over").touch()
    ministack.install(environment)
    assert not (environment / "left-over").exists()
    python = environment / "bin" / "python"
    subprocess.run([python, "-c", "import ministack"], check=True, timeout=60)
    assert Path(sys.prefix) != environment
