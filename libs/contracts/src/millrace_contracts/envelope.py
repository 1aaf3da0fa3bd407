"""The envelope of every change: CloudEvents 1.0 in structured JSON, UTF-8.

Source: CloudEvents 1.0.2, JSON event format; extension names are lower-case letters and digits as it demands.
"""

from typing import Literal

import msgspec


class ContractError(ValueError):
    """A record is not what the contract says; the message names the field."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change of one entity.

    `data` is the whole state of the entity after the change as raw JSON, `null` for a deletion; it stays undecoded so
    that who only routes or orders pays nothing for it. `entityversion` rises by one with each commit of the
    aggregate. `replay` marks a state that is sent again on request: versions between the last one seen and this one
    may be missing for good. `time` is the commit time (RFC 3339, UTC).
    """

    id: str
    source: str
    type: str
    subject: str
    time: str
    dataschema: str
    partitionkey: str
    entityversion: int
    data: msgspec.Raw
    specversion: Literal["1.0"] = "1.0"
    datacontenttype: Literal["application/json"] = "application/json"
    traceparent: str | None = None
    replay: bool = False

    @property
    def deleted(self) -> bool:
        return bytes(self.data) == b"null"

    @property
    def entity(self) -> str:
        """The entity's name as the subject carries it, e.g. `provider-location`."""
        return self.subject.partition("/")[0]


# specversion and datacontenttype stand in every encoded event, so they are encoded by a twin without omit_defaults.
class _Wire(msgspec.Struct, frozen=True, kw_only=True):
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    dataschema: str
    partitionkey: str
    entityversion: int
    traceparent: str | msgspec.UnsetType
    replay: bool | msgspec.UnsetType
    data: msgspec.Raw


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Envelope)


def encode(envelope: Envelope) -> bytes:
    """The envelope as bytes for a feed."""
    return _encoder.encode(
        _Wire(
            specversion=envelope.specversion,
            id=envelope.id,
            source=envelope.source,
            type=envelope.type,
            subject=envelope.subject,
            time=envelope.time,
            datacontenttype=envelope.datacontenttype,
            dataschema=envelope.dataschema,
            partitionkey=envelope.partitionkey,
            entityversion=envelope.entityversion,
            traceparent=envelope.traceparent if envelope.traceparent is not None else msgspec.UNSET,
            replay=True if envelope.replay else msgspec.UNSET,
            data=envelope.data,
        )
    )


def decode(body: bytes) -> Envelope:
    """Parse a record of a feed; unknown attributes are ignored. Raises `ContractError`."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContractError(f"not an envelope: {error}") from error
