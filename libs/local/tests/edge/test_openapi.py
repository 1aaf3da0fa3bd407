"""Merging OpenAPI documents."""

from typing import Any

from millrace_local.edge.openapi import union


def document(path: str, schemas: dict[str, Any]) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{next(iter(schemas))}"}
    content = {"application/json": {"schema": reference}}
    operation = {"responses": {"200": {"description": "", "content": content}}}
    return {"openapi": "3.1.0", "paths": {path: {"get": operation}, "/readyz": {}}, "components": {"schemas": schemas}}


def schema_name(united: dict[str, Any], path: str) -> str:
    response = united["paths"][path]["get"]["responses"]["200"]
    return str(response["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2])


def test_each_service_contributes_its_routed_paths() -> None:
    problem = {"Problem": {"type": "object"}}
    united = union(
        {"directory": document("/v1/directory/x", problem), "search": document("/v1/providers/{npi}", problem)}
    )
    assert set(united["paths"]) == {"/v1/directory/x", "/v1/providers/{npi}"}
    assert united["components"]["schemas"] == problem


def test_conflicting_component_is_renamed_with_its_references() -> None:
    page = {"Page": {"properties": {"item": {"$ref": "#/components/schemas/Item"}}}}
    united = union(
        {
            "directory": document("/v1/directory/x", {**page, "Item": {"type": "string"}}),
            "search": document("/v1/search", {**page, "Item": {"type": "integer"}}),
        }
    )
    schemas = united["components"]["schemas"]
    assert schema_name(united, "/v1/directory/x") == "Page"
    assert schema_name(united, "/v1/search") == "SearchPage"
    assert schemas["Item"] == {"type": "string"}
    assert schemas["SearchItem"] == {"type": "integer"}
    assert schemas["SearchPage"]["properties"]["item"] == {"$ref": "#/components/schemas/SearchItem"}
