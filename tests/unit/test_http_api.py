"""The API over loopback with real parts behind it: calls that wait, callers that go away, a full disk."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from tests.fakes.api_router import THEM, US, ApiRouter, running
from tests.fakes.until import until
from weave_cli.addresses import parse_cidr
from weave_cli.errors import HostProblem, StoreProblem
from weave_cli.host.rules import Exposure
from weave_cli.names import PeerName
from weave_cli.router.http.server import INSTANCE_HEADER, ApiServer, make_application
from weave_cli.router.ipam.allocator import Setup
from weave_cli.router.mesh.peers import Peer
from weave_cli.router.mesh.topology import encode_peers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weave.db"


WAITING = [
    ("POST", "/ip/c1"),
    ("POST", "/ip/c1/10.33.0.0/24"),
    ("PUT", "/ip/c1/10.32.0.7/12"),
    ("GET", "/ring"),
]


def waiting(router: ApiRouter) -> int:
    view = router.allocator.view()
    return len(view.pending_allocations) + len(view.pending_claims)


@pytest.mark.parametrize(("method", "target"), WAITING)
def test_client_that_goes_away_gets_nothing_later(path: Path, method: str, target: str) -> None:
    async def go_away() -> None:
        router = ApiRouter(path, setup=Setup(peer_count=3))
        async with running(router) as ask:
            call = asyncio.create_task(ask(method, target))
            await until(lambda: bool(router.addresses._waiting))
            assert waiting(router) == (target != "/ring")
            call.cancel()
            await until(lambda: not router.addresses._waiting)
            assert waiting(router) == 0
            divide(router)
            assert router.allocator.view().entries
            assert router.allocator.owned() == {}
            # The same client comes back, and is served.
            assert (await ask("POST", "/ip/c1")).status == 200

    asyncio.run(go_away())


def divide(router: ApiRouter) -> None:
    """All of the range becomes ours, as another peer's gossip tells."""
    donor = ApiRouter(router.store._path.with_name("donor.db"), setup=Setup(seeds=(US,)))
    try:
        state = donor.allocator.encode_state(router.clock())
    finally:
        donor.store.close()
    router.allocator.on_broadcast(THEM, state, router.clock())
    router.pump()


@pytest.mark.parametrize(
    ("method", "target", "status", "body"),
    [
        ("POST", "/ip/c1", 200, "10.32.0.1/12"),
        ("PUT", "/ip/c1/10.32.0.7/12", 204, ""),
        ("GET", "/ring", 200, ""),
    ],
)
def test_call_that_waits_is_answered_once_there_is_a_ring(
    path: Path, method: str, target: str, status: int, body: str
) -> None:
    async def wait() -> None:
        router = ApiRouter(path, setup=Setup(peer_count=3))
        async with running(router) as ask:
            call = asyncio.create_task(ask(method, target))
            await until(lambda: bool(router.addresses._waiting))
            divide(router)
            answer = await call
            assert (answer.status, await answer.text()) == (status, body)

    asyncio.run(wait())


def test_claim_that_may_be_settled_later_is_answered_at_once(path: Path) -> None:
    async def claim() -> None:
        router = ApiRouter(path, setup=Setup(peer_count=3))
        async with running(router) as ask:
            answer = await ask("PUT", "/ip/c1/10.32.0.7/12", data={"noErrorOnUnknown": "true"})
            assert answer.status == 204
            assert router.allocator.owned() == {}
            divide(router)
            assert list(router.allocator.owned()) == ["c1"]

    asyncio.run(claim())


def test_calls_end_when_we_leave_the_mesh(path: Path) -> None:
    async def leave() -> None:
        router = ApiRouter(path, setup=Setup(peer_count=3))
        async with running(router) as ask:
            calls = [asyncio.create_task(ask(method, target)) for method, target in WAITING]
            await until(lambda: len(router.addresses._waiting) == len(WAITING))
            assert (await ask("DELETE", "/peer")).status == 204
            for call in calls:
                answer = await call
                assert (answer.status, await answer.text()) == (200, "cancelled")
            assert await (await ask("POST", "/ip/late")).text() == "cancelled"
            assert router.has_left

    asyncio.run(leave())


def test_address_that_cannot_be_remembered_is_not_given(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fill_the_disk() -> None:
        router = ApiRouter(path)
        async with running(router) as ask:

            def refuse(statements: object) -> None:
                raise StoreProblem("cannot write weave.db: database or disk is full")

            with monkeypatch.context() as full:
                full.setattr(router.store, "_write", refuse)
                answer = await ask("POST", "/ip/c1")
            assert answer.status == 400
            assert await answer.text() == "cannot write weave.db: database or disk is full\n"
            assert router.addresses._waiting == {}
            assert await (await ask("POST", "/ip/c2")).text() != ""
            assert set(router.store.load().holdings) == set(router.allocator.owned())

    asyncio.run(fill_the_disk())


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/status", 200),
        ("/nope", 404),
        ("/connect", 405),
        ("/ip/c/x/y", 400),
        ("/report?format=%7B%7B.X%7D%7D", 500),
    ],
)
def test_every_answer_says_which_life_of_the_router_gave_it(path: Path, target: str, status: int) -> None:
    async def look() -> None:
        async with running(ApiRouter(path)) as ask:
            answer = await ask("GET", target)
            assert (answer.status, answer.headers.get(INSTANCE_HEADER)) == (status, "4711")

    asyncio.run(look())


def test_status_is_unavailable_until_the_router_is_ready(path: Path) -> None:
    async def look() -> None:
        router = ApiRouter(path)
        router.is_ready = False
        async with running(router) as ask:
            early = await ask("GET", "/status")
            others = [(await ask("GET", target)).status for target in ("/status/peers", "/ipinfo/tracker")]
            router.is_ready = True
            late = await ask("GET", "/status")
            assert (early.status, others, late.status) == (503, [200, 200], 200)
            assert await early.text() == await late.text()

    asyncio.run(look())


@pytest.mark.parametrize("word", ["1", "t", "true", "True", "TRUE"])
def test_parameters_come_from_query_and_form_alike(path: Path, word: str) -> None:
    async def ask_both_ways() -> None:
        router = ApiRouter(path)
        async with running(router) as ask:
            await ask("POST", f"/ip/queried?check-alive={word}")
            await ask("POST", "/ip/posted", data={"check-alive": word})
            await ask("POST", "/ip/plain", data={"check-alive": "no"})
            holdings = router.store.load().holdings
            assert {ident: one.is_container for ident, one in holdings.items()} == {
                "queried": True,
                "posted": True,
                "plain": False,
            }

    asyncio.run(ask_both_ways())


def test_dead_peer_is_taken_over_by_its_nickname(path: Path) -> None:
    async def take_over() -> None:
        router = ApiRouter(path, setup=Setup(seeds=(US, PeerName(0x99))))
        async with running(router) as ask:
            answer = await ask("DELETE", "/peer/00:00:00:00:00:99")
            assert await answer.text() == "524288 IPs taken over from 00:00:00:00:00:99\n"
            assert {entry.peer for entry in router.allocator.view().entries} == {US}

    asyncio.run(take_over())


def test_nickname_that_is_no_utf8_is_shown_all_the_same(path: Path) -> None:
    nickname = b"h\xf4te".decode("utf-8", "surrogateescape")

    async def look() -> None:
        router = ApiRouter(path)
        router.meet(encode_peers([Peer(name=THEM, nickname=nickname, uid=2, version=1)]), nickname=nickname)
        async with running(router) as ask:
            for target, headers in (
                ("/status/connections", {}),
                ("/report?format={{.Router.Peers}}", {}),
                ("/report", {"Accept": "application/json"}),
            ):
                answer = await ask("GET", target, headers=headers)
                assert answer.status == 200
                assert "h?te" in await answer.text()

    asyncio.run(look())


def test_without_an_allocator_no_peer_has_anything_to_take_over(path: Path) -> None:
    async def take_over() -> None:
        router = ApiRouter(path)
        application = make_application(
            cast(
                Any,
                SimpleNamespace(
                    instance="1", addresses=None, names=None, exposures=None, realms=None, networks=None
                ),
            )
        )
        router.server._application = application
        async with running(router) as ask:
            answer = await ask("DELETE", "/peer/host2")
            assert (answer.status, await answer.text()) == (200, "")

    asyncio.run(take_over())


def test_exposures_are_wanted_of_the_host_until_they_are_hidden(path: Path) -> None:
    async def expose_and_hide() -> None:
        router = ApiRouter(path)
        async with running(router) as ask:
            assert (await ask("POST", "/expose/10.32.5.1/12")).status == 204
            assert (await ask("POST", "/expose/10.3.0.1/16?skipNAT=true")).status == 204
            assert router.exposed == (
                Exposure(parse_cidr("10.32.5.1/12")),
                Exposure(parse_cidr("10.3.0.1/16"), masquerades=False),
            )
            assert (await ask("POST", "/expose/10.3.0.1/16")).status == 204
            assert router.exposed[1].masquerades, "what was said last counts"
            assert (await ask("DELETE", "/expose/10.32.5.1/12")).status == 204
            assert (await ask("DELETE", "/expose/10.9.9.9/24")).status == 204
            assert [one.cidr for one in router.exposed] == [parse_cidr("10.3.0.1/16")]

    asyncio.run(expose_and_hide())


def test_refused_exposures_are_told_and_not_remembered(path: Path) -> None:
    async def refuse() -> None:
        router = ApiRouter(path)
        async with running(router) as ask:
            bad = await ask("POST", "/expose/10.3.0.1/16?skipNAT=maybe")
            assert (bad.status, await bad.text()) == (400, "unable to parse skipNAT option: maybe\n")
            router.refusal = HostProblem("the kernel does not like it")
            refused = await ask("POST", "/expose/10.3.0.1/16")
            assert refused.status == 500
            assert await refused.text() == "unable to expose: the kernel does not like it\n"
            router.refusal = None
            assert (await ask("POST", "/expose/10.4.0.1/16")).status == 204
            assert [one.cidr for one in router.exposed] == [parse_cidr("10.4.0.1/16")]

    asyncio.run(refuse())


def test_teller_answers_questions_and_takes_no_orders(path: Path) -> None:
    async def ask_teller() -> None:
        router = ApiRouter(path)
        teller = ApiServer(router, "127.0.0.1:0", is_read_only=True)
        async with running(router), aiohttp.ClientSession() as session:
            await teller.start()
            base = f"http://127.0.0.1:{teller.port}"
            statuses = {}
            for method, target in (
                *(("GET", "/status"), ("GET", "/status/peers"), ("GET", "/report?format=x")),
                *(("POST", "/ip/c1"), ("POST", "/connect"), ("DELETE", "/peer"), ("GET", "/domain")),
            ):
                async with session.request(method, base + target) as answer:
                    statuses[target] = answer.status
            await teller.stop()
        assert statuses.pop("/status") in (200, 503)
        assert statuses == {
            **{"/status/peers": 200, "/report?format=x": 200},
            **dict.fromkeys(("/ip/c1", "/connect", "/peer", "/domain"), 404),
        }

    asyncio.run(ask_teller())
