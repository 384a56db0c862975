"""What a crash, an interrupted command or another weave left behind; and networks given twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from weave_cli.addresses import Cidr
from weave_cli.doctor.findings import Finding, failure, ok, warning


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftoverFacts:
    """pairs: host ends of pairs of `attach` whose process is gone. foreign: devices of a Go router."""

    pairs: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    test_containers: tuple[str, ...] = ()
    """Of a connectivity test that was killed."""
    bridge_without_router: bool = False
    """There is a bridge, and neither a container of the router nor anybody on the bridge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestFacts:
    """A running container's interfaces of ours: by attach or the proxy (`ethwe`), and by the plugin."""

    container: str
    attached: tuple[Cidr, ...]
    plugged: tuple[Cidr, ...]


def check_leftovers(facts: LeftoverFacts) -> Iterator[Finding]:
    found = False
    for pair in facts.pairs:
        found = True
        yield warning(
            "leftovers.pair",
            f"network device {pair} belongs to a process that is gone",
            why="a command was interrupted; it does no harm but by its number",
            mend=f"ip link del {pair}",
        )
    for device in facts.foreign:
        found = True
        yield failure(
            "leftovers.foreign",
            f"network device {device} belongs to another weave router",
            why="ours does not start beside it",
            mend="weave reset (of that installation); what then remains: ip link del " + device,
        )
    for container in facts.test_containers:
        found = True
        yield warning(
            "leftovers.test",
            f"container {container} is left from a connectivity test that was killed",
            why="it has an address of the network",
            mend=f"docker rm -f {container}",
        )
    if facts.bridge_without_router:
        found = True
        yield warning(
            "leftovers.bridge",
            "there is a weave bridge, but no router, and nothing is attached to it",
            why="a reset was interrupted, or somebody removed the router's container",
            mend="weave launch, or weave reset",
        )
    if not found:
        yield ok("leftovers.none", "nothing is left behind")


def check_guests(guests: tuple[GuestFacts, ...]) -> Iterator[Finding]:
    twice = [
        (one.container, attached, plugged)
        for one in guests
        for attached in one.attached
        for plugged in one.plugged
        if attached.network.overlaps(plugged.network)
    ]
    for container, attached, plugged in twice:
        yield warning(
            "containers.twice",
            f"container {container} is on the network twice: {attached} by attach or the proxy, {plugged} by"
            " the plugin",
            why="answers leave by the one interface when the question came by the other, or not at all",
            mend=f"weave detach {container}; and do not use the proxy for containers with --net=weave",
        )
    if not twice:
        yield ok("containers.twice", f"{len(guests)} containers on the network, each once")
