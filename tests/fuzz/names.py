"""The nameserver's gossip at a registry with names of its own; what it says then is fit for a Go peer."""

from __future__ import annotations

from tests.fakes.directory import Everybody
from tests.fuzz.seeds import recorded, with_choice
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.nameserver.entries import wire_order
from weave_cli.router.nameserver.registry import NameRegistry
from weave_cli.router.nameserver.shapes import decode_message, encode_message

_US = PeerName(0x7A0000000001)
_NOW = 1_450_000_000.0


def seeds() -> list[bytes]:
    recordings = recorded("nameserver-gossip", "nameserver-merge")
    moved = [encode_message(int(_NOW), decode_message(one)[1]) for one in recordings if _is_message(one)]
    return with_choice([*recordings, *moved], 2)


def check(data: bytes) -> None:
    registry = _registry()
    try:
        if data and data[0] & 1:
            passed_on = registry.on_broadcast(PeerName(2), data[1:], _NOW)
        else:
            passed_on = registry.on_gossip(data[1:], _NOW)
            _check_again(registry, data[1:])
    except RemoteProtocolError:
        return
    for gossip in (passed_on, registry.complete_state(_NOW)):
        if gossip is None:
            continue
        _, entries = decode_message(gossip.encode(_NOW))
        assert len({entry.identity for entry in entries}) == len(entries)
        assert list(entries) == sorted(entries, key=wire_order)
    registry.remove(now=_NOW)
    registry.on_wake(_NOW + 7200)
    registry.entries()


def _registry() -> NameRegistry:
    registry = NameRegistry(name=_US, domain="weave.local.", directory=Everybody())
    registry.add("web.weave.local.", "c1", 1, _NOW)
    return registry


def _check_again(registry: NameRegistry, data: bytes) -> None:
    """A state that is known again must do what it does to a registry that reads everything."""
    plain = _registry()
    plain.on_gossip(data, _NOW)
    for later in (0, 1, 800):
        plain._held.clear()
        answers: list[bool | str] = []
        for one in (registry, plain):
            try:
                answers.append(one.on_gossip(data, _NOW + later) is None)
            except RemoteProtocolError as problem:
                answers.append(problem.message)
        assert answers[0] == answers[1]
        assert registry.entries() == plain.entries()


def _is_message(data: bytes) -> bool:
    try:
        decode_message(data)
    except RemoteProtocolError:
        return False
    return True
