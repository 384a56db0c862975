"""Calls as they go through those who look after them: before a Docker, and a router that is not there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.docker_api import FakeDockerApi, running_docker
from tests.fakes.until import until
from weave_cli.api.aio import AsyncRouterClient
from weave_cli.containers.door import DockerDoor
from weave_cli.containers.events import ContainerEvent
from weave_cli.proxy.exchange import Answer, Exchange, Refusal, Request, parse_target
from weave_cli.proxy.options import RewritingOptions
from weave_cli.proxy.rewriting import rewriter as room
from weave_cli.proxy.rewriting.creation import Naming
from weave_cli.proxy.rewriting.hostname import HostnameRule
from weave_cli.proxy.rewriting.rewriter import ContainerRewriter
from weave_cli.settings import read_settings

pytestmark = pytest.mark.unit

Json = dict[str, Any]

_ID = "c" * 64
_NOBODY = "127.0.0.1:1"


@pytest.fixture
def docker(tmp_path: Path) -> Iterator[FakeDockerApi]:
    with running_docker(tmp_path) as api:
        api.answers["/images/busybox/json"] = {"Config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]}}
        api.answers["/images/quiet/json"] = {"Config": {"Cmd": ["sh"], "Env": ["WEAVE_CIDR=none"]}}
        api.answers["/networks/weave"] = {"Driver": "weavemesh"}
        api.answers["/networks/blue"] = {"Driver": "bridge"}
        yield api


def _facts(*, is_running: bool = False, entrypoint: str = "/w/w") -> Json:
    return {
        "Id": _ID,
        "Path": entrypoint,
        "Args": ["foo"],
        "State": {"Running": is_running, "Pid": 0},
        "Config": {"Entrypoint": [entrypoint], "Cmd": ["foo"]},
        "HostConfig": {"NetworkMode": "default"},
    }


def _with_rewriter(
    docker: FakeDockerApi,
    use: Callable[[ContainerRewriter], Awaitable[None]],
    options: RewritingOptions | None = None,
) -> None:
    async def run() -> None:
        settings = docker.settings(WEAVE_HTTP_ADDR=_NOBODY, DOCKER_BRIDGE="lo")
        rewriter = ContainerRewriter(
            options or RewritingOptions(),
            settings,
            Naming(rule=HostnameRule("(.*)", "$1")),
            DockerDoor(settings),
            AsyncRouterClient(_NOBODY),
        )
        try:
            await use(rewriter)
        finally:
            await rewriter.close()

    asyncio.run(run())


def _request(method: str, path: str, body: Any = None) -> Request:
    return Request(
        method=method, target=parse_target(path), headers=_NO_HEADERS, body=json.dumps(body).encode()
    )


_NO_HEADERS = Answer(status=200).headers


def _wanted(rewriter: ContainerRewriter, request: Request) -> Exchange:
    found = rewriter.wants(request.method, request.target)
    assert found is not None
    return found


def _create(docker: FakeDockerApi, body: Any, options: RewritingOptions | None = None) -> tuple[Json, Json]:
    """What Docker is asked, and what the client is answered."""
    seen: list[Json] = []

    async def use(rewriter: ContainerRewriter) -> None:
        request = _request("POST", "/v1.41/containers/create?name=web", body)
        exchange = _wanted(rewriter, request)
        asked = await exchange.prepare(request)
        answer = Answer(status=201, body=b'{"Id":"x","Warnings":null}')
        if exchange.holds_answer:
            answer = await exchange.conclude(answer)
        await exchange.close()
        seen.extend((json.loads(asked.body), json.loads(answer.body)))

    _with_rewriter(docker, use, options)
    return seen[0], seen[1]


@pytest.mark.parametrize(
    ("method", "path", "is_wanted", "is_wanted_for_inspect"),
    [
        ("POST", "/containers/create", True, True),
        ("POST", "/v1.24/containers/create?name=x", True, True),
        ("POST", "/v1.51/containers/web/start", True, True),
        ("POST", "/v1.51/containers/web/restart?t=1", True, True),
        ("POST", "/containers/web/exec", True, True),
        ("GET", "/v1.41/containers/web/json?size=1", False, True),
        ("GET", "/v1.41/containers/json?all=1", False, True),
        ("GET", "/containers/create", False, False),
        ("POST", "/containers/web/stop", False, False),
        ("POST", "/containers/web/json", False, False),
        ("POST", "/exec/web/start", False, False),
        ("GET", "/containers/web/logs", False, False),
        ("POST", "/images/create", False, False),
    ],
)
def test_calls_that_nobody_knows_pass(
    docker: FakeDockerApi, method: str, path: str, is_wanted: bool, is_wanted_for_inspect: bool
) -> None:
    for options, expected in (
        (RewritingOptions(), is_wanted),
        (RewritingOptions(rewrites_inspect=True), is_wanted_for_inspect),
    ):

        async def use(rewriter: ContainerRewriter, expected: bool = expected) -> None:
            assert (rewriter.wants(method, parse_target(path)) is not None) == expected

        _with_rewriter(docker, use, options)


def test_610_a_new_container_waits_and_has_weavedns_while_the_router_is_away(docker: FakeDockerApi) -> None:
    asked, answered = _create(docker, {"Image": "busybox", "HostConfig": {"NetworkMode": "bridge"}})
    assert asked == {
        "Image": "busybox",
        "Entrypoint": ["/w/w"],
        "Cmd": ["sh"],
        "Hostname": "web",
        "Domainname": "weave.local",
        "HostConfig": {
            "NetworkMode": "bridge",
            "Binds": ["weavewait:/w:ro,nocopy"],
            "Dns": ["127.0.0.1"],
            "DnsSearch": ["."],
        },
    }
    assert answered == {"Id": "x", "Warnings": None}


def test_630_without_dns_nothing_of_names_is_changed(docker: FakeDockerApi) -> None:
    asked, _ = _create(docker, {"Image": "busybox"}, RewritingOptions(wants_dns=False))
    assert asked == {
        "Image": "busybox",
        "Entrypoint": ["/w/w"],
        "Cmd": ["sh"],
        "HostConfig": {"Binds": ["weavewait:/w:ro,nocopy"]},
    }


@pytest.mark.parametrize(
    "body",
    [
        {"Image": "absent"},
        {"Image": "quiet"},
        {"Image": "busybox", "Env": ["WEAVE_CIDR=none"]},
        {"Image": "busybox", "HostConfig": {"NetworkMode": "host"}},
        {"Image": "busybox", "HostConfig": {"NetworkMode": "blue"}},
        {"Image": "busybox", "Entrypoint": [""]},
        {"Image": 7},
        {"Image": "busybox", "HostConfig": {"Mounts": 7}},
        ["nonsense"],
        None,
    ],
)
def test_660_other_containers_are_docker_alone(docker: FakeDockerApi, body: Any) -> None:
    assert _create(docker, body) == (body, {"Id": "x", "Warnings": None})


def test_a_container_on_a_network_of_the_plugins_is_left_to_it_with_a_warning(docker: FakeDockerApi) -> None:
    body: Json = {"Image": "busybox", "HostConfig": {"NetworkMode": "weave"}}
    asked, answered = _create(docker, body)
    assert asked == body
    (warning,) = answered["Warnings"]
    assert "network weave is served by weave's network plugin" in warning
    _, answered = _create(docker, {**body, "Env": ["WEAVE_CIDR=none"]})
    assert answered["Warnings"] is None


def test_bad_addresses_are_refused_before_there_is_a_container(docker: FakeDockerApi) -> None:
    with pytest.raises(Refusal, match=r"WEAVE_CIDR: invalid CIDR address: 10\.2\.1\.1") as refused:
        _create(docker, {"Image": "busybox", "Env": ["WEAVE_CIDR=10.2.1.1"]})
    assert refused.value.status == 400


def test_an_image_that_docker_cannot_tell_of_is_not_taken_for_none(docker: FakeDockerApi) -> None:
    """The container would begin without its network, or never."""
    docker.answers["/images/busybox/json"] = {"message": "the disk is gone"}
    docker.statuses["/images/busybox/json"] = 500
    with pytest.raises(Refusal, match=r"Docker cannot tell of /images/busybox/json: the disk is gone"):
        _create(docker, {"Image": "busybox"})


def test_a_network_that_docker_cannot_tell_of_is_no_reason_to_refuse(docker: FakeDockerApi) -> None:
    docker.statuses["/networks/weave"] = 500
    body = {"Image": "busybox", "HostConfig": {"NetworkMode": "weave"}}
    assert _create(docker, body) == (body, {"Id": "x", "Warnings": None})


def test_the_start_of_another_container_passes(docker: FakeDockerApi) -> None:
    docker.answers["/containers/web/json"] = _facts(entrypoint="/bin/sh")

    async def use(rewriter: ContainerRewriter) -> None:
        for name in ("web", "absent"):
            request = _request("POST", f"/containers/{name}/start")
            exchange = _wanted(rewriter, request)
            assert await exchange.prepare(request) is request and not exchange.holds_answer
            await exchange.close()

    _with_rewriter(docker, use)


def test_610_a_program_that_is_not_there_is_told_as_docker_does(docker: FakeDockerApi) -> None:
    docker.answers["/containers/web/json"] = docker.answers[f"/containers/{_ID}/json"] = _facts()

    async def use(rewriter: ContainerRewriter) -> None:
        request = _request("POST", "/containers/web/start")
        exchange = _wanted(rewriter, request)
        await exchange.prepare(request)
        assert exchange.holds_answer
        concluding = asyncio.create_task(exchange.conclude(Answer(status=204)))
        await asyncio.sleep(0)
        rewriter.on_event(ContainerEvent(action="die", container_id=_ID, exit_status=127))
        with pytest.raises(Refusal, match=r'^exec: "foo": executable file not found in \$PATH$') as refused:
            await concluding
        assert refused.value.status == 400
        await exchange.close()

    _with_rewriter(docker, use)
    assert f"POST /containers/{_ID}/stop?t=0" in docker.asked, "its restart policy must not go on"


def test_what_docker_answers_to_a_start_that_it_refuses_is_passed_on(docker: FakeDockerApi) -> None:
    docker.answers["/containers/web/json"] = _facts()

    async def use(rewriter: ContainerRewriter) -> None:
        for status in (304, 404, 409, 500):
            request = _request("POST", "/containers/web/start")
            exchange = _wanted(rewriter, request)
            await exchange.prepare(request)
            answer = Answer(status=status, body=b"x")
            assert await exchange.conclude(answer) is answer
            await exchange.close()

    _with_rewriter(docker, use)


def test_605_inspect_and_list_show_no_trace(docker: FakeDockerApi) -> None:
    async def use(rewriter: ContainerRewriter) -> None:
        for path, body, field in (
            ("/containers/web/json", _facts(), "Path"),
            ("/containers/json", [{"Command": "/w/w foo"}], "Command"),
        ):
            request = _request("GET", path)
            exchange = _wanted(rewriter, request)
            assert await exchange.prepare(request) is request and exchange.holds_answer
            answer = await exchange.conclude(Answer(status=200, body=json.dumps(body).encode()))
            found = json.loads(answer.body)
            assert (found[0] if isinstance(found, list) else found)[field] == "foo"
            for other in (Answer(status=404, body=b"x"), Answer(status=200, body=b"nonsense")):
                assert await exchange.conclude(other) is other

    _with_rewriter(docker, use, RewritingOptions(rewrites_inspect=True))


def test_exec_in_a_container_that_does_not_run_is_dockers_to_refuse(docker: FakeDockerApi) -> None:
    docker.answers["/containers/web/json"] = _facts()

    async def use(rewriter: ContainerRewriter) -> None:
        for name in ("web", "absent"):
            request = _request("POST", f"/containers/{name}/exec", {"Cmd": ["x"]})
            exchange = _wanted(rewriter, request)
            assert await exchange.prepare(request) is request
            assert not exchange.holds_answer

    _with_rewriter(docker, use)


def test_without_docker_calls_go_to_it_all_the_same(tmp_path: Path) -> None:
    """So that its absence is told by whoever passes the call."""
    absent = FakeDockerApi(tmp_path / "absent.sock")

    async def use(rewriter: ContainerRewriter) -> None:
        request = _request("POST", "/containers/web/start")
        exchange = _wanted(rewriter, request)
        assert await exchange.prepare(request) is request

    _with_rewriter(absent, use)
    assert read_settings({}).docker_place


def test_containers_that_docker_cannot_list_at_first_are_found_all_the_same(
    docker: FakeDockerApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No event will tell of them: a container that waits would wait for ever."""
    monkeypatch.setattr(room, "_LOOK_AGAIN_S", 0.01)
    docker.answers["/containers/json"] = {"message": "too busy"}
    docker.statuses["/containers/json"] = 500

    async def use(rewriter: ContainerRewriter) -> None:
        rewriter.on_subscribed()
        await until(lambda: docker.asked.count("GET /containers/json") > 1)
        docker.answers["/containers/json"] = [{"Id": _ID, "Command": "/w/w sleep"}]
        del docker.statuses["/containers/json"]
        await until(lambda: f"GET /containers/{_ID}/json" in docker.asked)

    _with_rewriter(docker, use)
