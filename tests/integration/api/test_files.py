"""`/v1/files` with the official client: a person's own files, and nobody else's."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import openai
import pytest

from intramuros.accounts.rights import Rights
from intramuros.storage.erasable import Subject
from intramuros.tasks.files import MOST_FILES
from tests.asgi import Client
from tests.installed import Installed, installation
from tests.support.sdk import sdk

SECRET = b"the zebulonette is under the third stone"


async def test_a_file_comes_back_as_it_was_sent(installed: Installed) -> None:
    client = sdk(installed, "alice")
    made = await client.files.create(file=("plan.txt", SECRET), purpose="user_data")
    assert (made.filename, made.bytes, made.purpose, made.status) == ("plan.txt", len(SECRET), "user_data", "processed")
    assert made.expires_at is None
    assert await client.files.retrieve(made.id) == made
    assert [file.id async for file in client.files.list()] == [made.id]
    assert (await client.files.content(made.id)).content == SECRET
    gone = await client.files.delete(made.id)
    assert gone.deleted and gone.id == made.id
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(made.id)
    assert not [path for path in installed.app.blobs.folder.rglob("*") if path.is_file()]


async def test_nobody_else_sees_a_file(installed: Installed) -> None:
    made = await sdk(installed, "alice").files.create(file=("plan.txt", SECRET), purpose="assistants")
    for other in ("bob", "charlie", "local"):  # an administrator and the local operator too
        client = sdk(installed, other)
        assert [file async for file in client.files.list()] == []
        for call in (client.files.retrieve, client.files.content, client.files.delete):
            with pytest.raises(openai.NotFoundError) as refused:
                await call(made.id)
            assert refused.value.code == "file_not_found" and "plan" not in str(refused.value)
    assert (await sdk(installed, "alice").files.content(made.id)).content == SECRET


async def test_nothing_of_it_stands_on_the_disk(installed: Installed) -> None:
    client = sdk(installed, "alice")
    await client.files.create(file=("secret-mirabelle.txt", SECRET * 1000), purpose="user_data")
    folder = installed.app.settings.data
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.stat().st_size > 40_000 for path in files)
    assert [path for path in files if SECRET in path.read_bytes() or b"mirabelle" in path.read_bytes()] == []


async def test_pages_of_a_list(installed: Installed) -> None:
    client = sdk(installed, "alice")
    made = [
        (await client.files.create(file=(f"{n}.txt", b"x"), purpose="batch" if n % 2 else "assistants")).id
        for n in range(5)
    ]
    assert [file.id async for file in client.files.list(limit=2, order="asc")] == made, "all pages, one after another"
    assert [file.id async for file in client.files.list(limit=2)] == made[::-1]
    first = await client.files.list(limit=2, order="asc")
    assert [file.id for file in first.data] == made[:2] and first.has_more
    assert [file.id async for file in client.files.list(purpose="batch", order="asc")] == made[1::2]
    none = await client.files.list(limit=0)
    assert (none.data, none.has_more) == ([], True), "nothing, and that there is something"
    for bad in ("limit=-1", "limit=99999999999999999999", "limit=x", "order=up", "after=file-nobody", "colour=red"):
        answer = await installed.client("alice").call("GET", f"/v1/files?{bad}")
        assert (answer.status, answer.json()["error"]["param"]) == (400, bad.split("=")[0])


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\win.ini", "win.ini"),
        ("..", "document"),
        ("\u202egnp.exe\u0000", "gnp.exe"),
        ("facture – « été ».pdf", "facture – « été ».pdf"),
        ("a" * 300 + ".jsonl", "a" * 194 + ".jsonl"),
    ],
)
async def test_names_with_odd_characters(installed: Installed, name: str, kept: str) -> None:
    file = installed.app.files.add(name, "user_data", io.BytesIO(b"x"), by=_caller(installed))
    assert file.name == kept
    answer = await installed.client("alice").call("GET", f"/v1/files/file-{file.id}/content")
    assert answer.status == 200 and answer.body == b"x"
    assert answer.headers["content-disposition"].isascii()
    assert answer.headers["content-disposition"].startswith("attachment;"), "never shown as a page of ours"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_file_that_expires(installed: Installed) -> None:
    client = sdk(installed, "alice")
    made = await client.files.create(
        file=("a.txt", b"x"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert made.expires_at and 3590 < made.expires_at - time.time() <= 3600
    batch = await client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    assert batch.expires_at and batch.expires_at - batch.created_at == 30 * 86_400
    for seconds in (3599, 30 * 86_400 + 1):
        with pytest.raises(openai.BadRequestError) as refused:
            await client.files.create(
                file=("a.txt", b"x"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": seconds}
            )
        assert refused.value.param == "expires_after.seconds"
    with installed.app.database.write() as connection:
        connection.exec_driver_sql("UPDATE files SET expires_at = 1 WHERE id = ?", (made.id.removeprefix("file-"),))
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(made.id)
    assert [file.id async for file in client.files.list()] == [batch.id]
    assert [file.id for file in installed.app.files.expired()] == [made.id.removeprefix("file-")]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"purpose": "world domination"}, "purpose"),
        ({}, "purpose"),
        ({"purpose": "batch", "colour": "red"}, "colour"),
        ({"purpose": "batch", "expires_after[anchor]": "never"}, "expires_after.anchor"),
        ({"purpose": "batch", "expires_after[anchor]": "created_at"}, "expires_after.seconds"),
    ],
)
async def test_forms_that_can_not_be(installed: Installed, fields: dict[str, str], param: str) -> None:
    answer = await _form(installed.client("alice"), fields, file=b"x")
    assert (answer.status, answer.json()["error"]["param"]) == (400, param)
    assert installed.app.files.list(by=_caller(installed)) == []


async def test_a_form_without_a_file_or_with_two(installed: Installed) -> None:
    client = installed.client("alice")
    assert (await _form(client, {"purpose": "batch", "file": "not a file"}, file=None)).status == 400
    assert (await _form(client, {"purpose": "batch"}, file=None)).status == 400
    assert (await client.post("/v1/files", {"purpose": "batch"})).status == 400
    broken = {"content-type": "multipart/form-data; boundary=xx"}
    assert (await client.call("POST", "/v1/files", b"--xx\r\nnothing", headers=broken)).status == 400


async def test_limits_of_size(tmp_path: Path) -> None:
    with installation(tmp_path, upload_mib=1, files_mib=2) as made:
        by = _caller(made)
        for size in ((1 << 20) + 1, 1 << 21):
            answer = await _form(made.client("alice"), {"purpose": "user_data"}, file=b"x" * size)
            assert (answer.status, answer.json()["error"]["code"]) == (413, "too_large")
        for _ in range(2):
            assert (await _form(made.client("alice"), {"purpose": "user_data"}, file=b"x" * (1 << 20))).status == 200
        answer = await _form(made.client("alice"), {"purpose": "user_data"}, file=b"x")
        assert (answer.status, answer.json()["error"]["code"]) == (413, "files_full")
        assert len(made.app.files.list(by=by)) == 2
        assert len([path for path in made.app.blobs.folder.rglob("*") if path.is_file()]) == 2, "nothing is left behind"
        assert (await _form(made.client("bob"), {"purpose": "user_data"}, file=b"x")).status == 200, (
            "each has their own"
        )
        assert MOST_FILES >= 1000


async def test_a_key_needs_the_scope(installed: Installed) -> None:
    person = installed.app.users.find("alice@firm.example")
    key, _ = installed.app.api_keys.create("chat only", person.id, rights=Rights(scopes=frozenset({"chat"})))
    answer = await Client(installed.guard, authorization=f"Bearer {key}").call("GET", "/v1/files")
    assert (answer.status, answer.json()["error"]["code"]) == (403, "missing_scope")


async def test_files_go_with_their_person_and_stay_when_somebody_else_goes(installed: Installed) -> None:
    client = sdk(installed, "bob")
    for number in range(3):
        await client.files.create(file=(f"zebulonette-{number}-of-bob.txt", SECRET), purpose="user_data")
    kept = await sdk(installed, "alice").files.create(file=("kept.txt", SECRET), purpose="user_data")
    bob = installed.app.users.find("bob@firm.example")
    receipt = installed.app.erasure.run(Subject("user", bob.id), by="local")
    assert (receipt.removed("files"), receipt.removed("file_bytes")) == (3, 3 * len(SECRET))
    assert len([path for path in installed.app.blobs.folder.rglob("*") if path.is_file()]) == 1
    assert not any(b"zebulonette-1-of-bob" in image.content for image in installed.app.database.images())
    assert (await sdk(installed, "alice").files.content(kept.id)).content == SECRET


async def test_the_sweep_of_lost_files_knows_them(installed: Installed) -> None:
    made = await sdk(installed, "alice").files.create(file=("a.txt", SECRET), purpose="user_data")
    for path in installed.app.blobs.folder.rglob("*"):
        os.utime(path, (1, 1))
    assert installed.app.library.sweep() == 0
    assert (await sdk(installed, "alice").files.content(made.id)).content == SECRET


def _caller(installed: Installed):  # type: ignore[no-untyped-def]
    caller = installed.app.api_keys.caller(installed.keys["alice"])
    assert caller is not None
    return caller


async def _form(client: Client, fields: dict[str, str], *, file: bytes | None):  # type: ignore[no-untyped-def]
    parts = [f'--xx\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
             for name, value in fields.items()]  # fmt: skip
    if file is not None:
        parts.append(b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n' + file + b"\r\n")
    headers = {"content-type": "multipart/form-data; boundary=xx"}
    return await client.call("POST", "/v1/files", b"".join(parts) + b"--xx--\r\n", headers=headers)
