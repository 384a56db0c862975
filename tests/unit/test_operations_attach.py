"""Attach and detach: what is asked of the router in which order, and what is undone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.fakes import guests as fake_guests
from tests.fakes.docker_client import FakeContainer, FakeEngine
from tests.fakes.guests import FakeGuests
from tests.fakes.reporter import FakeReporter
from tests.fakes.router_http import FakeRouterApi, serving
from weave_cli.addresses import Cidr, parse_cidr, split_wishes
from weave_cli.api.sync import RouterClient
from weave_cli.containers.facts import NotRunning
from weave_cli.errors import DockerProblem, HostProblem, RouterProblem, UsageProblem
from weave_cli.names import EXPOSE_OWNER
from weave_cli.operations import attach as room
from weave_cli.operations import feeding, preflight
from weave_cli.operations.attach import AttachOptions, OnFailure
from weave_cli.settings import read_settings

pytestmark = pytest.mark.unit

_PID = 7


@pytest.fixture
def guests(monkeypatch: pytest.MonkeyPatch) -> FakeGuests:
    monkeypatch.setattr(room, "exclusively", lambda _: nullcontext())
    monkeypatch.setattr(room, "alone_with", lambda *_: nullcontext())
    monkeypatch.setattr(preflight, "find_overlap", lambda *_: None)
    monkeypatch.setattr(room, "explain_unreachable", lambda problem, _: problem)
    monkeypatch.setattr(room, "is_router_down", lambda _: True)
    return fake_guests.install(monkeypatch, room)


@pytest.fixture
def engine() -> FakeEngine:
    made = FakeEngine()
    made.add_container("box", status="running", pid=_PID, hostname="box.weave.local")
    return made


@pytest.fixture
def box(engine: FakeEngine) -> FakeContainer:
    return engine.containers["box"]


@pytest.fixture
def api(box: FakeContainer) -> Iterator[FakeRouterApi]:
    answers = {
        f"POST /ip/{box.id}": (200, "10.32.0.1/12"),
        f"GET /ip/{box.id}": (200, "10.32.0.1/12"),
        f"POST /ip/{box.id}/10.32.8.0/24": (200, "10.32.8.1/24"),
        f"GET /ip/{box.id}/10.32.8.0/24": (200, "10.32.8.1/24"),
        f"PUT /ip/{box.id}/10.2.1.1/24": (204, ""),
        **{
            f"{method} /name/{box.id}/{address}{query}": (204, "")
            for address in ("10.32.0.1", "10.32.8.1", "10.2.1.1")
            for method, query in (("PUT", ""), ("DELETE", ""), ("DELETE", "?fqdn=box.weave.local"))
        },
        **{f"DELETE /ip/{box.id}/{address}": (204, "") for address in ("10.32.0.1", "10.32.8.1", "10.2.1.1")},
    }
    with serving(answers) as served:
        yield served


def attach(
    engine: FakeEngine, address: str, words: str = "box", options: AttachOptions | None = None
) -> tuple[Cidr, ...]:
    wishes, (name,) = split_wishes(words.split())
    settings = read_settings({"WEAVE_HTTP_ADDR": address})
    return room.attach(engine.client, settings, name, wishes, options or AttachOptions(), FakeReporter())


def detach(engine: FakeEngine, address: str, words: str) -> tuple[Cidr, ...]:
    wishes, (name,) = split_wishes(words.split())
    settings = read_settings({"WEAVE_HTTP_ADDR": address})
    return room.detach(engine.client, settings, name, wishes, FakeReporter())


def asked(api: FakeRouterApi, box: FakeContainer) -> list[str]:
    """Requests with the container's id made short, and their forms."""
    return [f"{request} {body}".replace(box.id, "ID").strip() for request, body in api.asked]


def test_addresses_come_in_order_and_each_gets_the_name(
    engine: FakeEngine, box: FakeContainer, api: FakeRouterApi, guests: FakeGuests
) -> None:
    cidrs = attach(engine, api.address, "net:10.32.8.0/24 10.2.1.1/24 net:default box")
    assert list(map(str, cidrs)) == ["10.32.8.1/24", "10.2.1.1/24", "10.32.0.1/12"]
    assert guests.attached[_PID] == cidrs
    assert asked(api, box) == [
        "POST /ip/ID/10.32.8.0/24 check-alive=true",
        "PUT /ip/ID/10.2.1.1/24 check-alive=true",
        "POST /ip/ID check-alive=true",
        "PUT /name/ID/10.32.8.1 fqdn=box.weave.local&check-alive=true",
        "PUT /name/ID/10.2.1.1 fqdn=box.weave.local&check-alive=true",
        "PUT /name/ID/10.32.0.1 fqdn=box.weave.local&check-alive=true",
    ]


@pytest.mark.parametrize(("hostname", "domainname"), [("box", ""), ("", ""), ("box.", "")])
def test_a_name_without_domain_is_not_registered(
    engine: FakeEngine,
    box: FakeContainer,
    api: FakeRouterApi,
    guests: FakeGuests,
    hostname: str,
    domainname: str,
) -> None:
    box.hostname, box.domainname = hostname, domainname
    attach(engine, api.address)
    assert not any("/name/" in request for request in asked(api, box))


def test_names_are_left_alone_when_told_so_and_their_failure_is_none_of_ours(
    engine: FakeEngine, box: FakeContainer, api: FakeRouterApi, guests: FakeGuests
) -> None:
    attach(engine, api.address, options=AttachOptions(wants_dns=False))
    assert not any("/name/" in request for request in asked(api, box))
    api.answers = {key: value for key, value in api.answers.items() if "/name/" not in key}
    assert attach(engine, api.address)


def test_hosts_file_is_rewritten_when_asked_for(
    engine: FakeEngine, box: FakeContainer, api: FakeRouterApi, guests: FakeGuests, tmp_path: Path
) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("old")
    box.hosts_path = str(hosts)
    attach(engine, api.address)
    assert hosts.read_text() == "old"
    attach(engine, api.address, options=AttachOptions(rewrites_hosts=True))
    assert "10.32.0.1    box.weave.local box" in hosts.read_text()


def test_fixed_addresses_need_no_router(engine: FakeEngine, guests: FakeGuests) -> None:
    assert attach(engine, "127.0.0.1:9", "10.2.1.1/24 box")
    assert guests.attached[_PID] == (parse_cidr("10.2.1.1/24"),)


def test_a_router_that_runs_and_is_silent_is_asked_in_vain(
    engine: FakeEngine, guests: FakeGuests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "is_router_down", lambda _: False)
    with pytest.raises(RouterProblem, match="does not answer"):
        attach(engine, "127.0.0.1:9", "10.2.1.1/24 box")
    assert guests.attached == {}


def test_subnets_need_an_allocator(
    engine: FakeEngine, box: FakeContainer, api: FakeRouterApi, guests: FakeGuests
) -> None:
    api.answers.clear()
    with pytest.raises(UsageProblem, match=r"^IP address allocation must be enabled to use 'net:'$"):
        attach(engine, api.address)
    assert attach(engine, api.address, "10.2.1.1/24 box"), "fixed ones do not"


def test_an_allocation_that_was_cancelled_is_no_address(
    engine: FakeEngine, box: FakeContainer, api: FakeRouterApi, guests: FakeGuests
) -> None:
    api.answers[f"POST /ip/{box.id}"] = (200, "cancelled")
    with pytest.raises(RouterProblem, match="gave up"):
        attach(engine, api.address)


@pytest.mark.parametrize("failure", [HostProblem("no"), KeyboardInterrupt(), ProcessLookupError()])
def test_what_was_begun_is_undone(
    engine: FakeEngine,
    box: FakeContainer,
    api: FakeRouterApi,
    guests: FakeGuests,
    failure: BaseException,
) -> None:
    def fail() -> None:
        raise failure

    guests.on_attach = fail
    with pytest.raises((HostProblem, KeyboardInterrupt)):
        attach(engine, api.address, "net:default 10.2.1.1/24 box")
    assert guests.attached == {}
    assert {"DELETE /ip/ID/10.32.0.1", "DELETE /ip/ID/10.2.1.1"} <= set(asked(api, box))


def test_undoing_leaves_what_was_there_before(
    engine: FakeEngine, box: FakeContainer, api: FakeRouterApi, guests: FakeGuests
) -> None:
    guests.attached[_PID] = before = (parse_cidr("10.32.0.1/12"),)
    api.answers[f"PUT /ip/{box.id}/10.2.1.1/24"] = (400, "Unable to claim: taken\n")
    with pytest.raises(RouterProblem, match="Unable to claim: taken"):
        attach(engine, api.address, "net:default 10.2.1.1/24 box")
    assert guests.attached[_PID] == before
    assert "DELETE /ip/ID/10.32.0.1" not in asked(api, box)


def test_what_the_kernel_refuses_is_told_with_the_container(
    engine: FakeEngine, api: FakeRouterApi, guests: FakeGuests, box: FakeContainer
) -> None:
    box.pid = 1  # surely alive

    def fail() -> None:
        raise HostProblem("cannot do it")

    guests.on_attach = fail
    with pytest.raises(HostProblem) as caught:
        attach(engine, api.address)
    assert caught.value.message == "Failure during network configuration for container box:\ncannot do it"


@pytest.mark.parametrize(
    ("on_failure", "calls"), [(OnFailure.LEAVE, []), (OnFailure.KILL, ["kill box"])], ids=str
)
def test_a_container_that_cannot_be_attached_is_killed_when_told_so(
    engine: FakeEngine, guests: FakeGuests, on_failure: OnFailure, calls: list[str]
) -> None:
    with pytest.raises(RouterProblem):
        attach(engine, "127.0.0.1:9", options=AttachOptions(on_failure=on_failure))
    assert engine.calls == calls


def test_a_dead_or_hosted_or_absent_container_is_told(
    engine: FakeEngine, api: FakeRouterApi, guests: FakeGuests
) -> None:
    guests.dead = {_PID}
    with pytest.raises(HostProblem, match=r"^Container box died$"):
        attach(engine, api.address)
    engine.add_container("hosted", status="running", pid=8)
    guests.in_our_namespace = {8}
    with pytest.raises(HostProblem, match="host network namespace"):
        attach(engine, api.address, "hosted")
    engine.add_container("idle")
    with pytest.raises(NotRunning, match="idle container is not running"):
        attach(engine, api.address, "idle")
    with pytest.raises(DockerProblem, match=r"^Error: No such container: nobody$"):
        attach(engine, api.address, "nobody")
    assert api.asked == []


def test_detach_releases_what_was_allocated_and_prints_what_was_asked_for(
    engine: FakeEngine, box: FakeContainer, api: FakeRouterApi, guests: FakeGuests
) -> None:
    guests.attached[_PID] = (parse_cidr("10.2.1.1/24"), parse_cidr("10.32.0.1/12"))
    cidrs = detach(engine, api.address, "10.2.1.1/24 net:default 10.7.7.7/24 box")
    assert list(map(str, cidrs)) == ["10.2.1.1/24", "10.32.0.1/12", "10.7.7.7/24"]
    assert guests.attached == {}
    assert asked(api, box) == [
        "GET /ip/ID",
        "DELETE /name/ID/10.2.1.1?fqdn=box.weave.local",
        "DELETE /name/ID/10.32.0.1?fqdn=box.weave.local",
        "DELETE /name/ID/10.7.7.7?fqdn=box.weave.local",
        "DELETE /ip/ID/10.2.1.1",
        "DELETE /ip/ID/10.32.0.1",
        "DELETE /ip/ID/10.7.7.7",
    ]


def test_an_address_of_two_subnets_is_detached_once(
    engine: FakeEngine, box: FakeContainer, api: FakeRouterApi, guests: FakeGuests
) -> None:
    api.answers[f"GET /ip/{box.id}"] = (200, "10.32.0.1/12 10.32.8.1/24")
    cidrs = detach(engine, api.address, "net:default net:10.32.8.0/24 box")
    assert list(map(str, cidrs)) == ["10.32.0.1/12", "10.32.8.1/24"]
    assert asked(api, box).count("DELETE /ip/ID/10.32.8.1") == 1


def test_detach_of_nothing_is_no_error(
    engine: FakeEngine, box: FakeContainer, api: FakeRouterApi, guests: FakeGuests
) -> None:
    api.answers[f"GET /ip/{box.id}"] = (200, "")
    assert detach(engine, api.address, "box") == ()
    api.answers.clear()
    assert detach(engine, api.address, "box") == (), "nor without an allocator"


def test_a_router_that_starts_is_told_who_is_on_the_network(
    engine: FakeEngine, box: FakeContainer, api: FakeRouterApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = fake_guests.install(monkeypatch, feeding)
    known.attached[_PID] = (parse_cidr("10.2.1.1/24"), parse_cidr("10.3.1.1/24"))
    known.dead.add(8)
    engine.add_container("ends", status="running", pid=8)
    engine.add_container("bare", status="running", pid=9)
    reporter = FakeReporter()
    feeding.feed_router(engine.client, RouterClient(api.address), reporter)
    claim = "noErrorOnUnknown=true&check-alive=true"
    assert asked(api, box) == [
        "GET /ip",
        f"PUT /ip/ID/10.2.1.1/24 {claim}",
        f"PUT /ip/ID/10.3.1.1/24 {claim}",
        "PUT /name/ID/10.2.1.1 fqdn=box.weave.local&check-alive=true",
        "PUT /name/ID/10.3.1.1 fqdn=box.weave.local&check-alive=true",
    ]
    assert reporter.notices == []


def test_a_router_that_starts_is_told_who_was_removed_meanwhile(
    engine: FakeEngine, box: FakeContainer, api: FakeRouterApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_guests.install(monkeypatch, feeding)
    idle, removed = engine.add_container("idle", status="exited").id, "f" * 64
    owners = (box.id, idle, removed, EXPOSE_OWNER)
    books = [{"containerid": owner, "addrs": ["10.32.0.1/12"]} for owner in owners]
    api.answers |= {"GET /ip": (200, json.dumps({"owned": books})), f"DELETE /ip/{removed}": (204, "")}
    feeding.feed_router(engine.client, RouterClient(api.address), FakeReporter())
    assert [request for request, _ in api.asked if request.startswith("DELETE")] == [f"DELETE /ip/{removed}"]
