"""The nameserver's gossip at a registry with names of its own; what it says then is fit for a Go peer."""

from __future__ import annotations

from tests.fakes.directory import FakeDirectory
from tests.fuzz.seeds import recorded, with_choice
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.nameserver.entries import wire_order
from weave_cli.router.nameserver.registry import NameRegistry
from weave_cli.router.nameserver.shapes import decode_message, encode_message

_US = PeerName(0x7A0000000001)
_NOW = 1_450_000_000.0


class _Everybody(FakeDirectory):
    """A mesh in which every peer is known."""

    def is_known(self, name: PeerName) -> bool:
        return True


def seeds() -> list[bytes]:
    recordings = recorded("nameserver-gossip", "nameserver-merge")
    moved = [encode_message(int(_NOW), decode_message(one)[1]) for one in recordings if _is_message(one)]
    return with_choice([*recordings, *moved], 2)


def check(data: bytes) -> None:
    registry = NameRegistry(name=_US, domain="weave.local.", directory=_Everybody())
    registry.add("web.weave.local.", "c1", 1, _NOW)
    try:
        if data and data[0] & 1:
            passed_on = registry.on_broadcast(PeerName(2), data[1:], _NOW)
        else:
            passed_on = registry.on_gossip(data[1:], _NOW)
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


def _is_message(data: bytes) -> bool:
    try:
        decode_message(data)
    except RemoteProtocolError:
        return False
    return True
