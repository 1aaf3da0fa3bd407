"""The envelope of every event: CloudEvents 1.0 in structured JSON, UTF-8.

Source: CloudEvents 1.0.2, JSON event format; it allows lower-case letters and digits in extension names.
"""

from typing import Literal

import msgspec


class ContractError(ValueError):
    """A record violates its contract; the message names the field."""


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
    def is_deletion(self) -> bool:
        return bytes(self.data) == b"null"

    @property
    def entity(self) -> str:
        """The entity's name from the subject, e.g. `provider-location`."""
        return self.subject.partition("/")[0]


# Every encoded event has specversion and datacontenttype, but omit_defaults would leave them out.
class _EncodedEnvelope(msgspec.Struct, frozen=True, kw_only=True):
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
    """Encode the envelope for a feed."""
    return _encoder.encode(
        _EncodedEnvelope(
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
    """Decode a record of a feed, ignoring unknown attributes; raise `ContractError` if it is invalid."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContractError(f"not an envelope: {error}") from error
