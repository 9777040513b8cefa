"""The OpenAPI document has every route for programs, with the fields its door knows, and nothing else."""

from __future__ import annotations

from intramuros.api.openai import schemas
from intramuros.server import openapi
from intramuros.server.access import RULES, is_for_programs


def test_it_has_every_route_for_programs_and_no_page() -> None:
    paths = openapi.document(version="1")["paths"]
    written = {(method.upper(), path) for path, held in paths.items() for method in held}
    rules = {(rule.method, rule.path.replace(":path", "")) for rule in RULES if is_for_programs(rule.path)}
    assert written == rules and ("GET", "/sign-in") not in written


def test_a_table_of_fields_leads_to_a_route() -> None:
    writing = {(rule.method, rule.path) for rule in RULES if rule.method in {"POST", "PUT", "PATCH"}}
    assert {*openapi.FIELDS, *openapi.NAMES, *openapi.REQUIRED} | openapi.FORMS <= {path for _, path in writing}
    assert set(openapi.SHAPES) <= writing
    assert all(set(names) <= set(openapi.NAMES[path]) for path, names in openapi.REQUIRED.items())


def test_every_body_has_named_fields() -> None:
    """A route whose address says all has no body in the document: those are the ones of `BODILESS`."""
    for path, held in openapi.document(version="1")["paths"].items():
        for method, operation in held.items():
            content = operation.get("requestBody", {}).get("content", {})
            assert content or method in {"get", "delete"} or openapi.BODILESS.search(path), (method, path)
            for kind, said in content.items():
                if kind != "application/octet-stream":  # the plain bytes of a model
                    assert said["schema"]["properties"], (method, path)


def test_a_route_says_its_fields_its_scope_and_its_places() -> None:
    paths = openapi.document(version="1")["paths"]
    asked = paths["/v1/chat/completions"]["post"]
    schema = asked["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == schemas.FIELDS.names and schema["required"] == list(schemas.REQUIRED)
    assert "a key needs: chat" in asked["description"] and asked["security"]
    assert "security" not in paths["/health"]["get"]
    assert [one["name"] for one in paths["/v1/models/{model}"]["delete"]["parameters"]] == ["model"]
    assert "multipart/form-data" in paths["/v1/files"]["post"]["requestBody"]["content"]
    large = paths["/v1/messages/batches"]["post"]["requestBody"]["content"]
    assert list(large) == ["application/json"] and "requests" in large["application/json"]["schema"]["properties"]
