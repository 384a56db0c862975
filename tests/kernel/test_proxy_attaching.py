"""The proxy's attaching where something is in its way: namespaces between fakes of Docker and router."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.docker_api import FakeDockerApi, running_docker
from tests.fakes.router_api import FakeRouterApi, running_router
from tests.fakes.until import until
from tests.kernel.namespaces import Underlay
from weave_cli.api.aio import AsyncRouterClient
from weave_cli.containers.door import DockerDoor
from weave_cli.host.guest import let_go, was_let_go
from weave_cli.proxy.exchange import Headers, Refusal, Request, parse_target
from weave_cli.proxy.options import RewritingOptions
from weave_cli.proxy.rewriting.attaching import Attacher, NotAttached
from weave_cli.proxy.rewriting.exchanges import Exec
from weave_cli.proxy.rewriting.renaming import NameKeeper
from weave_cli.proxy.rewriting.workload import read_workload

_ID = "d" * 64


class Waiting:
    """A process in a namespace, which Docker tells of as a container that waits."""

    def __init__(self, underlay: Underlay, docker: FakeDockerApi, *, name: str = "c") -> None:
        self.docker = docker
        self.namespace = underlay.namespace(name)
        self.process = subprocess.Popen(["ip", "netns", "exec", self.namespace, "sleep", "1000"])
        while Path(f"/proc/{self.process.pid}/comm").read_text().strip() != "sleep":
            time.sleep(0.005)
        self.facts: dict[str, Any] = {
            "Id": _ID,
            "Name": "/web",
            "Path": "/w/w",
            "Args": ["sleep"],
            "State": {"Running": True, "Pid": self.process.pid, "Status": "running"},
            "Config": {
                "Entrypoint": ["/w/w"],
                "Cmd": ["sleep"],
                "Hostname": "web",
                "Domainname": "weave.local",
                "Env": [],
            },
            "HostConfig": {"NetworkMode": "default"},
        }
        docker.answers[f"/containers/{_ID}/json"] = self.facts
        for path in ("/version", "/v1.41/version"):
            docker.answers[path] = {"ApiVersion": "1.41", "Version": "24.0.0"}

    def has_ended(self) -> bool:
        return self.process.poll() is not None


@pytest.fixture
def waiting(underlay: Underlay, tmp_path: Path) -> Iterator[Waiting]:
    with running_docker(tmp_path) as docker:
        made = Waiting(underlay, docker)
        yield made
        made.process.kill()
        made.process.wait()


def _with_attacher(
    waiting: Waiting,
    use: Callable[[Attacher, FakeRouterApi, AsyncRouterClient], Awaitable[None]],
    *,
    has_router: bool = True,
    options: RewritingOptions | None = None,
) -> None:
    async def run() -> None:
        async with running_router() as router:
            address = router.address
            if not has_router:
                await router.stop()
            settings = waiting.docker.settings(WEAVE_HTTP_ADDR=address)
            async with AsyncRouterClient(address) as client:
                attacher = Attacher(
                    DockerDoor(settings),
                    client,
                    settings,
                    options or RewritingOptions(),
                    address_limit_s=0.3,
                )
                try:
                    await use(attacher, router, client)
                finally:
                    await attacher.close()

    asyncio.run(run())


async def _start(attacher: Attacher, waiting: Waiting) -> str:
    """A client's start; why it fails."""
    container = read_workload(waiting.facts)
    assert container is not None
    with attacher.awaited(container) as before, pytest.raises(NotAttached) as problem:
        await attacher.settle(_ID, before)
    return str(problem.value)


def test_an_address_that_does_not_come_is_explained_and_none_is_kept(waiting: Waiting) -> None:
    async def use(attacher: Attacher, router: FakeRouterApi, _: AsyncRouterClient) -> None:
        router.ring.clear()
        router.ipam_status = "awaiting consensus (quorum: 2, known: 1)"
        reason = await _start(attacher, waiting)
        assert reason.startswith("no address within 0 s: the address allocator says: awaiting consensus")
        assert router.owned == {}
        await until(lambda: router.waiting == 0)

    _with_attacher(waiting, use)
    assert not was_let_go(waiting.process.pid), "its program has not begun"


def test_695_without_a_router_a_clients_start_fails_at_once(waiting: Waiting) -> None:
    async def use(attacher: Attacher, _router: FakeRouterApi, _: AsyncRouterClient) -> None:
        reason = await _start(attacher, waiting)
        assert reason == "weave container is not present. Have you launched it? Start it with 'weave launch'."

    _with_attacher(waiting, use, has_router=False)
    assert not waiting.has_ended(), "Docker is asked to end it"
    assert f"POST /v1.41/containers/{_ID}/kill" in waiting.docker.asked


def test_what_docker_does_not_end_ends_all_the_same(waiting: Waiting) -> None:
    del waiting.docker.answers["/version"]

    async def use(attacher: Attacher, _router: FakeRouterApi, _: AsyncRouterClient) -> None:
        await _start(attacher, waiting)
        await until(waiting.has_ended)

    _with_attacher(waiting, use, has_router=False)


def test_640_without_a_router_nobody_ends_what_docker_restarted(waiting: Waiting) -> None:
    async def use(attacher: Attacher, router: FakeRouterApi, _: AsyncRouterClient) -> None:
        attacher.on_start(_ID)
        await asyncio.sleep(0.3)
        assert not waiting.has_ended() and not was_let_go(waiting.process.pid)

    _with_attacher(waiting, use, has_router=False)


def test_what_is_executed_beside_a_program_that_waits_is_refused_in_the_end(waiting: Waiting) -> None:
    waiting.docker.answers["/containers/web/json"] = waiting.facts
    request = Request(
        method="POST", target=parse_target("/containers/web/exec"), headers=Headers(()), body=b""
    )

    async def use(attacher: Attacher, _router: FakeRouterApi, _: AsyncRouterClient) -> None:
        with pytest.raises(Refusal) as problem:
            await Exec(attacher, "web", limit_s=1).prepare(request)
        assert problem.value.status == 409
        assert str(problem.value).startswith(
            "container web still waits for the network: weave container is not present. Have you launched it?"
        )
        assert not waiting.has_ended()

    _with_attacher(waiting, use, has_router=False)


def test_what_is_under_way_when_the_proxy_ends_keeps_its_address(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interface may have it already, and whoever comes next asks for it again."""
    begun, ends = threading.Event(), threading.Event()

    def attach_slowly(*_: object) -> None:
        begun.set()
        ends.wait(30)

    monkeypatch.setattr("weave_cli.proxy.rewriting.attaching.attach_now", attach_slowly)

    async def use(attacher: Attacher, router: FakeRouterApi, _: AsyncRouterClient) -> None:
        attacher.on_start(_ID)
        await until(begun.is_set)
        await attacher.close()
        ends.set()
        assert list(router.owned) == [_ID]

    _with_attacher(waiting, use)


def test_what_can_never_be_attached_ends_so_that_its_policy_goes_on(waiting: Waiting) -> None:
    waiting.facts["Config"]["Env"] = ["WEAVE_CIDR=nonsense"]

    async def use(attacher: Attacher, _router: FakeRouterApi, _: AsyncRouterClient) -> None:
        attacher.on_start(_ID)
        await until(waiting.has_ended)

    _with_attacher(waiting, use)


def test_640_a_container_found_running_is_never_ended(waiting: Waiting) -> None:
    waiting.facts["Config"]["Env"] = ["WEAVE_CIDR=nonsense"]
    waiting.docker.answers["/containers/json"] = [
        {"Id": _ID, "Command": "/w/w sleep"},
        {"Id": "e" * 64, "Command": "sleep"},
    ]

    async def use(attacher: Attacher, _router: FakeRouterApi, _: AsyncRouterClient) -> None:
        await attacher.look_at_all()
        await until(lambda: f"GET /containers/{_ID}/json" in waiting.docker.asked)
        await asyncio.sleep(0.3)
        assert not waiting.has_ended()
        assert f"GET /containers/{'e' * 64}/json" not in waiting.docker.asked

    _with_attacher(waiting, use)


def test_640_a_life_that_nobody_told_of_is_found(waiting: Waiting, underlay: Underlay) -> None:
    waiting.docker.answers["/containers/json"] = [{"Id": _ID, "Command": "/w/w sleep"}]
    assert let_go(waiting.process.pid)

    async def use(attacher: Attacher, _router: FakeRouterApi, _: AsyncRouterClient) -> None:
        await attacher.settle(_ID)
        again = Waiting(underlay, waiting.docker, name="again")
        try:
            await attacher.look_at_all()
            await until(lambda: was_let_go(again.process.pid))
        finally:
            again.process.kill()
            again.process.wait()

    _with_attacher(waiting, use, options=RewritingOptions(wants_default_ipalloc=False))


def test_195_what_is_not_to_be_attached_any_more_need_not_wait(waiting: Waiting) -> None:
    async def use(attacher: Attacher, _router: FakeRouterApi, _: AsyncRouterClient) -> None:
        await attacher.settle(_ID)
        assert was_let_go(waiting.process.pid)

    _with_attacher(waiting, use, options=RewritingOptions(wants_default_ipalloc=False))


def test_640_names_are_given_again_to_a_router_that_was_started_again(
    waiting: Waiting, underlay: Underlay
) -> None:
    for command in (
        "ip link add ethwe type veth peer name other",
        "ip address add 10.32.0.9/12 dev ethwe",
    ):
        underlay.run_in(waiting.namespace, command)
    assert let_go(waiting.process.pid)

    async def use(attacher: Attacher, router: FakeRouterApi, client: AsyncRouterClient) -> None:
        await attacher.settle(_ID)  # by an earlier proxy
        keeper = asyncio.create_task(NameKeeper(client, attacher, between_looks_s=0.02).run())
        try:
            for _ in range(2):
                await until(lambda: {name[3] for name in router.names} == {"web.weave.local"})
                await router.stop()
                router.names.clear()
                await router.start()
        finally:
            keeper.cancel()
        attacher.on_end(_ID, 0)
        await until(lambda: not router.names)

    _with_attacher(waiting, use)


def test_a_life_that_began_while_the_one_before_failed_does_not_wait_for_ever(
    waiting: Waiting, underlay: Underlay
) -> None:
    async def use(attacher: Attacher, router: FakeRouterApi, _: AsyncRouterClient) -> None:
        router.ring.clear()
        attacher.on_start(_ID)
        await until(lambda: router.waiting > 0)
        again = Waiting(underlay, waiting.docker, name="again")
        again.facts["Config"]["Env"] = ["WEAVE_CIDR=none"]
        try:
            attacher.on_start(_ID)
            await until(lambda: was_let_go(again.process.pid))
        finally:
            again.process.kill()
            again.process.wait()

    _with_attacher(waiting, use)


def test_what_docker_cannot_tell_of_for_a_while_is_asked_for_again(waiting: Waiting) -> None:
    waiting.facts["Config"]["Env"] = ["WEAVE_CIDR=none"]
    path = f"/containers/{_ID}/json"
    waiting.docker.statuses[path] = 500

    async def use(attacher: Attacher, _router: FakeRouterApi, _: AsyncRouterClient) -> None:
        attacher.on_start(_ID)
        await until(lambda: f"GET {path}" in waiting.docker.asked)
        del waiting.docker.statuses[path]
        await until(lambda: was_let_go(waiting.process.pid))

    _with_attacher(waiting, use)
