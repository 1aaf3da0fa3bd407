"""Issuer metadata for verifiers of tokens (OpenID Connect Discovery 1.0; RFC 7517)."""

from typing import Any

from fastapi import APIRouter, Response

from millrace_patients.dependencies import InIdentity
from millrace_platform.authentication import ALGORITHM
from millrace_platform.responses import json_response

router = APIRouter(prefix="/v1/auth/.well-known", tags=["tokens"])

PUBLIC = {"Cache-Control": "public, max-age=300"}
"""`Cache-Control` of the responses: far shorter than the time for which a new key is published before it signs."""


@router.get("/openid-configuration", summary="Get the issuer's metadata")
async def get_issuer_configuration(identity: InIdentity) -> Response:
    """Return the issuer's metadata. It names no OAuth endpoints, because clients sign in under `/v1/auth`."""
    issuer = identity.issuer.issuer
    document: dict[str, Any] = {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": ["iss", "sub", "client_id", "token_use", "iat", "exp", "auth_time", "cognito:groups"],
    }
    return json_response(document, headers=PUBLIC)


@router.get("/jwks.json", summary="List the public keys")
async def get_key_set(identity: InIdentity) -> Response:
    """Return the public keys of current, upcoming and recent signing keys, with which valid tokens are verified."""
    return json_response({"keys": [key.public() for key in identity.issuer.ring.published()]}, headers=PUBLIC)
