"""A proxy between a service and the AWS emulator that records each AWS call and its resource."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.deploy.aws_names import HEAD_END, listening
from tests.deploy.names import ACCOUNT, REGION


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """One call as IAM sees it: `dynamodb:PutItem` on an ARN."""

    action: str
    resource: str


@dataclass
class Recorder:
    """A running proxy, the calls recorded so far, and error texts of requests that weren't understood."""

    port: int = 0
    calls: set[Call] = field(default_factory=set)
    not_understood: list[str] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def recorder(emulator_port: int) -> Iterator[Recorder]:
    """Run the proxy in front of the emulator during the block."""
    recorded = Recorder()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await _relay(recorded, reader, writer, emulator_port)
        writer.close()

    with listening(serve) as recorded.port:
        yield recorded


async def _relay(
    recorded: Recorder, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, emulator_port: int
) -> None:
    """Serve one connection: record complete requests, forward responses as they arrive."""
    upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", emulator_port)

    async def back() -> None:
        with suppress(OSError):
            while chunk := await upstream_reader.read(65_536):
                writer.write(chunk)
                await writer.drain()
        writer.close()

    returning = asyncio.create_task(back())
    try:
        while True:
            head = await reader.readuntil(HEAD_END)
            headers = _headers(head)
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            _record(recorded, head.split(b" ", 2)[1].decode(), headers, body)
            upstream_writer.write(head + body)
            await upstream_writer.drain()
    finally:
        upstream_writer.close()
        returning.cancel()


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _record(recorded: Recorder, path: str, headers: Mapping[str, str], body: bytes) -> None:
    target = headers.get("x-amz-target", path)
    try:
        recorded.calls |= set(calls(target, json.loads(body)))
    except (ValueError, KeyError) as error:
        recorded.not_understood.append(f"{target}: {error!r}")


def calls(target: str, request: Mapping[str, Any]) -> Iterator[Call]:
    """Yield the IAM calls of a request; raise KeyError for an unknown service."""
    service, _, operation = target.partition(".")
    match service.partition("_")[0], operation:
        case "Kinesis", _:
            yield Call(f"kinesis:{operation}", _stream(request))
        case "DynamoDB", "TransactWriteItems":
            for item in request["TransactItems"]:
                ((kind, write),) = item.items()
                yield Call(
                    f"dynamodb:{'ConditionCheckItem' if kind == 'ConditionCheck' else f'{kind}Item'}", _table(write)
                )
        case "DynamoDB", "BatchGetItem" | "BatchWriteItem":
            for table in request["RequestItems"]:
                yield Call(f"dynamodb:{operation}", _table({"TableName": table}))
        case "DynamoDB", _:
            yield Call(f"dynamodb:{operation}", _table(request))
        case "TrentService", _:
            yield Call(f"kms:{operation}", request["KeyId"])
        case "/v2/email/outbound-emails", _:
            domain = request["FromEmailAddress"].rpartition("@")[2].strip(">")
            yield Call("ses:SendEmail", f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/{domain}")
        case _:
            raise KeyError(target)


def _table(request: Mapping[str, Any]) -> str:
    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{request['TableName']}"
    return f"{table}/index/{request['IndexName']}" if "IndexName" in request else table


def _stream(request: Mapping[str, Any]) -> str:
    """Return the stream's ARN; that of all streams if the request has an iterator or a token instead of a stream."""
    if "StreamARN" in request:
        return str(request["StreamARN"])
    if "StreamName" in request:
        return f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{request['StreamName']}"
    return f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/*"
