"""Anchors of audit trails: in files and in buckets they behave the same."""

from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from millrace_feeds.aws import AwsSettings, s3_client
from millrace_platform.audit.anchors import AnchorError, AnchorSettings, decode_lines, open_anchors
from millrace_platform.audit.model import Head
from millrace_platform.ids import Uuid7

FIRST = [Head(0, 3, b"a" * 32), Head(1, 0, bytes(32))]
SECOND = [Head(0, 5, b"b" * 32), Head(1, 0, bytes(32))]


@pytest.fixture
async def bucket(aws_endpoint: str, unique_name: Callable[[str], str]) -> AnchorSettings:
    """Create a bucket with object lock and return settings that name it."""
    name = unique_name("anchors")
    async with s3_client(AwsSettings(aws_endpoint)) as client:
        await client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return AnchorSettings(audit_anchors_bucket=name, AWS_ENDPOINT_URL=aws_endpoint)


@pytest.fixture(params=["directory", "bucket"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> AnchorSettings:
    if request.param == "directory":
        return AnchorSettings(audit_anchors_directory=tmp_path / "anchors")
    created: AnchorSettings = request.getfixturevalue("bucket")
    return created


async def test_all_anchors_are_read_again(settings: AnchorSettings) -> None:
    async with open_anchors(settings, "patients", Uuid7()) as store:
        assert store is not None
        assert await store.read() == []
        for heads in (FIRST, SECOND):
            await store.add(heads)
    async with open_anchors(settings, "patients", Uuid7()) as reopened:
        assert reopened is not None
        assert sorted(await reopened.read(), key=lambda head: (head.chain, head.seq)) == [
            FIRST[0],
            SECOND[0],
            FIRST[1],
            SECOND[1],
        ]


async def test_services_have_their_own_anchors(settings: AnchorSettings) -> None:
    for service, heads in (("patients", FIRST), ("reviews", SECOND)):
        async with open_anchors(settings, service, Uuid7()) as store:
            assert store is not None
            await store.add(heads)
    async with open_anchors(settings, "reviews", Uuid7()) as store:
        assert store is not None
        assert await store.read() == SECOND


async def test_without_a_place_there_are_no_anchors() -> None:
    async with open_anchors(AnchorSettings(), "patients", Uuid7()) as store:
        assert store is None


async def test_anchor_is_never_replaced(settings: AnchorSettings) -> None:
    identifier = Uuid7()()
    async with open_anchors(settings, "patients", lambda: identifier) as store:
        assert store is not None
        await store.add(FIRST)
        with pytest.raises((FileExistsError, ClientError)):
            await store.add(SECOND)
        assert await store.read() == FIRST


async def test_file_of_an_anchor_is_read_only(tmp_path: Path) -> None:
    async with open_anchors(AnchorSettings(audit_anchors_directory=tmp_path), "patients", Uuid7()) as store:
        assert store is not None
        await store.add(FIRST)
    (file,) = (tmp_path / "patients").iterdir()
    assert file.stat().st_mode & 0o777 == 0o400


async def test_unreadable_anchors_are_reported(bucket: AnchorSettings, tmp_path: Path) -> None:
    (tmp_path / "patients" / "heads.jsonl").mkdir(parents=True)
    missing = AnchorSettings(audit_anchors_bucket="missing", AWS_ENDPOINT_URL=bucket.aws_endpoint_url)
    for settings in (missing, AnchorSettings(audit_anchors_directory=tmp_path)):
        async with open_anchors(settings, "patients", Uuid7()) as store:
            assert store is not None
            with pytest.raises(AnchorError, match="can't be read"):
                await store.read()


async def test_locked_anchor_is_read_although_newer_versions_hide_it(bucket: AnchorSettings) -> None:
    name = bucket.audit_anchors_bucket
    async with (
        s3_client(AwsSettings(bucket.aws_endpoint_url)) as client,
        open_anchors(bucket, "patients", Uuid7()) as store,
    ):
        assert store is not None
        await store.add(FIRST)
        (stored,) = (await client.list_objects_v2(Bucket=name))["Contents"]
        await client.put_object(Bucket=name, Key=stored["Key"], Body=b"")
        await client.delete_object(Bucket=name, Key=stored["Key"])
        assert "Contents" not in await client.list_objects_v2(Bucket=name)
        assert await store.read() == FIRST


@pytest.mark.parametrize("line", [b"nonsense", b'{"service":"a","chain":16,"seq":1,"digest":""}', b'{"chain":1}'])
def test_other_lines_are_refused(line: bytes) -> None:
    with pytest.raises(AnchorError, match="heads has lines"):
        decode_lines(line, "patients", name="heads")
