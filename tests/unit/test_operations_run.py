"""Run, start and restart: what docker is given, and what is done around it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.fakes import guests as fake_guests
from tests.fakes.docker_client import FakeEngine
from tests.fakes.guests import FakeGuests
from tests.fakes.reporter import FakeReporter
from weave_cli.addresses import Wish, format_address, parse_cidr, split_wishes
from weave_cli.containers.facts import NotRunning
from weave_cli.containers.hostsfile import ExtraHost
from weave_cli.errors import DockerProblem, UsageProblem
from weave_cli.operations import naming
from weave_cli.operations import run as room
from weave_cli.operations.attach import AttachOptions, OnFailure
from weave_cli.settings import read_settings

pytestmark = pytest.mark.unit

_SETTINGS = read_settings({"WEAVE_HTTP_ADDR": "127.0.0.1:9", "DOCKER_BRIDGE": "lo"})


class Attached:
    """What attach was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Wish, ...], AttachOptions]] = []
        self.docker: list[str] = []

    def attach(
        self, _: object, __: object, name: str, wishes: Sequence[Wish], options: AttachOptions, ___: object
    ) -> None:
        self.asked.append((name, tuple(wishes), options))

    def run_detached(self, arguments: Sequence[str], *, mark: str, options: Sequence[str]) -> str:
        self.docker = list(arguments)
        return "4711"


@pytest.fixture
def attached(monkeypatch: pytest.MonkeyPatch) -> Attached:
    made = Attached()
    monkeypatch.setattr(room, "attach", made.attach)
    monkeypatch.setattr(room, "run_detached", made.run_detached)
    return made


@pytest.fixture
def guests(monkeypatch: pytest.MonkeyPatch) -> FakeGuests:
    return fake_guests.install(monkeypatch, room)


@pytest.fixture
def engine() -> FakeEngine:
    made = FakeEngine()
    made.add_container("box", status="running", pid=7)
    return made


def run(words: str, *, wants_resolver: bool = True) -> str:
    wishes, docker_words = split_wishes(words.split())
    return room.run(
        FakeEngine().client,
        _SETTINGS,
        wishes,
        docker_words,
        AttachOptions(rewrites_hosts=True),
        FakeReporter(),
        wants_resolver=wants_resolver,
    )


def test_docker_gets_the_resolver_and_the_words_and_the_container_addresses(attached: Attached) -> None:
    assert run("10.2.1.1/24 --name web --add-host box:10.9.9.9 --add-host=six:fd00::1 busybox ls") == "4711"
    address = naming.get_dns_address(_SETTINGS)
    assert attached.docker == [
        "--env=WEAVE_CIDR=none",
        f"--dns={address}",
        "--hostname=web.weave.local",
        "--dns-search=.",
        *"--name web --add-host box:10.9.9.9 --add-host=six:fd00::1 busybox ls".split(),
    ]
    ((name, wishes, options),) = attached.asked
    assert (name, wishes) == ("4711", split_wishes(["10.2.1.1/24"])[0])
    assert options == AttachOptions(
        rewrites_hosts=True,
        extra_hosts=(ExtraHost("box", "10.9.9.9"), ExtraHost("six", "fd00::1")),
        on_failure=OnFailure.KILL,
    )


def test_without_dns_docker_gets_no_resolver(attached: Attached) -> None:
    run("--name web busybox", wants_resolver=False)
    assert attached.docker == ["--env=WEAVE_CIDR=none", "--name", "web", "busybox"]


def test_a_wrong_extra_host_runs_nothing(attached: Attached) -> None:
    with pytest.raises(UsageProblem, match="add-host"):
        run("--add-host busybox")
    assert (attached.docker, attached.asked) == ([], [])


def test_start_starts_then_attaches(attached: Attached, engine: FakeEngine) -> None:
    engine.add_container("idle")
    wishes, _ = split_wishes([])
    room.start(engine.client, _SETTINGS, "idle", wishes, FakeReporter())
    assert engine.calls == ["start idle"]
    assert attached.asked == [("idle", wishes, AttachOptions())]
    with pytest.raises(DockerProblem, match=r"^Error: No such container: nobody$"):
        room.start(engine.client, _SETTINGS, "nobody", wishes, FakeReporter())


def test_restart_asks_for_the_addresses_again_that_there_were(
    attached: Attached, engine: FakeEngine, guests: FakeGuests
) -> None:
    guests.attached[7] = (parse_cidr("10.2.1.1/24"), parse_cidr("10.32.0.1/12"))
    room.restart(engine.client, _SETTINGS, "box", FakeReporter())
    assert engine.calls == ["restart box"]
    ((name, wishes, options),) = attached.asked
    assert name == "box" and options.on_failure is OnFailure.KILL
    assert wishes == split_wishes(["10.2.1.1/24", "10.32.0.1/12"])[0]


def test_restart_of_one_without_addresses_gives_it_none(
    attached: Attached, engine: FakeEngine, guests: FakeGuests
) -> None:
    room.restart(engine.client, _SETTINGS, "box", FakeReporter())
    guests.in_our_namespace.add(7)
    room.restart(engine.client, _SETTINGS, "box", FakeReporter())
    assert (engine.calls, attached.asked) == (["restart box"] * 2, [])
    engine.add_container("idle")
    with pytest.raises(NotRunning):
        room.restart(engine.client, _SETTINGS, "idle", FakeReporter())


def test_resolver_is_on_loopback_here() -> None:
    assert naming.get_dns_address(_SETTINGS) == format_address(0x7F000001)
