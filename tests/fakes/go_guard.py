"""Everything that routers say, looked at for what would end a Go router (specification mesh, section 18).

One guard hears all messages of a network and knows so who may have changed what: the owner of a ring entry
alone raises its version or gives it away, but for takeovers, of which the guard is told.
"""

from __future__ import annotations

from weave_cli.names import PeerName, format_peer_name
from weave_cli.router.ipam.shapes import CHANNEL, UnicastKind, decode_range, decode_state
from weave_cli.router.nameserver.shapes import decode_message
from weave_cli.router.wire.messages import Tag, decode_gossip, decode_unicast


class GoGuard:
    """Raises AssertionError for a message that must not be sent."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        #: Per token the owner of each version that anybody has told of.
        self._owners: dict[int, dict[int, PeerName]] = {}
        self._taken_over: set[PeerName] = set()

    def takes_over(self, dead: PeerName) -> None:
        """An operator says so: the ranges of this peer may become another's."""
        self._taken_over.add(dead)

    def hear(self, sender: PeerName, tag: int, payload: bytes) -> None:
        """A message as it leaves its sender."""
        key = hash((tag, payload))
        if key in self._seen:
            return
        self._seen.add(key)
        if tag == Tag.UNICAST:
            unicast = decode_unicast(payload)
            assert unicast.data, "an empty unicast ends the receiver"
            if unicast.channel == CHANNEL:
                self._hear_unicast(sender, unicast.data)
            return
        gossip = decode_gossip(payload)
        if gossip.channel == CHANNEL:
            self._hear_state(sender, gossip.data)
        elif gossip.channel == "nameserver":
            _, entries = decode_message(gossip.data)
            identities = [entry.identity for entry in entries]
            assert len(set(identities)) == len(identities), "an entry that stands twice ends the receiver"

    def _hear_unicast(self, sender: PeerName, data: bytes) -> None:
        assert data[0] in set(UnicastKind), f"a unicast of the unknown kind {data[0]} blocks the receiver"
        if data[0] == UnicastKind.RING_UPDATE:
            self._hear_state(sender, data[1:])
        else:
            decode_range(data[1:])

    def _hear_state(self, sender: PeerName, data: bytes) -> None:
        state = decode_state(data)
        if state.ring is None:
            return
        assert state.ring.entries, "an empty ring is never sent"
        state.ring.check()
        for entry in state.ring.entries:
            versions = self._owners.setdefault(entry.token, {})
            known = versions.get(entry.version)
            if known is None:
                self._check_change(sender, entry.token, entry.version, entry.peer)
                versions[entry.version] = entry.peer
            else:
                assert known == entry.peer, f"version {entry.version} of {entry.token:#x} has two owners"

    def _check_change(self, sender: PeerName, token: int, version: int, owner: PeerName) -> None:
        """A version nobody has told of yet: only its owner, or who owned the one before it, can."""
        versions = self._owners[token]
        before = max((number for number in versions if number < version), default=None)
        if owner == sender or before is None:
            if before is not None and versions[before] != sender:
                assert versions[before] in self._taken_over, (
                    f"{format_peer_name(sender)} takes {token:#x} from {format_peer_name(versions[before])}"
                )
            return
        after = [number for number in versions if number > version]
        assert versions[before] == sender or after, (
            f"{format_peer_name(sender)} gives {token:#x} to {format_peer_name(owner)}, "
            f"but it is {format_peer_name(versions[before])}'s"
        )
