"""The API over loopback, with real parts behind it, against the answers of a Go router."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.fakes.api_router import THEM, US, ApiRouter
from tests.vectors.load import load
from weave_cli import __version__
from weave_cli.errors import StoreProblem
from weave_cli.names import PeerName
from weave_cli.router.http.server import INSTANCE_HEADER
from weave_cli.router.ipam.allocator import Setup
from weave_cli.router.mesh.peers import Link, Peer
from weave_cli.router.mesh.topology import encode_peers

Ask = Callable[..., Coroutine[Any, Any, aiohttp.ClientResponse]]

SAMPLES = load("http-samples")["vectors"]

#: What the other peer says of itself; the recorded router had it from the network.
TOPOLOGY = encode_peers(
    [
        Peer(
            name=THEM,
            nickname="host2",
            uid=17964041198233665175,
            version=2,
            short_id=692,
            links=(Link(remote=US, address="10.198.0.1:6783", outbound=True, established=True),),
        )
    ]
)

#: Answers that are not the Go router's on purpose: pattern, what we say, reason.
DIFFERENCES = [
    (r"2\.8\.1( \(version check update disabled\))?", __version__, "we are another program, and ask nobody"),
    (r"weave 1\.\.2", "weave 2", "we speak version 2 only"),
    (r"sleeve (7a:\S+) mtu=1438", r"vxlan  \1 mtu=1450", "we have another overlay"),
    (r"<text of the resolver error>", "Name or service not known", "the resolver is the test's"),
]

#: Paths that we do not have.
ABSENT = {
    "/expose": "the command line exposes the host itself, with the allocator's calls",
    "/metrics": "not asked for yet",
}


def is_ours(sample: dict[str, Any]) -> bool:
    return "port" not in sample and not sample["path"].startswith(tuple(ABSENT))


def ours_instead(text: str) -> str:
    for pattern, instead, _reason in DIFFERENCES:
        text = re.sub(pattern, instead, text)
    return text


@asynccontextmanager
async def running(router: ApiRouter) -> AsyncIterator[Ask]:
    """A client of the API of a router: `await ask(method, path, **kwargs)`."""
    base = await router.start()
    async with aiohttp.ClientSession() as session:

        async def ask(method: str, path: str, **kwargs: Any) -> aiohttp.ClientResponse:
            async with session.request(method, URL(base + path, encoded=True), **kwargs) as answer:
                await answer.read()
            return answer

        try:
            yield ask
        finally:
            await router.stop()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weave.db"


@pytest.fixture
def no_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Names do not resolve, addresses do; nothing leaves this machine."""
    real = socket.getaddrinfo

    def lookup(host: str, *args: Any, **kwargs: Any) -> Any:
        if re.fullmatch(r"[0-9.]+", host):
            return real(host, *args, **kwargs)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    yield


def form_of(sample: dict[str, Any]) -> list[tuple[str, str]] | None:
    """The parameters, repeated ones as often as they stand there."""
    if "form" not in sample:
        return None
    return [
        (key, value)
        for key, values in sample["form"].items()
        for value in (values if isinstance(values, list) else [values])
    ]


def test_recorded_conversation_is_answered_alike(path: Path, no_resolver: None) -> None:
    async def converse() -> None:
        router = ApiRouter(path)
        router.meet(TOPOLOGY)
        async with running(router) as ask:
            for number, sample in enumerate(SAMPLES):
                if not is_ours(sample):
                    continue
                headers = sample.get("headers", {})
                answer = await ask(sample["method"], sample["path"], headers=headers, data=form_of(sample))
                where = f"{number}: {sample['method']} {sample['path']}"
                assert answer.status == sample["status"], where
                assert answer.headers[INSTANCE_HEADER] == "4711", where
                content_type = answer.headers.get("Content-Type")
                if sample["content_type"] == "application/json":
                    assert content_type is not None and content_type.startswith("application/json"), where
                else:
                    assert content_type == sample["content_type"], where
                if sample["path"] == "/report" and headers:
                    check_report(await answer.json(), sample["body"])
                else:
                    assert await answer.text() == ours_instead(sample["body"]), where

    asyncio.run(converse())


def test_difference_is_still_one() -> None:
    """A pattern that matches nothing that was recorded says nothing of us."""
    bodies = "".join(sample["body"] for sample in SAMPLES if is_ours(sample))
    for pattern, instead, reason in DIFFERENCES:
        assert re.search(pattern, bodies), pattern
        assert reason
        assert re.sub(pattern, instead, bodies) != bodies, pattern
    for prefix in ABSENT:
        assert any(sample["path"].startswith(prefix) for sample in SAMPLES)


#: Parts of the report that are not the recorded ones: our words, and lists that Go leaves null.
REPORT_DIFFERENCES = {
    "Version",
    "ProtocolMinVersion",
    "OverlayDiagnostics",
    "Interface",
    "CaptureStats",
    "MACs",
    "Info",
    "Attrs",
}


def check_report(ours: Any, recorded: str) -> None:
    compare(ours, json.loads(recorded), "report")


def compare(ours: Any, theirs: Any, where: str) -> None:
    """Same keys in the same order, same values, but for the differences above."""
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs), where
        for key, value in theirs.items():
            if key not in REPORT_DIFFERENCES:
                compare(ours[key], value, f"{where}.{key}")
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), where
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            compare(one, other, f"{where}[{number}]")
    else:
        assert ours == theirs or (theirs is None and ours == []), where


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


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
