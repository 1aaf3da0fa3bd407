"""A DynamoDB client for the truth: botocore's signing, retries and pool, but our own reading of item pages.

botocore turns each attribute of each item into nested dictionaries by walking the service model, some 25 µs an item.
A rebuild reads millions of items; decoded straight into structs it is one.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiobotocore.config import AioConfig
from aiobotocore.parsers import AioJSONParser, AioResponseParserFactory
from aiobotocore.session import AioSession

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_PAGES: Final = frozenset({"ScanOutput", "QueryOutput"})


class Text(msgspec.Struct, frozen=True, gc=False):
    S: str


class Number(msgspec.Struct, frozen=True, gc=False):
    N: int


class PageItem(msgspec.Struct, frozen=True, gc=False):
    """An item of the truth as DynamoDB writes it."""

    pk: Text
    sk: Text
    version: Number
    time: Text
    subject: Text
    data: Text | None = None


class _Page(msgspec.Struct, frozen=True):
    Items: list[PageItem]
    LastEvaluatedKey: dict[str, dict[str, str]] | None = None


_page = msgspec.json.Decoder(_Page, strict=False)  # DynamoDB writes numbers as strings


class _PageParser(AioJSONParser):
    async def parse(self, response: Mapping[str, Any], shape: Any) -> Any:
        if response["status_code"] >= 300 or shape is None or shape.name not in _PAGES:
            return await super().parse(response, shape)
        page = _page.decode(response["body"])
        metadata = {"HTTPStatusCode": response["status_code"], "HTTPHeaders": dict(response["headers"])}
        return {"Items": page.Items, "LastEvaluatedKey": page.LastEvaluatedKey, "ResponseMetadata": metadata}


class _PageParserFactory(AioResponseParserFactory):
    def create_parser(self, protocol_name: str) -> Any:
        return _PageParser() if protocol_name == "json" else super().create_parser(protocol_name)


@asynccontextmanager
async def truth_client(
    *, region: str | None = None, endpoint_url: str | None = None, connections: int = 32
) -> "AsyncIterator[DynamoDBClient]":
    """A client whose Scan and Query answer `list[PageItem]`. What isn't given is as botocore finds it."""
    session = AioSession()
    session.register_component("response_parser_factory", _PageParserFactory())
    config = AioConfig(
        max_pool_connections=connections,
        connect_timeout=5,
        read_timeout=20,
        retries={"mode": "standard", "max_attempts": 4},
        # A third of a request's cost here: walking the service model over each item, and describing the client anew.
        parameter_validation=False,
        user_agent="millrace",
    )
    async with session.create_client(
        "dynamodb", region_name=region, endpoint_url=endpoint_url, config=config
    ) as client:
        yield client
