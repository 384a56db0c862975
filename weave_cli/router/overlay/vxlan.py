"""Overlay `vxlan`, sans-I/O: frames travel in the kernel, here is only the proof that they do.

Sources that drive one connection: heartbeats received, acknowledgements over TCP (control sub tag 0, body:
kind and number of the heartbeat), whether the neighbour's large ones get here (sub tag 1, body: one octet, 1
when they get lost), what the kernel says about the path, and time.

A path that does not prove itself, or falls silent, is held: the connection goes another way meanwhile, and
heartbeats go on, seldom, for as long as the connection lasts. So the path is used again soon after
somebody opened the port.

Every beat is a small frame sent into the VXLAN device, which takes the very way of a container's frames.
Where the path works, one as large as the overlay's MTU goes beside it now and then, and measures the path
(`vxlan_width`). The small ones decide between life and death. Established needs both: one of ours
acknowledged, one of theirs heard (specification overlay, section 7).

A path that loses large frames in one direction is narrow at both ends: what one end still sent by it would
teach the other one's kernel to answer that way.

The later of two ends is heard by the earlier, which answers at once; so the first beats need not come fast,
and hundreds of connections that begin together do not drown in them.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from dataclasses import dataclass
from typing import Final

from weave_cli.names import PeerName
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
    Held,
    Narrow,
    Neighbour,
    PathMtuChanged,
)
from weave_cli.router.overlay.vxlan_width import PathWidth

log = logging.getLogger(__name__)

VXLAN: Final = "vxlan"

#: Outer IPv4, UDP and VXLAN headers, and the inner Ethernet header, in octets.
VXLAN_OVERHEAD: Final = 50

SUB_TAG_ACKNOWLEDGED: Final = 0
SUB_TAG_LOSES_LARGE: Final = 1

FIRST_INTERVAL_S: Final = 0.2
LONGEST_FIRST_INTERVAL_S: Final = 1.0
#: How long an acknowledgement may be under way, before we answer a first heartbeat with another of ours.
PATIENCE_S: Final = 0.05
INTERVAL_S: Final = 3.0
#: While the last heartbeat is not acknowledged: some loss shall not look like death.
RETRY_INTERVAL_S: Final = 0.5
PROOF_TIMEOUT_S: Final = 5.0
SILENCE_TIMEOUT_S: Final = 8.0
#: While the path is held: between two heartbeats that nobody answers.
HELD_INTERVAL_S: Final = 5.0
#: While the path is held but seems to come back; it has to go well for PROBATION_S before it is used.
PROBATION_INTERVAL_S: Final = 1.0
PROBATION_S: Final = 3.0
#: While large ones get lost and it is not known yet what that means.
DOUBT_INTERVAL_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class HeartbeatReady:
    """A frame to send to the neighbour, by the way that its kind asks for."""

    kind: HeartbeatKind
    frame: bytes


VxlanEvent = Established | Narrow | Held | ControlReady | PathMtuChanged | HeartbeatReady


class VxlanConnection:
    """The liveness of the path to one neighbour; Established, Narrow and Held take turns, in any order."""

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
        self._beat_at = 0.0
        self._heard_at: float | None = None
        self._acknowledged_at: float | None = None
        self._width = PathWidth(beat_interval_s=INTERVAL_S)
        self._path_mtu: int | None = None
        self._refusal: str | None = None
        #: What was told of the width: to the log, to the neighbour, to whoever chooses the overlay.
        self._is_called_narrower = False
        self._is_called_losing = False
        self._told_reason = ""
        #: What the neighbour says of its large ones to us.
        self._loses_theirs = False
        self._established_at: float | None = None
        self._held_at: float | None = None
        self._good_since: float | None = None

    def start(self, now: float) -> None:
        """Beat for the first time; the kernel knows the way to the neighbour by now."""
        self._started_at = now
        self._beat(now)

    def receive_heartbeat(self, heartbeat: Heartbeat, now: float) -> None:
        """A heartbeat that bears this connection's UID; one between other peers is ignored."""
        if (heartbeat.sender, heartbeat.destination) != (self.neighbour.name, self._us):
            return
        self._events.append(ControlReady(SUB_TAG_ACKNOWLEDGED, encode_acknowledgement(heartbeat)))
        if heartbeat.kind is not HeartbeatKind.PLAIN:
            return
        is_first = self._heard_at is None
        self._heard_at = now
        if is_first and self._acknowledged_at is None and self._started_at is not None:
            # The other end may not have been ready for our first ones: it is now.
            if now - self._beat_at >= PATIENCE_S:
                self._beat(now)
            else:
                self._next_beat = self._beat_at + PATIENCE_S
        self._settle(now)

    def receive_control(self, sub_tag: int, body: bytes, now: float) -> None:
        """What the neighbour says of our heartbeats; whatever else a newer version may say is ignored."""
        if sub_tag == SUB_TAG_LOSES_LARGE and body:
            self._loses_theirs = body[0] == 1
            self._follow_width()
            return
        acknowledgement = decode_acknowledgement(body) if sub_tag == SUB_TAG_ACKNOWLEDGED else None
        if acknowledgement is None or not 0 < acknowledgement[1] <= self._number:
            log.debug("ignored vxlan control %d of %d octets from %s", sub_tag, len(body), self._who)
            return
        if acknowledgement[0] == HeartbeatKind.PLAIN:
            self._acknowledged_at = now
            self._refusal = None
            if self.is_working:
                self._width.on_small_arrival(now)
                if acknowledgement[1] == self._number:
                    self._rest(now)
            self._settle(now)
        elif acknowledgement[0] in (HeartbeatKind.FULL_SIZE, HeartbeatKind.LARGE):
            self._width.on_arrival(HeartbeatKind(acknowledgement[0]), now)
        self._follow_width()

    def on_refusal(self, text: str) -> None:
        """The network answered a heartbeat with this error; told if the path is held."""
        self._refusal = text

    def on_path_mtu(self, underlay_mtu: int, now: float) -> None:
        """The kernel believes that the path carries IP packets of so many octets."""
        mtu = underlay_mtu - VXLAN_OVERHEAD
        self._path_mtu = mtu if mtu < self._mtu else None
        self._width.on_path_mtu(is_narrower=self._path_mtu is not None)
        self._follow_width()

    def next_event(self) -> VxlanEvent | None:
        """What is to be done next, or None."""
        return self._events.popleft() if self._events else None

    def next_wake(self) -> float | None:
        """When on_wake wants to be called; None before the start."""
        if self._next_beat is None:
            return None
        return self._next_beat if self._held_at is not None else min(self._next_beat, self._deadline)

    def on_wake(self, now: float) -> None:
        """Time passed: hold, or beat."""
        if self._next_beat is None:
            return
        if self._held_at is None and now >= self._deadline:
            self._hold(now)
        elif now >= self._next_beat:
            self._beat(now)

    def attributes(self) -> dict[str, str | int | bool]:
        """Overlay, MTU in octets, and the path's when it is narrower."""
        told: dict[str, str | int | bool] = {"name": VXLAN, "mtu": self._mtu}
        if self._is_called_narrower:
            told["path_mtu"] = self._path_mtu or "narrower"
        return told

    @property
    def is_working(self) -> bool:
        """Whether frames get through, as far as heartbeats tell."""
        return self._established_at is not None and self._held_at is None

    @property
    def is_narrow(self) -> bool:
        """Whether large frames get lost, one way or the other."""
        return self._width.loses_large or self._loses_theirs

    @property
    def _who(self) -> str:
        return self.neighbour.nickname or self.neighbour.address

    @property
    def _deadline(self) -> float:
        """When the silence was too long; a start must have been."""
        started = self._started_at or 0.0
        if self._established_at is None:
            return started + PROOF_TIMEOUT_S
        return min(self._heard_at or started, self._acknowledged_at or started) + SILENCE_TIMEOUT_S

    def _beat(self, now: float) -> None:
        self._number += 1
        self._beat_at = now
        self._send(HeartbeatKind.PLAIN, 0)
        if self.is_working:
            self._measure(now)
        if self._held_at is not None:
            interval_s = PROBATION_INTERVAL_S if self._seems_good(now) else self._spread(HELD_INTERVAL_S)
            self._next_beat = now + interval_s
        elif self._established_at is not None:
            self._next_beat = now + RETRY_INTERVAL_S
        else:
            self._next_beat = now + self._interval_s
            self._interval_s = min(2 * self._interval_s, LONGEST_FIRST_INTERVAL_S)

    def _measure(self, now: float) -> None:
        for kind in self._width.choose(now):
            self._send(kind, ETHERNET_HEADER_LEN + self._mtu)

    def _send(self, kind: HeartbeatKind, size: int) -> None:
        heartbeat = Heartbeat(
            kind=kind,
            uid=self.neighbour.uid,
            sender=self._us,
            destination=self.neighbour.name,
            number=self._number,
        )
        self._events.append(HeartbeatReady(kind, encode_heartbeat(heartbeat, size)))

    def _settle(self, now: float) -> None:
        """Something arrived, one way or the other: is it enough?"""
        if self._held_at is not None:
            self._probe_held(now)
        elif self._established_at is None and None not in (self._heard_at, self._acknowledged_at):
            self._establish(now)

    def _establish(self, now: float) -> None:
        self._established_at = now
        self._held_at = self._good_since = self._refusal = None
        self._rest(now)
        self._tell_width()
        self._measure(now)

    def _hold(self, now: float) -> None:
        self._events.append(Held(self._reason(now)))
        self._held_at = now
        self._good_since = None
        self._width.on_silence()
        self._next_beat = now + self._spread(HELD_INTERVAL_S)

    def _probe_held(self, now: float) -> None:
        """One of ours, or one of theirs, got through: both have to, for a while."""
        if not self._seems_good(now):
            self._good_since = None
        elif self._good_since is None:
            self._good_since = now
            assert self._next_beat is not None, "what is held has been started"
            self._next_beat = min(self._next_beat, now + PROBATION_INTERVAL_S)
        elif now - self._good_since >= PROBATION_S:
            self._establish(now)

    def _seems_good(self, now: float) -> bool:
        """Whether a held path worked lately in both directions; slow heartbeats get their time."""
        if self._heard_at is None or self._acknowledged_at is None or self._held_at is None:
            return False
        last = min(self._heard_at, self._acknowledged_at)
        if self._good_since is None:
            return last > self._held_at and now - last < 1.5 * HELD_INTERVAL_S
        return now - max(last, self._good_since) < 2.5 * PROBATION_INTERVAL_S

    def _rest(self, now: float) -> None:
        """The path lives, the next beat may wait."""
        self._next_beat = now + self._spread(DOUBT_INTERVAL_S if self._width.is_in_doubt else INTERVAL_S)

    def _spread(self, interval_s: float) -> float:
        """Lest a hundred connections beat at once."""
        return interval_s * self._rng.uniform(0.9, 1.1)

    def _follow_width(self) -> None:
        """Tell what is new about the width to whom it concerns."""
        width = self._width
        if width.is_narrower != self._is_called_narrower:
            self._is_called_narrower = width.is_narrower
            text = self._narrower_text() if width.is_narrower else self._wide_text()
            self._events.append(PathMtuChanged(text, width.is_narrower))
        if width.loses_large != self._is_called_losing:
            self._is_called_losing = width.loses_large
            self._events.append(ControlReady(SUB_TAG_LOSES_LARGE, bytes([width.loses_large])))
        if self.is_working and self._narrow_reason() != self._told_reason:
            self._tell_width()

    def _tell_width(self) -> None:
        """Of a path that works."""
        self._told_reason = reason = self._narrow_reason()
        self._events.append(Narrow(reason) if reason else Established())

    def _narrower_text(self) -> str:
        if self._path_mtu is not None:
            found = f"set WEAVE_MTU={self._path_mtu} on all hosts to avoid fragments"
        else:
            found = "set WEAVE_MTU lower on all hosts, else large packets may get lost"
        return f"the path to {self._who} is narrower than our MTU {self._mtu}: {found}"

    def _wide_text(self) -> str:
        return f"the path to {self._who} carries our MTU {self._mtu}"

    def _narrow_reason(self) -> str:
        """Why another overlay is better, for an operator: whose packets, and what to do; empty if none is."""
        if not self.is_narrow:
            return ""
        way = f"to {self._who}" if self._width.loses_large else f"from {self._who}"
        return (
            f"packets of our MTU {self._mtu} {way} get lost without a word, small ones arrive: "
            "find out who drops them, or set WEAVE_MTU lower on all hosts"
        )

    def _reason(self, now: float) -> str:
        """Why it is held, for an operator: who does not hear whom, and what to look at."""
        where, port = self.neighbour.address, self.neighbour.udp_port
        patience_s = SILENCE_TIMEOUT_S if self._established_at is not None else PROOF_TIMEOUT_S
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
