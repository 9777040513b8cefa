"""Projects for scripts: the owner, the one it is shared with, and the one who must see nothing of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from intramuros.accounts.caller import Caller
from tests.asgi import Answer, Client
from tests.installed import Installed

LEASE = "# Bail commercial\n\nLe préavis de résiliation est de six mois. Le loyer est de 4 200 francs par mois.\n"
BOUNDARY = "----xyz"


def form(*files: tuple[str, bytes], field: str = "file") -> dict[str, Any]:
    """The body and header of a form with files, as curl sends it."""
    body = b""
    for name, content in files:
        body += (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        body += content + b"\r\n"
    body += f"--{BOUNDARY}--\r\n".encode()
    return {"body": body, "headers": {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}}


@pytest.fixture
async def project(installed: Installed) -> str:
    """Alice's project, which Bob may read; Charlie, though an administrator, may not."""
    made = await installed.client("alice").post("/api/v1/projects", {"name": "Baux"})
    assert made.status == 201 and made.json()["role"] == "owner"
    app = installed.app
    bob = app.users.by_email("bob@firm.example")
    alice = app.users.by_email("alice@firm.example")
    assert bob and alice
    by = Caller(alice.id, alice.name, alice.role, "session")
    app.projects.add_member(made.json()["id"], user_id=bob.id, role="reader", by=by)
    return str(made.json()["id"])


async def added(client: Client, project: str, *files: tuple[str, bytes]) -> Answer:
    return await client.call("POST", f"/api/v1/projects/{project}/documents", **form(*files))


async def ready(client: Client, project: str) -> list[dict[str, Any]]:
    """The documents once none is being read any more."""
    async with asyncio.timeout(30):
        while True:
            documents = (await client.call("GET", f"/api/v1/projects/{project}/documents")).json()["documents"]
            if all(document["state"] in {"ready", "failed"} for document in documents):
                return list(documents)
            await asyncio.sleep(0.05)


async def test_documents_go_in_are_read_and_found(installed: Installed, project: str) -> None:
    alice = installed.client("alice")
    answer = await added(alice, project, ("dossier/bail.md", LEASE.encode()), ("virus.pdf", b"MZ\x90" + bytes(300)))
    assert answer.status == 202
    (document,) = answer.json()["documents"]
    assert document["name"] == "bail.md" and document["state"] == "received"
    assert [refused["name"] for refused in answer.json()["refused"]] == ["virus.pdf"]
    assert answer.json()["refused"][0]["message"]

    assert [one["state"] for one in await ready(alice, project)] == ["ready"]
    shown = await alice.call("GET", f"/api/v1/projects/{project}/documents/{document['id']}")
    assert shown.json()["pages_total"] == 1 and shown.json()["error"] is None

    found = await installed.client("bob").post(f"/api/v1/projects/{project}/search", {"query": "préavis", "limit": 3})
    (passage,) = found.json()["passages"]
    assert found.json()["lexical_only"] is False
    assert passage["document"] == "bail.md" and passage["page"] == 1 and "six mois" in passage["text"]

    assert (await alice.call("DELETE", f"/api/v1/projects/{project}/documents/{document['id']}")).status == 200
    assert (await alice.post(f"/api/v1/projects/{project}/search", {"query": "préavis"})).json()["passages"] == []
    actions = ["document.add", "document.remove", "search"]
    assert {record.object for record in installed.records(*actions)} == {project}
    assert "bail" not in repr(installed.records()) and "préavis" not in repr(installed.records())


async def test_projects_are_listed_for_those_who_may_see_them(installed: Installed, project: str) -> None:
    for who, roles in {"alice": ["owner"], "bob": ["reader"], "charlie": []}.items():
        listed = (await installed.client(who).call("GET", "/api/v1/projects")).json()["projects"]
        assert [one["role"] for one in listed] == roles, who


ROUTES = [
    ("GET", "documents", b""),
    ("GET", "documents/{document}", b""),
    ("POST", "documents", b""),
    ("DELETE", "documents/{document}", b""),
    ("POST", "search", b'{"query": "loyer"}'),
    ("POST", "ask", b'{"question": "Quel loyer ?"}'),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_for_whoever_may_not_see_it_a_project_does_not_exist(
    installed: Installed, project: str, method: str, path: str, body: bytes
) -> None:
    document = (await added(installed.client("alice"), project, ("b.md", LEASE.encode()))).json()["documents"][0]
    more = form(("c.md", b"x")) if path == "documents" and method == "POST" else {"body": body}
    charlie = installed.client("charlie")
    for there in (project, "Baux"):
        address = f"/api/v1/projects/{there}/{path.format(document=document['id'])}"
        hidden = await charlie.call(method, address, **more)
        missing = await charlie.call(method, address.replace(there, "nowhere"), **more)
        assert hidden.status == missing.status == 404
        assert hidden.json() == missing.json(), "the answer tells that it exists"


async def test_the_record_of_a_refusal_names_the_document_that_was_tried(installed: Installed, project: str) -> None:
    document = (await added(installed.client("alice"), project, ("b.md", LEASE.encode()))).json()["documents"][0]["id"]
    for tried in (document, "not-an-id@example.org"):
        answer = await installed.client("charlie").call("GET", f"/api/v1/projects/{project}/documents/{tried}")
        assert answer.status == 404 and answer.json()["error"]["hint"]
    assert [record.object for record in installed.records("document.show")] == [document, None]


@pytest.mark.parametrize(("method", "path"), [("POST", "documents"), ("DELETE", "documents/{document}")])
async def test_a_reader_may_not_change_anything(installed: Installed, project: str, method: str, path: str) -> None:
    document = (await added(installed.client("alice"), project, ("b.md", LEASE.encode()))).json()["documents"][0]
    address = f"/api/v1/projects/{project}/{path.format(document=document['id'])}"
    answer = await installed.client("bob").call(method, address, **form(("c.md", b"texte")))
    assert answer.status == 403
    assert (
        len((await installed.client("alice").call("GET", address.rsplit("/", 1)[0])).json().get("documents", [1])) == 1
    )


async def test_a_document_of_another_project_is_not_found_through_ones_own(installed: Installed, project: str) -> None:
    document = (await added(installed.client("alice"), project, ("b.md", LEASE.encode()))).json()["documents"][0]
    charlie = installed.client("charlie")
    own = (await charlie.post("/api/v1/projects", {"name": "À moi"})).json()["id"]
    for method in ("GET", "DELETE"):
        answer = await charlie.call(method, f"/api/v1/projects/{own}/documents/{document['id']}")
        assert answer.status == 404


@pytest.mark.parametrize(
    ("path", "value", "param"),
    [
        ("", {"name": ""}, "name"),
        ("", {"name": 3}, "name"),
        ("", {"name": "x", "owner": "me"}, "owner"),
        ("/{project}/search", {}, "query"),
        ("/{project}/search", {"query": "a", "limit": 0}, "limit"),
        ("/{project}/search", {"query": "a", "limit": "3"}, "limit"),
        ("/{project}/ask", {"question": "   "}, "question"),
        ("/{project}/ask", {"question": "?", "mode": "guess"}, "mode"),
        ("/{project}/ask", {"question": "?", "stream": "yes"}, "stream"),
        ("/{project}/ask", {"question": "?", "temperature": 1}, "temperature"),
    ],
)
async def test_bad_values_name_their_field(
    installed: Installed, project: str, path: str, value: dict[str, Any], param: str
) -> None:
    answer = await installed.client("alice").post("/api/v1/projects" + path.format(project=project), value)
    assert answer.status == 400
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize(
    "sent",
    [
        {"body": b"{}", "headers": {"content-type": "application/json"}},
        {"body": b"", "headers": {"content-type": "multipart/form-data"}},
        {"body": b"--x", "headers": {"content-type": "multipart/form-data; boundary=y"}},
        {"body": b"--y\r\nnonsense", "headers": {"content-type": "multipart/form-data; boundary=y"}},
        form(),
    ],
)
async def test_a_form_that_is_none_is_a_bad_request(installed: Installed, project: str, sent: dict[str, Any]) -> None:
    answer = await installed.client("alice").call("POST", f"/api/v1/projects/{project}/documents", **sent)
    assert answer.status == 400


async def test_only_what_cannot_be_read_is_an_error_with_the_reason(installed: Installed, project: str) -> None:
    answer = await added(installed.client("alice"), project, ("virus.pdf", b"MZ\x90" + bytes(300)))
    assert answer.status == 422
    assert answer.json()["error"]["message"] and answer.json()["error"]["hint"]


async def test_an_upload_over_the_limit_is_refused_while_it_comes(
    installed: Installed, project: str, tmp_path: Path
) -> None:
    client = installed.client("alice")
    sent = form(("big.txt", b"x" * (2 << 20)))
    installed.guard.limits = type(installed.guard.limits)(request_bytes=1000, upload_bytes=1 << 20)
    pieces = [sent["body"][start : start + 65_536] for start in range(0, len(sent["body"]), 65_536)]
    address = f"/api/v1/projects/{project}/documents"
    answer = await client.call("POST", address, pieces, headers=sent["headers"])
    assert answer.status == 413
    assert (await client.call("GET", address)).json()["documents"] == []


async def test_a_name_that_is_taken_is_a_conflict(installed: Installed, project: str) -> None:
    assert (await installed.client("bob").post("/api/v1/projects", {"name": "Baux"})).status == 409
