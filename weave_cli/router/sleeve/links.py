"""One neighbour as the sleeve process sees it: its packets are made and opened here. No sockets.

Frames wait in two streams until the end of a batch, and travel several in a packet where they fit
(specification overlay, 3.4, 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weave_cli.names import pack_peer_name
from weave_cli.router.overlay.frame_fitting import Fitted, fit_frame
from weave_cli.router.overlay.ip_fragments import IPV4_ETHERTYPE
from weave_cli.router.overlay.realm_frames import MARK_LEN, mark_frame
from weave_cli.router.overlay.sleeve_packets import (
    ETHERNET_HEADER_LEN,
    FRAME_HEADER_LEN,
    LARGEST_PAYLOAD,
    NAME_LEN,
    PLAIN_PACKET_OVERHEAD,
    SEALED_PACKET_OVERHEAD,
)
from weave_cli.router.overlay.vxlan_header import VXLAN_HEADER
from weave_cli.router.sleeve.messages import SetNeighbour

if TYPE_CHECKING:
    from weave_cli.router.overlay.sleeve_sealing import PacketSealer

#: Fits one frame; shared, as its answer is almost always the same.
_NOTHING_DROPPED = Fitted()


class Stream:
    """Frames for one neighbour that wait to be sent, all with DF or all without."""

    def __init__(self, sender: bytes, sealer: PacketSealer | None, *, dont_fragment: bool) -> None:
        self._sender = sender
        self._sealer = sealer
        self._dont_fragment = dont_fragment
        self._overhead = PLAIN_PACKET_OVERHEAD if sealer is None else SEALED_PACKET_OVERHEAD
        self._parts: list[bytes] = []
        self._size = self._overhead
        self._packets: list[bytes] = []
        self._largest_alone = self._largest_together = LARGEST_PAYLOAD

    def limit(self, max_payload: int) -> None:
        """Packets of several frames shall hold at most so many octets; with DF those of one frame, too."""
        self._largest_together = max_payload
        self._largest_alone = max_payload if self._dont_fragment else LARGEST_PAYLOAD

    def add(self, peers: bytes, frame: bytes) -> bool:
        """Let a frame wait; `peers` are its source and destination peer, packed. False when it cannot fit."""
        size = FRAME_HEADER_LEN + len(frame)
        if self._overhead + size > self._largest_alone:
            return False
        if self._parts and self._size + size > self._largest_together:
            self._close_packet()
        self._parts += (peers, len(frame).to_bytes(2, "big"), frame)
        self._size += size
        return True

    def add_special(self, peers: bytes, frame: bytes) -> None:
        """A frame whose size is to be tested travels alone, whatever the limits."""
        if self._parts:
            self._close_packet()
        self._parts += (peers, len(frame).to_bytes(2, "big"), frame)
        self._close_packet()

    def take(self) -> list[bytes]:
        """The packets to send now."""
        if self._parts:
            self._close_packet()
        packets, self._packets = self._packets, []
        return packets

    def _close_packet(self) -> None:
        if self._sealer is None:
            packet = self._sender + b"".join(self._parts)
        else:
            packet = self._sealer.seal(b"".join(self._parts), dont_fragment=self._dont_fragment)
        self._packets.append(packet)
        self._parts = []
        self._size = self._overhead


class Link:
    """A neighbour's connection."""

    def __init__(self, us: bytes, told: SetNeighbour) -> None:
        sealer = opener = None
        if told.session_key is not None:
            # Imported here: libsodium is three megabytes, which most networks have no use for.
            from weave_cli.router.overlay.sleeve_sealing import PacketOpener, PacketSealer

            sealer = PacketSealer(told.session_key, is_initiator=told.is_initiator, sender=us)
            opener = PacketOpener(told.session_key, is_initiator=told.is_initiator)
        self._opener = opener
        self.is_sealed = opener is not None
        self.with_df = Stream(us, sealer, dont_fragment=True)
        self.without_df = Stream(us, sealer, dont_fragment=False)
        self.name = told.name
        self.packed_name = pack_peer_name(told.name)
        self.special_peers = us + self.packed_name
        self.conn_id = told.conn_id
        self.told_path_mtu: int | None = None
        self._for_vxlan: list[bytes] = []
        self.change(told)

    def change(self, told: SetNeighbour) -> None:
        """The router knows more about the same connection."""
        self.address = told.address
        self.mtu = told.mtu
        self.fragments_pass = told.fragments_pass
        self.carriage = told.carriage
        self.vxlan_address = told.vxlan_address
        self.with_df.limit(told.max_payload)
        self.without_df.limit(told.max_payload)
        self.told_path_mtu = None

    def add(self, peers: bytes, frame: bytes, *, is_flooded: bool) -> Fitted:
        """Let a frame wait, if it fits or can be made to; what could not be is told."""
        if len(frame) <= self.mtu + ETHERNET_HEADER_LEN and frame[20:21] == b"\x40":
            # The commonest frame by far: IPv4 with DF that fits.
            if frame[12:14] == IPV4_ETHERTYPE and self.with_df.add(peers, frame):
                return _NOTHING_DROPPED
        fitted = fit_frame(frame, mtu=self.mtu, fragments_pass=self.fragments_pass, is_flooded=is_flooded)
        stream = self.with_df if fitted.dont_fragment else self.without_df
        for one in fitted.frames:
            if not stream.add(peers, one):
                return Fitted(why_dropped="larger than a packet may be")
        return fitted

    def add_marked(self, peers: bytes, mark: bytes, frame: bytes, *, is_flooded: bool) -> Fitted:
        """The same for a frame of a realm, which travels with that mark in it."""
        mtu = self.mtu - MARK_LEN
        fitted = fit_frame(frame, mtu=mtu, fragments_pass=self.fragments_pass, is_flooded=is_flooded)
        stream = self.with_df if fitted.dont_fragment else self.without_df
        for one in fitted.frames:
            if not stream.add(peers, mark_frame(one, mark)):
                return Fitted(why_dropped="larger than a packet may be")
        return fitted

    def add_for_vxlan(self, frame: bytes) -> None:
        """Let a frame wait that goes to the neighbour's VXLAN device, as if ours had sent it."""
        self._for_vxlan.append(VXLAN_HEADER + frame)

    def take_for_vxlan(self) -> list[bytes]:
        """The datagrams to send there now."""
        datagrams, self._for_vxlan = self._for_vxlan, []
        return datagrams

    def open(self, payload: bytes) -> bytes | None:
        """The list of frames in a packet; None when it was seen before. RemoteProtocolError: no good one."""
        return payload[NAME_LEN:] if self._opener is None else self._opener.open(payload)
