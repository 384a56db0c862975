"""Overlay `vxlan`, sans-I/O: frames travel in the kernel, here is only the proof that they do.

Sources that drive one connection: heartbeats received, acknowledgements over TCP (control sub tag 0, body:
kind and number of the heartbeat), what the kernel says about the path, and time.

Every beat is two frames: a small one sent into the VXLAN device, which takes the very way of a container's
frames, and one as large as the overlay's MTU that may not be fragmented, which measures the path. The small
ones decide between life and death; the large ones only tell whether the path is narrower than our MTU.
Established needs both: one of ours acknowledged, one of theirs heard (specification overlay, section 7).
"""

from __future__ import annotations

import logging
import random
import struct
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from weave_cli.names import PeerName
from weave_cli.router.overlay.forwarding import ForwardingPlan
from weave_cli.router.overlay.heartbeat import (
    ETHERNET_HEADER_LEN,
    Heartbeat,
    HeartbeatKind,
    decode_acknowledgement,
    encode_acknowledgement,
    encode_heartbeat,
)
from weave_cli.router.overlay.roles import (
    ControlReady,
    Established,
    Failed,
    Neighbour,
    PathMtuChanged,
)

log = logging.getLogger(__name__)

VXLAN: Final = "vxlan"

#: One virtual network for the whole mesh: "wev" in ASCII.
VNI: Final = 0x776576

#: Stands before each frame in a datagram: flag "the VNI is valid", then the VNI (RFC 7348, section 5).
VXLAN_HEADER: Final = struct.pack(">II", 0x08 << 24, VNI << 8)

#: Outer IPv4, UDP and VXLAN headers, and the inner Ethernet header, in octets.
VXLAN_OVERHEAD: Final = 50

#: Feature that tells on which UDP port our VXLAN device listens (specification overlay, section 7).
PORT_FEATURE: Final = "VxlanPort"

SUB_TAG_ACKNOWLEDGED: Final = 0

FIRST_INTERVAL_S: Final = 0.05
LONGEST_FIRST_INTERVAL_S: Final = 1.0
INTERVAL_S: Final = 5.0
#: While the last heartbeat is not acknowledged: some loss shall not look like death.
RETRY_INTERVAL_S: Final = 1.0
PROOF_TIMEOUT_S: Final = 10.0
SILENCE_TIMEOUT_S: Final = 20.0
#: Large heartbeats unacknowledged for so long, while small ones are, mean a narrower path.
NARROW_AFTER_S: Final = 12.0


@dataclass(frozen=True, slots=True)
class HeartbeatReady:
    """A frame to send to the neighbour, by the way that its kind asks for."""

    kind: HeartbeatKind
    frame: bytes


VxlanEvent = Established | Failed | ControlReady | PathMtuChanged | HeartbeatReady


class VxlanConnection:
    """The liveness of the path to one neighbour; the events Established and Failed come at most once."""

    def __init__(self, neighbour: Neighbour, *, us: PeerName, mtu: int, rng: random.Random) -> None:
        self.neighbour = neighbour
        self._us = us
        self._mtu = mtu
        self._rng = rng
        self._events: deque[VxlanEvent] = deque()
        self._number = 0
        self._interval_s = FIRST_INTERVAL_S
        self._started_at: float | None = None
        self._next_beat: float | None = None
        self._heard_at: float | None = None
        self._acknowledged_at: float | None = None
        self._full_size_at: float | None = None
        self._path_mtu: int | None = None
        self._refusal: str | None = None
        self._is_narrower = False
        self._established_at: float | None = None
        self._has_failed = False

    def start(self, now: float) -> None:
        """Beat for the first time; the kernel knows the way to the neighbour by now."""
        self._started_at = now
        self._beat(now)

    def receive_heartbeat(self, heartbeat: Heartbeat, now: float) -> None:
        """A heartbeat that bears this connection's UID; one between other peers is ignored."""
        if (heartbeat.sender, heartbeat.destination) != (self.neighbour.name, self._us) or self._has_failed:
            return
        self._events.append(ControlReady(SUB_TAG_ACKNOWLEDGED, encode_acknowledgement(heartbeat)))
        if heartbeat.kind is not HeartbeatKind.PLAIN:
            return
        is_first = self._heard_at is None
        self._heard_at = now
        if is_first and self._acknowledged_at is None and self._started_at is not None:
            # The other end was not ready for our first ones: it is now.
            self._beat(now)
        self._settle(now)

    def receive_control(self, sub_tag: int, body: bytes, now: float) -> None:
        """An acknowledgement; whatever else a newer version may say is ignored."""
        acknowledgement = decode_acknowledgement(body) if sub_tag == SUB_TAG_ACKNOWLEDGED else None
        if acknowledgement is None or not 0 < acknowledgement[1] <= self._number or self._has_failed:
            log.debug("ignored vxlan control %d of %d octets from %s", sub_tag, len(body), self._who)
            return
        if acknowledgement[0] == HeartbeatKind.PLAIN:
            self._acknowledged_at = now
            self._refusal = None
            if self._is_established and acknowledgement[1] == self._number:
                self._rest(now)
            self._settle(now)
            self._check_width(now)
        elif acknowledgement[0] == HeartbeatKind.FULL_SIZE:
            self._full_size_at = now
            self._say_wide()

    def on_refusal(self, text: str) -> None:
        """The network answered a heartbeat with this error; told if the path fails."""
        self._refusal = text

    def on_path_mtu(self, underlay_mtu: int, now: float) -> None:
        """The kernel believes that the path carries IP packets of so many octets.

        It goes on believing for ten minutes after the path became wider: what arrived is stronger.
        """
        mtu = underlay_mtu - VXLAN_OVERHEAD
        self._path_mtu = mtu if mtu < self._mtu else None
        if self._path_mtu is not None and self._full_size_at is None:
            self._say_narrower()

    def next_event(self) -> VxlanEvent | None:
        """What is to be done next, or None."""
        return self._events.popleft() if self._events else None

    def next_wake(self) -> float | None:
        """When on_wake wants to be called; None before the start and after a failure."""
        if self._next_beat is None or self._has_failed:
            return None
        return min(self._next_beat, self._deadline)

    def on_wake(self, now: float) -> None:
        """Time passed: give up, or beat."""
        if self._next_beat is None or self._has_failed:
            return
        if now >= self._deadline:
            self._has_failed = True
            self._events.append(Failed(self._reason(now)))
        elif now >= self._next_beat:
            self._beat(now)

    def attributes(self) -> dict[str, str | int | bool]:
        """Overlay, MTU in octets, and the path's when it is narrower."""
        told: dict[str, str | int | bool] = {"name": VXLAN, "mtu": self._mtu}
        if self._is_narrower:
            told["path_mtu"] = self._path_mtu or "narrower"
        return told

    @property
    def is_working(self) -> bool:
        """Whether frames get through, as far as heartbeats tell."""
        return self._is_established and not self._has_failed

    @property
    def _is_established(self) -> bool:
        return self._established_at is not None

    @property
    def _who(self) -> str:
        return self.neighbour.nickname or self.neighbour.address

    @property
    def _deadline(self) -> float:
        """When the silence was too long; a start must have been."""
        started = self._started_at or 0.0
        if not self._is_established:
            return started + PROOF_TIMEOUT_S
        return min(self._heard_at or started, self._acknowledged_at or started) + SILENCE_TIMEOUT_S

    def _beat(self, now: float) -> None:
        self._number += 1
        for kind, size in (
            (HeartbeatKind.PLAIN, 0),
            (HeartbeatKind.FULL_SIZE, ETHERNET_HEADER_LEN + self._mtu),
        ):
            heartbeat = Heartbeat(
                kind=kind,
                uid=self.neighbour.uid,
                sender=self._us,
                destination=self.neighbour.name,
                number=self._number,
            )
            self._events.append(HeartbeatReady(kind, encode_heartbeat(heartbeat, size)))
        if self._is_established:
            self._next_beat = now + RETRY_INTERVAL_S
        else:
            self._next_beat = now + self._interval_s
            self._interval_s = min(2 * self._interval_s, LONGEST_FIRST_INTERVAL_S)

    def _settle(self, now: float) -> None:
        if self._is_established or self._heard_at is None or self._acknowledged_at is None:
            return
        self._established_at = now
        self._rest(now)
        self._events.append(Established())

    def _rest(self, now: float) -> None:
        """The path is fine, the next beat may wait; spread, lest a hundred connections beat at once."""
        self._next_beat = now + INTERVAL_S * self._rng.uniform(0.9, 1.1)

    def _check_width(self, now: float) -> None:
        """A small heartbeat arrived: it should not be long since a large one did."""
        since = self._established_at if self._full_size_at is None else self._full_size_at
        if since is not None and now - since > NARROW_AFTER_S:
            self._say_narrower()

    def _say_narrower(self) -> None:
        if self._is_narrower:
            return
        self._is_narrower = True
        if self._path_mtu is not None:
            found = f"set WEAVE_MTU={self._path_mtu} on all hosts to avoid fragments"
        else:
            found = "set WEAVE_MTU lower on all hosts, else large packets may get lost"
        text = f"the path to {self._who} is narrower than our MTU {self._mtu}: {found}"
        self._events.append(PathMtuChanged(text, True))

    def _say_wide(self) -> None:
        if self._is_narrower:
            self._is_narrower = False
            self._events.append(PathMtuChanged(f"the path to {self._who} carries our MTU {self._mtu}", False))

    def _reason(self, now: float) -> str:
        """Why it is over, for an operator: who does not hear whom, and what to look at."""
        where, port = self.neighbour.address, self.neighbour.udp_port
        patience_s = SILENCE_TIMEOUT_S if self._is_established else PROOF_TIMEOUT_S
        refusal = f" ({where} answered: {self._refusal})" if self._refusal else ""
        if self._heard_at is not None and now - self._heard_at < patience_s / 2:
            return (
                f"our heartbeats to UDP port {port} of {self._who} did not arrive for {patience_s:.0f} s"
                f"{refusal}: is the port blocked at {where}?"
            )
        return (
            f"no heartbeats through UDP port {port} from {self._who} for {patience_s:.0f} s{refusal}: "
            "is the port blocked?"
        )


class VxlanOverlay:
    """Overlay `vxlan` of this router: makes its connections and says which forwarding entries they need."""

    name = VXLAN

    def __init__(self, *, us: PeerName, udp_port: int, mtu: int, rng: random.Random) -> None:
        self._us = us
        self._udp_port = udp_port
        self._mtu = mtu
        self._rng = rng
        self.plan = ForwardingPlan()

    def features(self) -> Mapping[str, str]:
        """The port of our VXLAN device."""
        return {PORT_FEATURE: str(self._udp_port)}

    def connect(self, neighbour: Neighbour) -> VxlanConnection:
        """Our end of a connection; its heartbeat entry is in the plan from now on."""
        self.plan.add(neighbour)
        return VxlanConnection(neighbour, us=self._us, mtu=self._mtu, rng=self._rng)

    def release(self, conn_id: int) -> None:
        """The connection ended."""
        self.plan.remove(conn_id)


def remote_port(features: Mapping[str, str], *, dialled_port: int | None, own_port: int) -> int:
    """The UDP port of a neighbour's VXLAN device.

    What the neighbour announced; else one above the TCP port that we dialled, which is None for a
    connection that we accepted; else our own (specification overlay, section 4.1).
    """
    announced = features.get(PORT_FEATURE, "")
    if announced.isascii() and announced.isdigit() and 0 < int(announced) < 65536:
        return int(announced)
    return dialled_port + 1 if dialled_port is not None else own_port


def find_obstacle(
    neighbour: Neighbour, common: Sequence[str], offered: Sequence[str], *, own_port: int
) -> str | None:
    """Why overlay `vxlan` can never work with this neighbour; None when it may."""
    if VXLAN not in common:
        return (
            f"no overlays in common with peer (it offers {' '.join(offered) or 'sleeve'}, we offer {VXLAN})"
        )
    if ":" in neighbour.address:
        return f"overlay {VXLAN} needs IPv4, and {neighbour.nickname} is at {neighbour.address}"
    if neighbour.udp_port != own_port:
        # To a learned address the kernel sends by the device's own port number.
        return (
            f"{neighbour.nickname} uses UDP port {neighbour.udp_port} for {VXLAN}, we use {own_port}: "
            "all hosts need the same --port"
        )
    return None
