"""Peers that the operator wants: over restarts, and with a resolver that is not there yet."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from tests.fakes.until import until
from weave_cli.errors import UsageProblem
from weave_cli.router.mesh.targets import DirectTarget
from weave_cli.router.runtime.target_keeper import TargetKeeper


class FakeNode:
    """Keeps the targets that it is told."""

    def __init__(self) -> None:
        self.wanted: dict[str, str] = {}

    def connect(self, targets: Sequence[DirectTarget], *, replace: bool, now: float) -> None:
        if replace:
            self.wanted.clear()
        self.wanted.update({one.text: one.address for one in targets})

    def forget(self, texts: Iterable[str], now: float) -> None:
        for text in texts:
            self.wanted.pop(text, None)

    def direct_targets(self) -> tuple[str, ...]:
        return tuple(self.wanted)


class FakeMemory:
    """Keeps what a restart finds."""

    def __init__(self, saved: list[str] | None = None) -> None:
        self.saved = saved

    def targets(self) -> list[str] | None:
        return self.saved

    def save_targets(self, targets: Sequence[str]) -> None:
        self.saved = list(targets)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The names that resolve, and their addresses."""
    known: dict[str, str] = {"host1": "10.0.0.1", "10.0.0.9": "10.0.0.9"}

    def look_up(host: str, *args: Any, **kwargs: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (known[host], 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def keeper(node: FakeNode, memory: FakeMemory, interval_s: float = 0.01) -> TargetKeeper:
    return TargetKeeper(node, memory, lambda: 0.0, lambda: None, interval_s=interval_s)


def test_first_start_with_a_name_that_does_not_resolve_is_refused(resolver: dict[str, str]) -> None:
    node, memory = FakeNode(), FakeMemory()
    with pytest.raises(UsageProblem, match="lookup nowhere: Temporary failure"):
        asyncio.run(keeper(node, memory).begin(["host1", "nowhere"]))
    assert (node.wanted, memory.saved) == ({}, None)


def test_first_start_takes_the_command_line_whatever_was_saved(resolver: dict[str, str]) -> None:
    node, memory = FakeNode(), FakeMemory(["10.0.0.9"])
    asyncio.run(keeper(node, memory).begin(["host1:7000"]))
    assert node.wanted == {"host1:7000": "10.0.0.1:7000"}
    assert memory.saved == ["host1:7000"]


def test_restart_takes_what_was_saved_and_waits_for_the_resolver(resolver: dict[str, str]) -> None:
    node, memory = FakeNode(), FakeMemory(["host1", "late"])

    async def restart() -> None:
        one = keeper(node, memory)
        one.recall(["10.0.0.9"])
        assert one.wanted() == ["host1", "late"], "whoever looks at once sees them"
        await one.resume()
        assert node.wanted == {"host1": "10.0.0.1"}
        assert one.wanted() == ["host1", "late"], "also who has no address yet"
        await one.connect(["10.0.0.9"], replace=False)
        assert memory.saved == ["host1", "10.0.0.9", "late"], "a peer without an address yet is not lost"
        resolver["late"] = "10.0.0.3"
        await until(lambda: "late" in node.wanted)
        one.stop()

    asyncio.run(asyncio.wait_for(restart(), 10))
    assert node.wanted["late"] == "10.0.0.3"


@pytest.mark.parametrize("replace", [True, False])
def test_peer_that_is_not_wanted_any_more_is_not_waited_for(resolver: dict[str, str], replace: bool) -> None:
    node, memory = FakeNode(), FakeMemory(["late"])

    async def restart() -> None:
        one = keeper(node, memory)
        one.recall([])
        await one.resume()
        if replace:
            await one.connect([], replace=True)
        else:
            one.forget(["late"])
        resolver["late"] = "10.0.0.3"
        await asyncio.sleep(0.05)
        one.stop()

    asyncio.run(restart())
    assert (node.wanted, memory.saved) == ({}, [])


def test_peers_of_an_earlier_life_outlive_calls_that_come_early(resolver: dict[str, str]) -> None:
    node, memory = FakeNode(), FakeMemory(["host1", "10.0.0.9", "unwanted"])

    async def restart() -> None:
        one = keeper(node, memory)
        one.recall([])
        await one.connect(["10.0.0.5"], replace=False)
        one.forget(["unwanted"])
        assert memory.saved == ["10.0.0.5", "host1", "10.0.0.9"]
        await one.resume()
        one.stop()

    resolver["10.0.0.5"] = "10.0.0.5"
    asyncio.run(restart())
    assert set(node.wanted) == {"host1", "10.0.0.9", "10.0.0.5"}


def test_bad_peers_are_named_and_the_good_ones_added(resolver: dict[str, str]) -> None:
    node, memory = FakeNode(), FakeMemory()
    problems = asyncio.run(keeper(node, memory).connect(["http://x/", "host1"], replace=False))
    assert problems == ['invalid peer name "http://x/", should be host[:port]']
    assert memory.saved == ["host1"]
