"""The fixtures for integration tests."""

import os

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from millrace_local.process import exchange_probe
from millrace_local.testing import UniqueName


async def test_database_is_empty(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    try:
        await connection.execute("CREATE TABLE left_behind (id int)")
        assert await connection.fetchval("SHOW server_version_num") >= "180000"
    finally:
        await connection.close()


async def test_database_is_not_shared_between_tests(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    try:
        assert await connection.fetchval("SELECT to_regclass('left_behind')") is None
    finally:
        await connection.close()


@pytest.mark.parametrize("round_", [1, 2])
async def test_valkey_is_empty(redis_url: str, round_: int) -> None:
    port = int(redis_url.split(":")[2].split("/", maxsplit=1)[0])
    assert await exchange_probe(port, b"SET a b NX\r\n", b"+OK\r\n")()


async def test_valkey_is_not_older_than_in_production(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as client:
        found = await client.info("server")
    assert int(str(found["valkey_version"]).split(".", maxsplit=1)[0]) >= 8


async def test_aws_responds(aws_endpoint: str, unique_name: UniqueName) -> None:
    assert os.environ["AWS_ENDPOINT_URL"] == aws_endpoint
    headers = {
        "X-Amz-Target": "Kinesis_20131202.CreateStream",
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": "AWS4-HMAC-SHA256 Credential=local/20200101/us-east-1/kinesis/aws4_request",
    }
    async with httpx.AsyncClient() as client:
        body = {"StreamName": unique_name("stream"), "ShardCount": 1}
        answer = await client.post(aws_endpoint, headers=headers, json=body)
    assert answer.status_code == 200
