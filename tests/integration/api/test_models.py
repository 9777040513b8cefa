"""The list of models, and the monitoring page."""

from __future__ import annotations

from tests.installed import Installed


async def test_without_a_model_the_list_is_empty_and_a_name_is_not_found(installed: Installed) -> None:
    client = installed.client("alice")
    assert (await client.call("GET", "/v1/models")).json() == {"object": "list", "data": []}
    for name in ("default", "gpt-4o", "org/model", "..%2f..%2fetc"):
        missing = await client.call("GET", f"/v1/models/{name}")
        assert missing.status == 404 and missing.json()["error"]["code"] == "model_not_found", name


async def test_metrics_show_what_was_counted(installed: Installed) -> None:
    await installed.client("alice").call("GET", "/v1/models")
    answer = await installed.client("charlie").call("GET", "/metrics")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain")
    assert 'intramuros_requests_total{method="GET",route="/v1/models",status="200"} 1.0' in answer.body.decode()


async def test_health_says_the_version_and_how_far_it_is_confined(installed: Installed) -> None:
    answer = await installed.client(None).call("GET", "/health")
    assert answer.status == 200 and set(answer.json()) == {"status", "version", "isolation"}


async def test_what_is_not_there_has_the_shape_of_its_door(installed: Installed) -> None:
    client = installed.client("alice")
    assert (await client.call("GET", "/v1/nothing")).json()["error"]["type"] == "invalid_request_error"
    assert (await client.call("GET", "/api/v1/nothing")).json()["error"]["code"] == "not_found"
    wrong = await client.call("GET", "/v1/embeddings")
    assert wrong.status == 405 and wrong.json()["error"]["code"] == "method_not_allowed"
    page = await client.call("GET", "/nothing")
    assert page.status == 404 and page.headers["content-type"].startswith("text/html")
