"""Looking at upstreams: who is asked and who never is, what is kept of it, and what the audit has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from intramuros.engines import probing
from intramuros.engines.listed import check_listed
from intramuros.engines.probing import INSIDE_S, OUTSIDE_S, Probes
from intramuros.engines.route import Route
from intramuros.engines.routing import EVERYBODY, Consent, Routing
from intramuros.engines.upstream import Upstream
from intramuros.errors import BadRequest, Conflict, NotFound
from tests.installed import Installed, installation
from tests.models.engines import until
from tests.support.upstream_server import UpstreamServer, upstream_server


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installed]:
    with installation(tmp_path) as made:
        yield made


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Place:
    """The probes of an installation whose clock stands still, and whether texts may go outside."""

    def __init__(self, installed: Installed) -> None:
        self.installed, self.clock, self.lets_outside = installed, Clock(), False
        self.routing = installed.app.router.routing
        self.probes = Probes(
            self.routing, installed.app.audit, lets_outside=lambda: self.lets_outside, clock=self.clock
        )

    @property
    def records(self) -> list[tuple[str | None, str, str | None]]:
        found = self.installed.records("upstream.probe")
        return [(record.object, record.outcome, record.facts.get("error")) for record in found]


@pytest.fixture
def place(installed: Installed) -> Place:
    return Place(installed)


async def test_looking_that_fails_in_a_way_nobody_foresaw_is_in_the_log_and_begun_again(
    installed: Installed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks = []

    async def look(_probes: Probes) -> None:
        looks.append(1)
        if len(looks) == 1:
            raise KeyError("gpu-of-dupont")

    monkeypatch.setattr(Probes, "look", look)
    running = asyncio.create_task(installed.app.router.run())
    try:
        await until(lambda: len(looks) == 2)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert "look at upstreams failed (KeyError at probing.py:" in caplog.text and "dupont" not in caplog.text


def inside(server: UpstreamServer, *models: str) -> Upstream:
    return Upstream("gpu", server.url, is_outside=False, models=models)


async def test_one_inside_is_looked_at_when_it_is_due_and_changes_are_recorded(place: Place) -> None:
    async with upstream_server() as server:
        place.routing.add(inside(server, "big", "gone"))
        await place.probes.look()
        seen = place.probes.seen["gpu"]
        assert (seen.state, seen.missing, seen.last_seen_at, seen.failures) == ("ready", ("gone",), 1000.0, 0)
        place.clock.now += INSIDE_S - 1
        await place.probes.look()
        assert place.probes.seen["gpu"] is seen, "it is not due"
        place.clock.now += 1
        await place.probes.look()
        assert place.probes.seen["gpu"].last_seen_at == 1000 + INSIDE_S
    for failures in (1, 2):
        place.clock.now += INSIDE_S
        await place.probes.look()
        seen = place.probes.seen["gpu"]
        assert (seen.state, seen.failures, seen.last_seen_at) == ("failed", failures, 1000 + INSIDE_S)
        assert seen.error == "upstream_unreachable"
    assert place.records == [("gpu", "ok", None), ("gpu", "failed", "upstream_unreachable")]
    place.routing.remove("gpu")
    await place.probes.look()
    assert place.probes.seen == {}


async def test_one_outside_is_asked_only_by_policy_and_on_request_and_each_time_is_recorded(place: Place) -> None:
    async with upstream_server() as server:
        heard: list[str] = []
        server.heard = heard.append
        place.routing.add(replace(inside(server, "big"), name="cloud", is_outside=True))
        place.lets_outside = True
        await place.probes.look()
        assert heard == [] and place.probes.seen == {}, "it was not described so"
        place.routing.change(replace(place.routing.upstream("cloud"), probes=True))
        place.lets_outside = False
        await place.probes.look()
        assert heard == [] and place.probes.seen == {}, "nothing may go outside"
        place.lets_outside = True
        for _ in range(3):
            await place.probes.look()
            place.clock.now += OUTSIDE_S / 2
        assert heard == ["/v1/models"] * 2
        assert place.records == [("cloud", "ok", None)] * 2


async def test_one_that_was_told_not_to_is_not_looked_at(place: Place) -> None:
    async with upstream_server() as server:
        place.routing.add(replace(inside(server, "big"), probes=False))
        await place.probes.look()
    assert place.probes.seen == {}


async def test_one_that_hangs_holds_up_nobody(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "ANSWER_S", 0.2)
    async with upstream_server() as server, upstream_server() as slow:
        slow.hangs = True
        place.routing.add(inside(server))
        place.routing.add(replace(inside(slow), name="slow"))
        await place.probes.look()
    assert place.probes.seen["gpu"].state == "ready"
    assert (place.probes.seen["slow"].state, place.probes.seen["slow"].error) == ("failed", "upstream_timeout")


async def test_a_server_looks_by_itself_and_metrics_say_so(installed: Installed) -> None:
    async with upstream_server() as server:
        installed.app.router.routing.add(inside(server, "big"))
        async with installed.app.running():
            await until(lambda: "gpu" in installed.app.router.probes.seen)
            chat = {"model": "gpu/big", "messages": [{"role": "user", "content": "Bonjour"}]}
            assert (await installed.client("alice").post("/v1/chat/completions", chat)).status == 200
            said = (await installed.client("charlie").call("GET", "/metrics")).body.decode()
    assert 'intramuros_upstream_up{upstream="gpu"} 1.0' in said
    assert 'intramuros_upstream_last_seen_timestamp_seconds{upstream="gpu"}' in said
    assert 'intramuros_target_breaker{state="closed",target="gpu/big"} 1.0' in said
    assert 'intramuros_target_failures{target="gpu/big"} 0.0' in said


def test_another_host_has_no_key_and_no_consents(place: Place) -> None:
    cloud = Upstream("cloud", "https://api.example.com", models=("gpt",), key="sk-1")
    place.routing.add(cloud)
    place.routing.agree(Consent("cloud", EVERYBODY, ""))
    same = place.routing.change(replace(cloud, price_in=2.0, url="https://api.example.com/v2"))
    assert same.key == "sk-1" and place.routing.table.consents
    with pytest.raises(BadRequest, match="another host"):
        place.routing.change(replace(cloud, url="https://api.other.com"))
    assert place.routing.upstream("cloud").url == "https://api.example.com/v2" and place.routing.table.consents
    moved = place.routing.change(replace(cloud, url="https://api.other.com", key="sk-2"), same_key=False)
    assert place.routing.upstream("cloud") == moved and moved.key == "sk-2" and moved.price_in is None
    assert place.routing.table.consents == frozenset()


def test_what_another_process_changed_a_moment_ago_counts_before_it_is_read_again(place: Place) -> None:
    """Neither a key nor a consent goes from one server to another, nor is a change lost."""
    routing, cloud = place.routing, Upstream("cloud", "https://one.example", models=("gpt",), key="sk-one")
    routing.add(cloud)
    seen, was = routing.table, routing.version(routing.upstream("cloud"))
    other = Routing(place.installed.app.database, key=routing._key)
    two = other.change(replace(cloud, url="https://two.example", key="sk-two"), same_key=False)
    assert routing.table is seen
    kept = routing.change(replace(two, price_in=1.0))
    assert kept.key == routing.upstream("cloud").key == "sk-two"

    one = other.change(replace(cloud, key="sk-one"), same_key=False)
    other.agree(Consent("cloud", EVERYBODY, ""))
    assert routing.table.upstreams["cloud"].url == "https://two.example/v1"
    with pytest.raises(BadRequest, match="another host"):
        routing.change(kept)
    routing.change(replace(kept, key="sk-two"), same_key=False)
    assert routing.table.consents == frozenset() and one.key == "sk-one"

    with pytest.raises(Conflict, match="meanwhile"):
        routing.agree(Consent("cloud", EVERYBODY, ""), was=was)
    other.remove("cloud")
    with pytest.raises(NotFound):
        routing.change(kept)


async def test_what_changed_while_nobody_watched_is_read_once_somebody_does(place: Place) -> None:
    """As where the watch failed and is begun again."""
    routing, cloud = place.routing, Upstream("cloud", "https://one.example", models=("gpt",))
    routing.add(cloud)
    assert routing.table.upstreams["cloud"].price_in is None
    Routing(place.installed.app.database, key=routing._key).change(replace(cloud, price_in=1.0))
    watching = asyncio.create_task(routing.watch())
    try:
        await until(lambda: routing.table.upstreams["cloud"].price_in == 1.0)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def test_an_upstream_that_another_process_has_just_routed_to_is_not_removed(place: Place) -> None:
    routing, other = place.routing, Routing(place.installed.app.database, key=place.routing._key)
    for name in ("one", "two"):
        routing.add(Upstream(name, f"https://{name}.example", models=("gpt",)))
    assert routing.table.upstreams
    other.remove("two")
    with pytest.raises(BadRequest, match="no upstream two"):
        routing.set(Route.of({"name": "big", "targets": ["two/gpt"]}))
    with pytest.raises(NotFound):
        routing.remove("two")


@pytest.mark.parametrize("url", ["https://api.example.com:8443", "http://api.example.com:443"])
def test_another_port_or_scheme_is_another_server(place: Place, url: str) -> None:
    place.routing.add(Upstream("own", "https://api.example.com", is_outside=False, models=("gpt",), key="sk-1"))
    with pytest.raises(BadRequest, match="another host, port or scheme"):
        place.routing.change(Upstream("own", url, is_outside=False, models=("gpt",)))


def test_who_agreed_to_a_server_inside_did_not_agree_to_one_outside(place: Place) -> None:
    own = Upstream("own", "https://api.example.com", is_outside=False, models=("gpt",))
    place.routing.add(own)
    place.routing.agree(Consent("own", EVERYBODY, ""))
    place.routing.change(replace(own, price_in=1.0))
    assert place.routing.table.consents
    place.routing.change(replace(own, is_outside=True))
    assert place.routing.table.consents == frozenset()


async def listed(place: Place, *targets: str) -> None:
    upstreams = place.routing.table.upstreams
    await check_listed(Route.of({"name": "r", "targets": targets}), upstreams, lets_outside=place.lets_outside)


async def test_a_route_names_only_what_its_upstreams_list(place: Place) -> None:
    async with upstream_server() as server:
        server.models = ("big", "llama3:latest")
        place.routing.add(inside(server, "alias"))
        await listed(place, "gpu/big", "gpu/llama3", "gpu/alias", "local/whatever")
        with pytest.raises(BadRequest, match=r"gpu does not list small\. It lists: alias, big, llama3:latest") as found:
            await listed(place, "gpu/big", "gpu/small")
        assert found.value.code == "model_not_listed" and "--models alias,small" in found.value.hint
    with pytest.raises(BadRequest, match=r"gpu does not list big\. It lists: alias"):
        await listed(place, "gpu/big")
    await listed(place, "gpu/alias")


async def test_one_outside_is_not_asked_for_its_list_where_nothing_may_go_out(place: Place) -> None:
    async with upstream_server() as server:
        heard: list[str] = []
        server.heard = heard.append
        place.routing.add(Upstream("cloud", server.url))
        with pytest.raises(BadRequest, match="is not known: it stands outside") as found:
            await listed(place, "cloud/big")
        assert found.value.code == "models_unknown" and heard == []
        place.lets_outside = True
        await listed(place, "cloud/big")
        assert heard == ["/v1/models"]
