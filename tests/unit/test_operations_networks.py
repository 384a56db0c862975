"""Networks of all hosts: whoever interrupts a command gets a network that is whole, or gone."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes.reporter import FakeReporter
from weave_cli import interrupts
from weave_cli.interrupts import FINISHED, NOTHING, Interrupted
from weave_cli.names import SHARED_LABEL
from weave_cli.operations import networks
from weave_cli.settings import read_settings

pytestmark = pytest.mark.unit

_LOOKS_UNTIL_DOCKER_FOLLOWS = 3


class Hosts:
    """The router, which does as it is told at once, and Docker, which follows after some looks."""

    def __init__(self) -> None:
        self.wanted: set[str] = set()
        self.made: set[str] = set()
        self.looks = 0
        self.interrupts_at_look: int | None = None

    def create_network(self, name: str, *_: object, is_internal: bool) -> None:
        self.wanted.add(name)
        self.looks = 0

    def remove_network(self, name: str) -> None:
        self.wanted.discard(name)
        self.looks = 0

    def of_docker(self, client: object) -> list[SimpleNamespace]:
        self.looks += 1
        if self.looks == self.interrupts_at_look:
            signal.raise_signal(signal.SIGINT)
        if self.looks >= _LOOKS_UNTIL_DOCKER_FOLLOWS:
            self.made = set(self.wanted)
        return [SimpleNamespace(name=name, labels={SHARED_LABEL: name}) for name in self.made]


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosts]:
    found = Hosts()
    monkeypatch.setattr(networks, "read_engine_facts", lambda _: SimpleNamespace(has_cluster_store=False))
    monkeypatch.setattr(networks, "list_driver_networks", found.of_docker)
    monkeypatch.setattr(networks, "ask_router", lambda ask, _: ask(found))
    monkeypatch.setattr(networks, "_POLL_S", 0.001)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in interrupts.SIGNALS}
    interrupts.listen()
    yield found
    for number, handler in before.items():
        signal.signal(number, handler)


def _create() -> None:
    client: Any = None
    networks.create_network(
        client, read_settings({}), "shop", subnet=None, options=(), is_internal=False, reporter=FakeReporter()
    )


def test_a_network_that_other_hosts_may_have_is_made_here_before_the_interrupt_counts(hosts: Hosts) -> None:
    hosts.interrupts_at_look = 2
    with pytest.raises(Interrupted) as caught:
        _create()
    assert caught.value.outcome == FINISHED and hosts.made == {"shop"}


def test_before_anybody_was_asked_for_a_network_nothing_is_made(hosts: Hosts) -> None:
    hosts.interrupts_at_look = 1
    with pytest.raises(Interrupted) as caught:
        _create()
    assert caught.value.outcome == NOTHING and not hosts.wanted


def test_a_removed_network_is_gone_here_before_the_interrupt_counts(hosts: Hosts) -> None:
    hosts.wanted, hosts.made = {"shop"}, {"shop"}
    client: Any = None
    hosts.interrupts_at_look = 2
    with pytest.raises(Interrupted) as caught:
        networks.remove_network(client, read_settings({}), "shop", FakeReporter())
    assert caught.value.outcome == FINISHED and not hosts.made
