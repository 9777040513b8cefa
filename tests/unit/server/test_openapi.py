"""The OpenAPI document has every route for programs, with the fields its door knows, and nothing else."""

from __future__ import annotations

from intramuros.api.openai import schemas
from intramuros.server import answers, openapi
from intramuros.server.access import RULES
from intramuros.server.rule import is_for_programs


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


def test_every_route_says_what_it_answers() -> None:
    """One refuses whatever comes. What is said of a route that is none would never be read."""
    rules = {(rule.method, rule.path) for rule in RULES if is_for_programs(rule.path)}
    assert rules - set(answers.ANSWERS) == {("POST", "/api/push")} and set(answers.ANSWERS) <= rules


def test_an_answer_has_its_fields_and_an_error_the_shape_of_its_door() -> None:
    document = openapi.document(version="1")
    said = document["paths"]["/v1/chat/completions"]["post"]["responses"]
    assert said["default"] == {"$ref": "#/components/responses/OpenAIError"}
    assert set(said["200"]["content"]) == {"application/json", "text/event-stream"}
    assert document["paths"]["/v1/models"]["get"]["responses"]["default"]["$ref"].endswith(
        "OpenAIErrorOrAnthropicError"
    )
    assert document["paths"]["/api/v1/groups/{group}"]["delete"]["responses"]["204"] == {"description": "The answer."}
    assert document["components"]["schemas"]["Project"]["required"] == ["id", "name", "role"]
    assert set(document["components"]["responses"]) == {
        "AnthropicError", "Error", "OllamaError", "OpenAIError", "OpenAIErrorOrAnthropicError", "RpcError",
    }  # fmt: skip
