"""Two ends of a connection, with both overlays and the switch, on a path that drops large packets by turns.

Everything is real but the network: packets take their time, some get lost, and those larger than the path's
limit of the moment always do, without a word.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

from weave_cli.names import PeerName
from weave_cli.router.overlay.heartbeat import decode_heartbeat
from weave_cli.router.overlay.roles import ControlReady, Established, Failed, Held, Narrow, Neighbour
from weave_cli.router.overlay.sleeve import SLEEVE, SleeveConnection, SpecialReady
from weave_cli.router.overlay.sleeve_packets import path_overhead
from weave_cli.router.overlay.switch import BestChanged, OverlaySwitch
from weave_cli.router.overlay.vxlan import VXLAN, VXLAN_OVERHEAD, HeartbeatReady, VxlanConnection

MTU = 1450
#: What the links of both hosts carry, which is all that the kernels know.
LINK_MTU = 1500
SEEDS = 24
#: Octets of sleeve around an Ethernet frame's IP packet, less the frame's own header.
_SLEEVE_AROUND_FRAME = path_overhead(False) - 14


class End:
    """One router's side."""

    def __init__(self, path: Path, number: int) -> None:
        us, other = PeerName(number), PeerName(3 - number)
        neighbour = Neighbour(
            conn_id=1, uid=99, name=other, nickname=f"host{other}", address="10.0.0.1", udp_port=6783
        )
        self._path = path
        self.vxlan = VxlanConnection(neighbour, us=us, mtu=MTU, rng=random.Random(number))
        self.sleeve = SleeveConnection(neighbour, us=us, is_initiator=number == 1, is_sealed=False)
        self.switch = OverlaySwitch((VXLAN, SLEEVE), {})
        self.other: End
        self.changes: list[BestChanged] = []

    def settle(self) -> None:
        for name, overlay in ((VXLAN, self.vxlan), (SLEEVE, self.sleeve)):
            while (event := overlay.next_event()) is not None:
                self._do(name, event)

    def _do(self, name: str, event: Any) -> None:
        was_narrow = self.switch.is_narrow(VXLAN)
        told = None
        match event:
            case HeartbeatReady(frame=frame):
                self._path.send(len(frame) + VXLAN_OVERHEAD - 14, lambda: self.other.hear(frame))
            case SpecialReady(frame=frame, dont_fragment=dont_fragment):
                size = len(frame) + _SLEEVE_AROUND_FRAME
                if dont_fragment and size > LINK_MTU:
                    self.sleeve.on_path_mtu(LINK_MTU, self._path.now)
                else:
                    self._path.send(min(size, LINK_MTU), lambda: self.other.hear_special(frame))
            case ControlReady(sub_tag=sub_tag, body=body):
                self._path.tell(lambda: self.other.hear_control(name, sub_tag, body))
            case Narrow(reason=reason):
                self.sleeve.verify(self._path.now)
                told = self.switch.narrowed(name, reason)
            case Established():
                told = self.switch.established(name)
                if was_narrow and name == VXLAN:
                    self.sleeve.measure(self._path.now)
            case Held(reason=reason):
                told = self.switch.held(name, reason)
            case Failed(reason=reason):
                raise AssertionError(reason)
        if isinstance(told, BestChanged):
            self.changes.append(told)

    def hear(self, frame: bytes) -> None:
        heartbeat = decode_heartbeat(frame)
        assert heartbeat is not None
        self.vxlan.receive_heartbeat(heartbeat, self._path.now)

    def hear_special(self, frame: bytes) -> None:
        self.sleeve.receive_special(frame, ("10.0.0.1", 6783), self._path.now)

    def hear_control(self, name: str, sub_tag: int, body: bytes) -> None:
        (self.vxlan if name == VXLAN else self.sleeve).receive_control(sub_tag, body, self._path.now)


class Path:
    """The network between the two, and the clock."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        self.limit = LINK_MTU
        self.loss = self.rng.choice([0, 0, 0.01, 0.05])
        self._slowest_s = self.rng.choice([0.002, 0.05])
        self._order = itertools.count()
        self._coming: list[tuple[float, int, Callable[[], None]]] = []
        self.ends = End(self, 1), End(self, 2)
        self.ends[0].other, self.ends[1].other = self.ends[1], self.ends[0]
        for end in self.ends:
            end.vxlan.start(0)
            end.sleeve.start(0)
            end.settle()

    def send(self, size: int, arrive: Callable[[], None]) -> None:
        if size <= self.limit and self.rng.random() >= self.loss:
            self.tell(arrive)

    def tell(self, arrive: Callable[[], None]) -> None:
        """What TCP carries arrives."""
        when = self.now + self.rng.uniform(0.0002, self._slowest_s)
        heapq.heappush(self._coming, (when, next(self._order), arrive))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            overlays = [one for side in self.ends for one in (side.vxlan, side.sleeve)]
            wakes = [wake for one in overlays if (wake := one.next_wake()) is not None]
            upcoming = min([*wakes, *(when for when, _, _ in self._coming[:1])])
            if upcoming > end:
                self.now = end
                return
            self.now = max(self.now, upcoming)
            while self._coming and self._coming[0][0] <= self.now:
                heapq.heappop(self._coming)[2]()
            for one in overlays:
                wake = one.next_wake()
                if wake is not None and wake <= self.now:
                    one.on_wake(self.now)
            for side in self.ends:
                side.settle()

    def best(self) -> list[str | None]:
        return [end.switch.best for end in self.ends]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_large_frames_travel_again_soon_after_the_path_changed(seed: int) -> None:
    path = Path(seed)
    path.limit = path.rng.choice([LINK_MTU, path.rng.randrange(700, LINK_MTU)])
    for _ in range(4):
        # Longer than the longest that a path is on trial for after so few changes.
        path.run(path.rng.uniform(100, 400))
        if path.limit == LINK_MTU:
            assert path.best() == [VXLAN, VXLAN]
        else:
            assert path.best() == [SLEEVE, SLEEVE]
            # A test or two of sleeve's that got lost by chance make it a little too careful.
            found = [end.sleeve.link.mtu + path_overhead(False) for end in path.ends]
            assert all(mtu <= path.limit for mtu in found)
            assert path.loss or found == [path.limit] * 2
            assert all("without a word" in end.switch.why_not_better()[VXLAN] for end in path.ends)
        path.limit = path.rng.randrange(700, LINK_MTU) if path.limit == LINK_MTU else LINK_MTU
    assert all(len(end.changes) <= 2 + 4 for end in path.ends)


@pytest.mark.parametrize("seed", range(SEEDS // 4))
def test_a_path_that_drops_large_packets_by_turns_is_soon_left_alone(seed: int) -> None:
    path = Path(seed)
    for _ in range(120):
        path.limit = path.rng.choice([LINK_MTU, 1000])
        path.run(path.rng.uniform(5, 60))
    assert all(len(end.changes) < 40 for end in path.ends)
