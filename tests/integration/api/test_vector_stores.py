"""`/v1/vector_stores` with the official client: a vector store is a project, and who may do what is the project's."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from dataclasses import replace
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from sqlalchemy import select

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.rights import Rights
from intramuros.privacy.erase.receipt import receipts
from intramuros.privacy.erase.retention import Kept
from intramuros.storage.schema import chunks, documents, projects
from tests.asgi import Client
from tests.installed import Installed
from tests.support.sdk import sdk

BRIDGE = b"# The bridge\n\nThe suspension bridge was painted green in spring by the municipal workshop.\n"
BAKERY = b"# The bakery\n\nThe bakery sells green almond cakes on Thursday morning, never on Sunday.\n"


async def file(client: AsyncOpenAI, name: str = "bridge.md", content: bytes = BRIDGE) -> str:
    return (await client.files.create(file=(name, content), purpose="assistants")).id


async def read(client: AsyncOpenAI, store: str, ids: list[str]) -> None:
    """Waits until these files are read."""
    async with asyncio.timeout(60):
        for one in ids:
            while (await client.vector_stores.files.retrieve(one, vector_store_id=store)).status == "in_progress":
                await asyncio.sleep(0.1)


async def test_from_a_file_to_a_passage(installed: Installed) -> None:
    client = sdk(installed, "alice")
    bridge, bakery = await file(client), await file(client, "bakery.md", BAKERY)
    store = await client.vector_stores.create(name="Town", file_ids=[bridge], metadata={"source": "archive"})
    assert (store.name, store.metadata, store.file_counts.total) == ("Town", {"source": "archive"}, 1)
    added = await client.vector_stores.files.create(store.id, file_id=bakery, attributes={"year": 2024, "open": True})
    assert added.id == bakery and added.attributes == {"year": 2024, "open": True}
    await read(client, store.id, [bridge, bakery])
    store = await client.vector_stores.retrieve(store.id)
    assert (store.status, store.file_counts.completed, store.usage_bytes) == (
        "completed", 2, len(BRIDGE) + len(BAKERY))  # fmt: skip

    found = (await client.vector_stores.search(store.id, query="green almond cakes")).data
    assert found[0].file_id == bakery and "almond" in found[0].content[0].text and found[0].score == 1.0
    assert found[0].filename == "bakery.md" and found[0].attributes == {"year": 2024, "open": True}
    found = (await client.vector_stores.search(store.id, query=["suspension bridge", "almond cakes"])).data
    assert {one.file_id for one in found} == {bridge, bakery}
    text = [part.text async for part in client.vector_stores.files.content(bridge, vector_store_id=store.id)]
    assert len(text) == 1 and "suspension bridge" in (text[0] or "")

    listing = client.vector_stores.files.list
    assert [one.id async for one in listing(store.id, order="asc", limit=1)] == [bridge, bakery]
    waiting = await listing(store.id, order="asc", filter="in_progress", after=bridge)
    assert waiting.data == [], "the place of a file that was read meanwhile is still a place"
    [document] = [d for d in installed.app.library.list(_project(installed, store.id)) if d.name == "bakery.md"]
    assert document.added_by == installed.app.users.find("alice@firm.example").id, "the same project as on the page"


def _project(installed: Installed, store: str) -> Any:
    caller = installed.app.api_keys.caller(installed.keys["alice"])
    assert caller is not None
    return installed.app.projects.get(store.removeprefix("vs_"), by=caller)


async def test_filters_narrow_the_search(installed: Installed) -> None:
    client = sdk(installed, "alice")
    store = await client.vector_stores.create()
    years = {}
    for year in range(2020, 2026):
        years[year] = await file(client, f"{year}.md", b"# Report\n\nThe harvest of figs was plentiful %d.\n" % year)
        await client.vector_stores.files.create(
            store.id, file_id=years[year], attributes={"year": year, "kind": "odd" if year % 2 else "even"}
        )
    await read(client, store.id, list(years.values()))

    async def found(filters: dict[str, Any]) -> set[int]:
        page = await client.vector_stores.search(store.id, query="harvest of figs", filters=filters, max_num_results=50)  # type: ignore[arg-type]
        return {year for year, id_ in years.items() if id_ in {one.file_id for one in page.data}}

    assert await found({"type": "eq", "key": "year", "value": 2021}) == {2021}
    assert await found({"type": "ne", "key": "year", "value": 2021}) == set(years) - {2021}
    assert await found({"type": "gte", "key": "year", "value": 2024}) == {2024, 2025}
    assert await found({"type": "in", "key": "kind", "value": ["odd"]}) == {2021, 2023, 2025}
    assert await found({"type": "nin", "key": "kind", "value": ["odd"]}) == {2020, 2022, 2024}
    assert await found({"type": "gt", "key": "kind", "value": 3}) == set(), "a text is not more than a number"
    assert await found({"type": "eq", "key": "nothing", "value": 1}) == set()
    both = {"type": "and", "filters": [{"type": "eq", "key": "kind", "value": "even"}, {"type": "lt", "key": "year", "value": 2024}]}  # fmt: skip
    assert await found(both) == {2020, 2022}
    assert await found({"type": "or", "filters": [both, {"type": "eq", "key": "year", "value": 2025}]}) == {2020, 2022, 2025}  # fmt: skip
    await client.vector_stores.files.update(years[2020], vector_store_id=store.id, attributes={"year": 1999})
    assert await found({"type": "eq", "key": "year", "value": 1999}) == {2020}
    page = await client.vector_stores.search(store.id, query="harvest of figs", ranking_options={"score_threshold": 1})
    assert page.data and all(one.score == 1 for one in page.data)


async def test_one_bad_file_of_several_is_reported(installed: Installed) -> None:
    client = sdk(installed, "alice")
    store = await client.vector_stores.create(name="Mixed")
    good, bad, empty = (
        await file(client), await file(client, "bad.exe", b"MZ\x90\x00\x03" * 100), await file(client, "empty.txt", b"")
    )  # fmt: skip
    batch = await client.vector_stores.file_batches.create(store.id, file_ids=[good, bad, empty])
    assert batch.id.startswith("vsfb_") and batch.file_counts.total == 3
    await read(client, store.id, [good])
    batch = await client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store.id)
    assert (batch.status, batch.file_counts.completed, batch.file_counts.failed) == ("completed", 1, 2)
    failed = await client.vector_stores.files.retrieve(bad, vector_store_id=store.id)
    assert failed.status == "failed" and failed.last_error and failed.last_error.code == "unsupported_file"
    assert "can't be read" in failed.last_error.message
    listed = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id, filter="failed")
    assert {one.id async for one in listed} == {bad, empty}
    assert (await client.vector_stores.files.delete(bad, vector_store_id=store.id)).deleted
    assert {one.id async for one in client.vector_stores.files.list(store.id)} == {good, empty}


async def test_a_cancelled_batch_of_files(installed: Installed) -> None:
    client = sdk(installed, "alice")
    store = await client.vector_stores.create(name="Cancelled")
    ids = [await file(client, f"{n}.txt", b"word %d" % n) for n in range(2)]
    batch = await client.vector_stores.file_batches.create(store.id, file_ids=ids)
    with installed.app.database.write() as connection:  # as if nobody had begun to read
        connection.exec_driver_sql("UPDATE documents SET state = 'received', lease_owner = NULL, attempts = 0")
        connection.exec_driver_sql("UPDATE documents SET state = 'reading', lease_until = 9e9 WHERE name = '0.txt'")
    batch = await client.vector_stores.file_batches.cancel(batch.id, vector_store_id=store.id)
    cancelled = await client.vector_stores.files.retrieve(ids[1], vector_store_id=store.id)
    if cancelled.status == "cancelled":  # the reader may have been faster
        assert batch.file_counts.cancelled == 1
        assert cancelled.last_error and "cancelled" in cancelled.last_error.message


async def test_the_same_content_twice_is_one_document(installed: Installed) -> None:
    client = sdk(installed, "alice")
    store = await client.vector_stores.create(name="Twins")
    first, second = await file(client), await file(client, "copy.md")
    for one in (first, second):
        await client.vector_stores.files.create(store.id, file_id=one)
    project = _project(installed, store.id)
    assert len(installed.app.library.list(project)) == 1
    assert len([one async for one in client.vector_stores.files.list(store.id)]) == 2
    await client.vector_stores.files.delete(first, vector_store_id=store.id)
    assert len(installed.app.library.list(project)) == 1, "the other file is still there"
    await client.vector_stores.files.delete(second, vector_store_id=store.id)
    assert installed.app.library.list(project) == []
    assert (await client.files.retrieve(first)).id == first, "the file itself stays"


async def test_alice_bob_and_charlie(installed: Installed) -> None:
    alice, bob, charlie = (sdk(installed, who) for who in ("alice", "bob", "charlie"))
    mine = await file(alice)
    store = await alice.vector_stores.create(name="Secret plans", file_ids=[mine])
    await read(alice, store.id, [mine])
    caller = installed.app.api_keys.caller(installed.keys["alice"])
    assert caller is not None
    user = installed.app.users.find("bob@firm.example").id
    installed.app.projects.add_member(store.id.removeprefix("vs_"), user_id=user, role="reader", by=caller)

    assert [one.id async for one in bob.vector_stores.list()] == [store.id]
    assert (await bob.vector_stores.search(store.id, query="suspension bridge")).data[0].file_id == mine
    own = await file(bob)
    for refused in (
        bob.vector_stores.files.create(store.id, file_id=own),
        bob.vector_stores.files.delete(mine, vector_store_id=store.id),
        bob.vector_stores.files.update(mine, vector_store_id=store.id, attributes={}),
        bob.vector_stores.update(store.id, name="Mine"),
        bob.vector_stores.delete(store.id),
    ):
        with pytest.raises(openai.PermissionDeniedError):
            await refused
    with pytest.raises(openai.NotFoundError):
        await bob.files.retrieve(mine)  # the document is shared, the file is not

    assert [one async for one in charlie.vector_stores.list()] == []
    for hidden in (
        charlie.vector_stores.retrieve(store.id),
        charlie.vector_stores.search(store.id, query="suspension bridge"),
        charlie.vector_stores.files.retrieve(mine, vector_store_id=store.id),
        charlie.vector_stores.delete(store.id),
        charlie.vector_stores.retrieve("vs_Secret plans"),
    ):
        with pytest.raises(openai.NotFoundError) as gone:
            await hidden
        assert "Secret" not in str(gone.value)
    with pytest.raises(openai.NotFoundError):  # nor does somebody else's file come into one's own store
        own_store = await charlie.vector_stores.create(name="Charlie's")
        await charlie.vector_stores.files.create(own_store.id, file_id=mine)


async def test_deleting_a_store_erases_the_project(installed: Installed) -> None:
    client = sdk(installed, "alice")
    mine = await file(client)
    store = await client.vector_stores.create(name="Zebulonie", file_ids=[mine])
    await read(client, store.id, [mine])
    gone = await client.vector_stores.delete(store.id)
    assert gone.deleted and gone.id == store.id
    with pytest.raises(openai.NotFoundError):
        await client.vector_stores.retrieve(store.id)
    [record] = [r for r in installed.records("project.remove") if r.outcome == "ok"]
    assert record.facts["erasure"], "with its receipt"
    person = installed.app.users.find("alice@firm.example")
    narrow = Rights(scopes=frozenset({"search", "documents"}))
    key, _ = installed.app.api_keys.create("narrow", person.id, rights=narrow)
    other = await client.vector_stores.create(name="Other")
    answer = await Client(installed.guard, authorization=f"Bearer {key}").call(
        "DELETE", f"/v1/vector_stores/{other.id}"
    )
    assert answer.json()["error"]["code"] == "missing_scope", "erasing a project takes what it takes everywhere"


async def test_names_and_metadata(installed: Installed) -> None:
    client = sdk(installed, "alice")
    names = [(await client.vector_stores.create(name="Same")).name for _ in range(3)]
    assert names == ["Same", "Same (2)", "Same (3)"], "the reply says what it is called"
    store = await client.vector_stores.create(description="about nothing")
    assert store.name == "Vector store" and store.file_counts.total == 0
    store = await client.vector_stores.update(store.id, name="Renamed", metadata={"a": "b"})
    assert (store.name, store.metadata) == ("Renamed", {"a": "b"})
    assert (await client.vector_stores.update(store.id, metadata=None)).metadata == {}
    assert (await client.vector_stores.update(store.id, name="Same")).name == "Same (4)"
    assert (await client.vector_stores.update(store.id, name="Same")).name == "Same (4)", "its own is not taken"


async def test_a_store_that_nobody_uses_for_so_long_is_emptied(installed: Installed) -> None:
    """With a receipt for each document; the store itself, its people and what is said in it stay."""
    client, day = sdk(installed, "alice"), 86_400
    sent = await file(client, content=b"The zebulonette is green.\n")
    store = await client.vector_stores.create(
        name="Short", file_ids=[sent], expires_after={"anchor": "last_active_at", "days": 7}
    )
    kept = await client.vector_stores.create(name="Kept")
    assert kept.expires_after is None and kept.expires_at is None
    assert store.expires_after and (store.expires_after.anchor, store.expires_after.days) == ("last_active_at", 7)
    assert store.last_active_at and store.expires_at == store.last_active_at + 7 * day
    await read(client, store.id, [sent])
    project = store.id.removeprefix("vs_")

    def used(days_ago: float) -> None:
        at = time.time() - days_ago * day
        with installed.app.database.write() as connection:
            mine = projects.c.id == project
            connection.execute(projects.update().where(mine).values(last_used_at=at, created_at=at))
            connection.execute(documents.update().where(documents.c.project_id == project).values(updated_at=at))

    used(6.9)
    assert installed.app.retention.due() == []
    used(7.1)
    seen = await client.vector_stores.retrieve(store.id)
    assert seen.status == "expired" and seen.expires_at and seen.expires_at < time.time()
    assert [one.status async for one in client.vector_stores.list(order="asc")] == ["expired", "completed"]
    [due] = installed.app.retention.due()
    await client.vector_stores.search(store.id, query="zebulonette")  # whoever asks uses it
    assert installed.app.retention.due() == []
    seen = await client.vector_stores.retrieve(store.id)
    assert seen.status == "completed" and seen.last_active_at and seen.last_active_at > time.time() - 60
    used(7.1)
    await asyncio.to_thread(installed.app.retention.run, by="local")
    [receipt] = receipts(installed.app.database)
    assert (receipt.kind, receipt.subject, receipt.reason) == ("document", due.id, "retention")
    assert (await client.vector_stores.retrieve(store.id)).status == "expired"
    assert [one async for one in client.vector_stores.files.list(store.id)] == []
    assert (await client.files.retrieve(sent)).id == sent, "the file itself stays its person's"
    changed = await client.vector_stores.update(store.id, expires_after={"anchor": "last_active_at", "days": 30})
    assert changed.status == "completed" and changed.expires_at and changed.expires_at > time.time() + 29 * day
    installed.app.retention.set(project, replace(installed.app.retention.get(project), conversations_days=5))
    assert (await client.vector_stores.update(store.id, expires_after=None)).expires_at is None
    assert installed.app.retention.get(project) == Kept(conversations_days=5), "the others stay"
    answer = await installed.client("bob").post(f"/v1/vector_stores/{store.id}", {"expires_after": None})
    assert answer.status == 404


@pytest.mark.parametrize(
    ("value", "param"),
    [
        (7, "expires_after"), ({"days": 7}, "expires_after.anchor"), ({"anchor": "created_at", "days": 7}, "expires_after.anchor"),
        ({"anchor": "last_active_at"}, "expires_after.days"), ({"anchor": "last_active_at", "days": 0}, "days"),
        ({"anchor": "last_active_at", "days": 366}, "days"), ({"anchor": "last_active_at", "days": "7"}, "days"),
        ({"anchor": "last_active_at", "days": 7, "hours": 1}, "hours"),
    ],
)  # fmt: skip
async def test_times_that_can_not_be(installed: Installed, value: Any, param: str) -> None:
    answer = await installed.client("alice").post("/v1/vector_stores", {"expires_after": value})
    assert (answer.status, answer.json()["error"]["param"]) == (400, param)
    assert installed.app.projects.list(LOCAL) == []


def static(most: int, overlap: int) -> Any:
    return {"type": "static", "static": {"max_chunk_size_tokens": most, "chunk_overlap_tokens": overlap}}


SENTENCES = [f"In the year {1700 + n} the tower number {n} of the castle was built by the mason." for n in range(60)]


async def test_a_chunking_strategy_is_kept_to(installed: Installed) -> None:
    client = sdk(installed, "alice")
    store = await client.vector_stores.create(name="Chunks")
    content = " ".join(SENTENCES).encode()
    sent = await client.files.create(file=("towers.md", content), purpose="assistants")
    made = await client.vector_stores.files.create(store.id, file_id=sent.id, chunking_strategy=static(100, 50))
    assert made.chunking_strategy and made.chunking_strategy.to_dict() == static(100, 50)
    await read(client, store.id, [sent.id])
    project = store.id.removeprefix("vs_")
    with installed.app.database.read() as connection:
        rows = connection.execute(select(chunks).where(chunks.c.project_id == project)).all()
    texts = [row.text for row in sorted(rows, key=lambda row: row.ordinal)]
    assert len(texts) > 12 and all(row.tokens <= 100 for row in rows)
    overlaps = [set(re.findall(r"\d{4}", a)) & set(re.findall(r"\d{4}", b)) for a, b in itertools.pairwise(texts)]
    assert all(1 <= len(shared) <= 2 for shared in overlaps), "whole sentences, at most 50 tokens"
    assert set(re.findall(r"tower number \d+", " ".join(texts))) == {f"tower number {n}" for n in range(60)}

    found = (await client.vector_stores.search(store.id, query="tower number 33")).data
    assert found[0].filename == "towers.md" and "tower number 33 " in found[0].content[0].text
    body = {"question": "When was tower number 33 built?", "mode": "quote"}
    answer = (await installed.client("alice").post(f"/api/v1/projects/{project}/ask", body)).json()
    quoted = [source["quote"] for source in answer["sources"]]
    said = [year for one in quoted for year in re.findall(r"year (\d{4})", one)]
    assert "1733" in said and len(said) == len(set(said)), "no sentence is quoted twice from chunks that overlap"

    other = await client.files.create(file=("again.md", content), purpose="assistants")
    attach = client.vector_stores.files.with_raw_response.create
    same = await attach(store.id, file_id=other.id, chunking_strategy=static(200, 0))
    assert same.headers["x-intramuros-not-used"] == "chunking_strategy", "the project has this content already"
    assert same.parse().chunking_strategy.to_dict() == static(100, 50)  # type: ignore[union-attr]


async def test_sizes_of_chunks_by_file_and_for_all(installed: Installed) -> None:
    client = sdk(installed, "alice")
    ids = [(await client.files.create(file=(f"{n}.txt", SENTENCES[n].encode()), purpose="assistants")).id
           for n in range(4)]  # fmt: skip
    store = await client.vector_stores.create(name="Sizes", file_ids=ids[:1], chunking_strategy=static(300, 150))
    files: Any = [{"file_id": ids[1], "chunking_strategy": static(4096, 0)}, {"file_id": ids[2]}]
    create = client.vector_stores.file_batches.with_raw_response.create
    batch = await create(store.id, files=files, chunking_strategy=static(100, 0))
    assert batch.headers["x-intramuros-not-used"] == "chunking_strategy"
    await client.vector_stores.file_batches.create(store.id, file_ids=ids[3:], chunking_strategy={"type": "auto"})
    shown = {one.id: one.chunking_strategy async for one in client.vector_stores.files.list(store.id)}
    assert [shown[id].to_dict() for id in ids] == [  # type: ignore[union-attr]
        static(300, 150), static(4096, 0), {"type": "other"}, {"type": "other"}]  # fmt: skip
    none = await client.vector_stores.with_raw_response.create(name="None", chunking_strategy=static(100, 0))
    assert none.headers["x-intramuros-not-used"] == "chunking_strategy", "it has no file"


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ("static", ""), ({"type": "other"}, ""), ({"type": "static"}, ".static"), (static(99, 0), ".static.max_chunk_size_tokens"),
        (static(4097, 0), ".static.max_chunk_size_tokens"), (static(101, 51), ".static.chunk_overlap_tokens"),
        (static(100, -1), ".static.chunk_overlap_tokens"), ({"type": "auto", "static": {}}, ".static"),
        ({"type": "static", "static": {"max_chunk_size_tokens": 100}}, ".static.chunk_overlap_tokens"),
        ({"type": "static", "static": {**static(100, 0)["static"], "more": 1}}, ".static.more"),
    ],
)  # fmt: skip
async def test_sizes_that_can_not_be(installed: Installed, value: Any, param: str) -> None:
    answer = await installed.client("alice").post("/v1/vector_stores", {"chunking_strategy": value})
    assert (answer.status, answer.json()["error"]["param"]) == (400, f"chunking_strategy{param}")


BAD = [1, "x", [], {}, [[]], {"type": []}, {"type": {}}, None, True, -1, 1e308, "\u0000", "x" * 5000, ["x"] * 2000]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("", ("name", "metadata", "file_ids", "chunking_strategy", "expires_after", "description", "colour")),
        ("/ID", ("name", "metadata", "expires_after", "colour")),
        ("/ID/search", ("query", "filters", "ranking_options", "max_num_results", "rewrite_query")),
        ("/ID/files", ("file_id", "attributes", "chunking_strategy")),
        ("/ID/file_batches", ("file_ids", "files", "attributes", "chunking_strategy")),
    ],
)
async def test_bad_values_are_refused_and_never_a_fault(
    installed: Installed, path: str, fields: tuple[str, ...]
) -> None:
    client = installed.client("alice")
    store = (await client.post("/v1/vector_stores", {"name": "Fuzz"})).json()["id"]
    wrong = []
    for field in fields:
        for value in BAD:
            body = {"query": "x"} if path.endswith("search") else {}
            answer = await client.post("/v1/vector_stores" + path.replace("ID", store), body | {field: value})
            if answer.status >= 500:
                wrong.append((field, value, answer.status))
    deep: dict[str, Any] = {"type": "eq", "key": "a", "value": 1}
    for _ in range(20):
        deep = {"type": "and", "filters": [deep]}
    for filters in (deep, {"type": "in", "key": "a", "value": [[]]}, {"type": "eq", "key": [], "value": 1}):
        answer = await client.post(f"/v1/vector_stores/{store}/search", {"query": "x", "filters": filters})
        if answer.status != 400:
            wrong.append(("filters", filters, answer.status))
    assert wrong == []


async def test_a_file_that_was_never_sent_is_looked_for_among_one_s_own(installed: Installed) -> None:
    for wrong in ("nope", "file-nope"):
        with pytest.raises(openai.NotFoundError, match="GET /v1/files"):
            await sdk(installed, "alice").vector_stores.create(name="Half made", file_ids=[wrong])
    assert "Half made" not in [one.name for one in (await sdk(installed, "alice").vector_stores.list()).data]
