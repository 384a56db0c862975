"""Who is listed by ps, why a router does not answer, which versions there are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.fakes.docker_client import FakeEngine, answer_quickly
from tests.fakes.reporter import FakeReporter
from weave_cli.addresses import parse_cidr
from weave_cli.api.sync import RouterClient, RouterUnreachable
from weave_cli.containers import quick
from weave_cli.errors import DockerProblem, RouterProblem
from weave_cli.host import netns
from weave_cli.host.interface_dump import Interface
from weave_cli.operations import asking, survey
from weave_cli.operations.asking import ask_router, explain_unreachable
from weave_cli.operations.survey import list_attachments, list_versions
from weave_cli.settings import read_settings

pytestmark = pytest.mark.unit

_ETHWE = Interface(name="ethwe0", mac="7a:00:00:00:00:02", addresses=(parse_cidr("10.32.0.1/12"),))
_ETH0 = Interface(name="eth0", mac="02:42:00:00:00:01", addresses=(parse_cidr("172.18.0.2/16"),))
_BRIDGE = Interface(name="weave", mac="7a:00:00:00:00:01", addresses=())


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """Containers a (attached), b (not attached), c (host network), d (ended while we look)."""
    made = FakeEngine()
    made.add_container("a", status="running", pid=1)
    made.add_container("b", status="running", pid=2)
    made.add_container("c", status="running", pid=3, host_config={"NetworkMode": "host"})
    made.add_container("d", status="running", pid=4)
    seen: dict[int | None, Sequence[Interface]] = {None: [_ETH0, _BRIDGE], 1: [_ETH0, _ETHWE], 2: [_ETH0]}

    def read_interfaces(pid: int | None = None) -> Sequence[Interface]:
        if pid not in seen:
            raise ProcessLookupError
        return seen[pid]

    monkeypatch.setattr(netns, "read_interfaces", read_interfaces)
    monkeypatch.setattr(quick, "call", lambda _, __, path: answer_quickly(made, path))
    return made


def test_ps_lists_the_host_first_and_then_attached_containers_by_short_id(engine: FakeEngine) -> None:
    found = list(list_attachments((), read_settings({})))
    assert [(each.owner, each.mac) for each in found] == [
        ("weave:expose", "7a:00:00:00:00:01"),
        (engine.containers["a"].id[:12], "7a:00:00:00:00:02"),
    ]


def test_ps_of_named_containers_echoes_the_names_in_order(engine: FakeEngine) -> None:
    found = list_attachments(("a", "nobody", "weave:expose", "b", "c", "d"), read_settings({}))
    assert [each.owner for each in found] == ["a", "weave:expose"]


def test_ps_of_the_host_alone_needs_no_docker(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise DockerProblem("no docker")

    monkeypatch.setattr(quick, "call", refuse)
    assert [each.owner for each in list_attachments(("weave:expose",), read_settings({}))] == ["weave:expose"]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (None, "weave container is not present. Have you launched it?"),
        ("exited", "weave container is not running."),
        ("restarting", "weave container is restarting."),
        ("running", "silent"),
    ],
)
def test_silence_of_the_router_is_explained_by_its_container(
    engine: FakeEngine, status: str | None, message: str
) -> None:
    if status:
        engine.add_ours("weave", status=status)
    assert explain_unreachable(RouterUnreachable("silent"), read_settings({})).message == message


@pytest.mark.parametrize(("status", "calls"), [("running", 3), (None, 1), ("exited", 1), ("restarting", 1)])
def test_router_that_runs_and_does_not_listen_yet_is_waited_for(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, status: str | None, calls: int
) -> None:
    if status:
        engine.add_ours("weave", status=status)
    monkeypatch.setattr(asking, "_POLL_S", 0)
    asked = []

    def call(_: RouterClient) -> str:
        asked.append("again")
        if len(asked) < 3:
            raise RouterUnreachable("silent") from ConnectionRefusedError()
        return "answer"

    if status == "running":
        assert ask_router(call, read_settings({})) == "answer"
    else:
        with pytest.raises(RouterProblem, match="weave container is"):
            ask_router(call, read_settings({}))
    assert len(asked) == calls


def test_router_that_runs_and_never_listens_is_not_waited_for_longer(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.add_ours("weave", status="running")
    monkeypatch.setattr(asking, "_START_S", 0)

    def call(_: RouterClient) -> str:
        raise RouterUnreachable("silent") from ConnectionRefusedError()

    with pytest.raises(RouterUnreachable, match="silent"):
        ask_router(call, read_settings({}))


def test_versions_come_from_running_containers_else_from_the_image(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.add_ours("weave").labels["works.weave"] = "0.0.9"
    monkeypatch.setattr(quick, "has_image", lambda *_: True)
    monkeypatch.setattr(survey, "__version__", "0.2.0")
    assert list(list_versions(read_settings({}), FakeReporter())) == [
        ("router", "0.0.9"),
        ("plugin", "0.2.0"),
        ("proxy", "0.2.0"),
    ]


def test_missing_image_is_said_and_skipped(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "has_image", lambda *_: False)
    reporter = FakeReporter()
    assert list(list_versions(read_settings({}), reporter)) == []
    assert len(reporter.notices) == 3
