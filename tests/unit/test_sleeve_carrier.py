"""The carrier between a bridge and a network made of lists: what goes in, what comes out, and garbage."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_overlay_ip import DF, ip_frame
from tests.unit.test_sleeve_messages import MESSAGES
from weave_cli.names import PeerName, pack_peer_name
from weave_cli.router.overlay.roles import Carriage
from weave_cli.router.overlay.sleeve_packets import (
    PeerFrame,
    decode_frames,
    encode_frames,
    encode_heartbeat,
    zero_frame,
)
from weave_cli.router.overlay.sleeve_sealing import PacketOpener, PacketSealer
from weave_cli.router.sleeve.carrier import Carrier
from weave_cli.router.sleeve.doors import BATCH
from weave_cli.router.sleeve.messages import (
    BroadcastWanted,
    ForgetNeighbour,
    MacForgotten,
    MacLearned,
    PathMtuFound,
    SendRefused,
    SendSpecial,
    SetBroadcast,
    SetNeighbour,
    SetRoutes,
    SpecialReceived,
    ToProcess,
    ToRouter,
    UdpAddress,
)
from weave_cli.router.sleeve.packet_socket import Received, Refusal

US, A, B, C = (PeerName(0x7A0000000000 + number) for number in range(4))
ADDRESS_A, ADDRESS_B = ("10.0.0.1", 6783), ("10.0.0.2", 6783)
KEY = bytes(range(32))
NOW = 1000.0
ALL = b"\xff" * 6


def mac(number: int) -> bytes:
    return bytes((2, 0, 0, 0, 0, number))


def arp(source: int, destination: bytes = ALL) -> bytes:
    return destination + mac(source) + b"\x08\x06" + bytes(28)


class Bridge:
    """Frames that wait to be read, and those that were written."""

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self.written: list[bytes] = []

    def read(self) -> bytes:
        if not self.waiting:
            raise BlockingIOError
        return self.waiting.popleft()

    def write(self, frame: bytes) -> None:
        self.written.append(frame)

    def write_joined(self, frame: bytes) -> None:
        self.written.append(frame)

    def flush(self) -> None:
        pass


class RealmBridge(Bridge):
    """That of a realm."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self.fd = fd
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


class Network:
    """Packets that wait, those that were sent, and what the kernel says to the next sending."""

    def __init__(self) -> None:
        self.waiting: deque[Received] = deque()
        self.sent: list[tuple[bytes, UdpAddress, bool]] = []
        self.refusal: Refusal | None = None

    def receive(self) -> Received:
        if not self.waiting:
            raise BlockingIOError
        return self.waiting.popleft()

    def send(self, packets: Sequence[bytes], address: UdpAddress, *, dont_fragment: bool) -> Refusal | None:
        self.sent += [(packet, address, dont_fragment) for packet in packets]
        return self.refusal


class Router:
    """What the process said."""

    def __init__(self) -> None:
        self.heard: list[ToRouter] = []

    def put(self, message: ToRouter) -> None:
        self.heard.append(message)


class Host:
    """A carrier with neighbours A and B; C is behind B."""

    def __init__(self, key: bytes | None = None) -> None:
        self.bridge, self.network, self.router = Bridge(), Network(), Router()
        self.realms: dict[int, RealmBridge] = {}
        self.carrier = Carrier(US, self.bridge, self.network, self.router, self.open_door)
        self.now = NOW
        self.tell(
            neighbour(1, A, ADDRESS_A, key=key),
            neighbour(2, B, ADDRESS_B),
            SetRoutes(unicast={A: A, B: B, C: B}, broadcast=(A, B)),
        )

    def open_door(self, descriptor: int) -> RealmBridge:
        """A realm's; bridges of realms are found by their descriptors."""
        self.realms[descriptor] = RealmBridge(descriptor)
        return self.realms[descriptor]

    def tell(self, *messages: ToProcess) -> None:
        for message in messages:
            self.carrier.obey(message, self.now)
        self.carrier.flush(self.now)

    def capture(self, *frames: bytes) -> None:
        self.bridge.waiting.extend(frames)
        self.carrier.capture(self.now)
        self.carrier.flush(self.now)

    def receive(self, *packets: bytes, size: int = 0, address: UdpAddress = ADDRESS_A) -> None:
        self.network.waiting.extend(
            Received(packet, size or len(packet), address, False) for packet in packets
        )
        self.carrier.receive(self.now)
        self.carrier.flush(self.now)

    def sent(self) -> list[tuple[UdpAddress, bool, list[PeerFrame]]]:
        """Plain packets sent since the last look."""
        sent, self.network.sent = self.network.sent, []
        assert all(packet[:6] == pack_peer_name(US) for packet, _, _ in sent)
        return [(address, df, decode_frames(packet[6:])) for packet, address, df in sent]


def neighbour(
    conn_id: int, name: PeerName, address: UdpAddress | None, *, key: bytes | None = None, **changes: object
) -> SetNeighbour:
    facts = {"mtu": 1438, "max_payload": 1472, "fragments_pass": True, **changes}
    return SetNeighbour(
        conn_id=conn_id,
        name=name,
        address=address,
        session_key=key,
        is_initiator=True,
        **facts,  # type: ignore[arg-type]
    )


def packet(sender: PeerName, *frames: PeerFrame) -> bytes:
    return pack_peer_name(sender) + encode_frames(frames)


@pytest.fixture
def host() -> Host:
    return Host()


def test_a_broadcast_goes_to_all_next_hops(host: Host) -> None:
    host.capture(arp(1))
    assert sorted(host.sent()) == [
        (ADDRESS_A, False, [PeerFrame(US, A, arp(1))]),
        (ADDRESS_B, False, [PeerFrame(US, B, arp(1))]),
    ]


def test_an_answer_finds_its_way_and_its_address_is_told(host: Host) -> None:
    host.capture(arp(1))
    host.sent()
    host.receive(packet(B, PeerFrame(C, US, arp(3, mac(1)))))
    assert host.bridge.written == [arp(3, mac(1))]
    assert host.router.heard == [MacLearned(mac=mac(3), peer=C)]
    frame = ip_frame(bytes(100), flags=DF, macs=mac(3) + mac(1))
    host.capture(frame, frame)
    assert host.sent() == [(ADDRESS_B, True, [PeerFrame(US, C, frame)] * 2)]


def test_packets_are_filled_and_not_overfilled(host: Host) -> None:
    frames = [ip_frame(bytes([number]) * 700, flags=DF, macs=ALL + mac(1)) for number in range(5)]
    host.tell(SetRoutes(unicast={A: A}, broadcast=(A,)))
    host.capture(*frames)
    sent = host.sent()
    assert [len(packed) for _, _, packed in sent] == [1] * 5
    host.tell(neighbour(1, A, ADDRESS_A, max_payload=6 + 2 * (14 + 734)))
    host.capture(*frames)
    sent = host.sent()
    assert [len(packed) for _, _, packed in sent] == [2, 2, 1]
    assert [one.frame for _, _, packed in sent for one in packed] == frames


def test_a_batch_is_bounded(host: Host) -> None:
    host.capture(*[arp(1)] * (BATCH + 1))
    assert len(host.bridge.waiting) == 1
    host.receive(*[packet(A)] * (BATCH + 1))
    assert len(host.network.waiting) == 1
    host.network.waiting.clear()
    joined = packet(A) * (BATCH // 2 + 1)
    host.receive(*[joined] * 5, size=len(packet(A)))
    assert len(host.network.waiting) == 3


def test_garbage_is_summed_up_though_nothing_else_happens(host: Host) -> None:
    host.receive(b"garbage")
    assert host.carrier.next_wake() == NOW + 1


def test_a_sealed_neighbour_gets_and_gives_sealed_packets() -> None:
    host = Host(KEY)
    theirs = PacketSealer(KEY, is_initiator=False, sender=pack_peer_name(A))
    opener = PacketOpener(KEY, is_initiator=False)
    host.capture(arp(1))
    sealed = [one for one, address, _ in host.network.sent if address == ADDRESS_A]
    opened = opener.open(sealed[0])
    assert opened is not None and decode_frames(opened) == [PeerFrame(US, A, arp(1))]
    good = theirs.seal(encode_frames([PeerFrame(A, US, arp(2, mac(1)))]), dont_fragment=True)
    host.receive(good, good, packet(A, PeerFrame(A, US, arp(9, mac(1)))))
    assert host.bridge.written == [arp(2, mac(1))]
    # The counters go on when only the link changes.
    host.tell(neighbour(1, A, ("10.9.9.9", 1), key=KEY))
    host.receive(good)
    host.capture(arp(1))
    sealed = [one for one, address, _ in host.network.sent if address == ("10.9.9.9", 1)]
    assert len(host.bridge.written) == 1 and opener.open(sealed[0]) is not None


def test_joined_packets_are_taken_apart(host: Host) -> None:
    host.capture(arp(1))
    packets = [packet(A, PeerFrame(A, US, arp(2, mac(1)) + bytes([number]))) for number in range(3)]
    last = packet(A, PeerFrame(A, US, arp(2, mac(1))))
    host.receive(b"".join(packets) + last, size=len(packets[0]))
    assert host.bridge.written == [arp(2, mac(1)) + bytes([number]) for number in range(3)] + [arp(2, mac(1))]


def test_special_frames_are_for_the_router(host: Host) -> None:
    heartbeat = encode_heartbeat(7)
    host.receive(
        packet(A, PeerFrame(A, US, heartbeat), PeerFrame(A, US, zero_frame(1000))), address=("9.9.9.9", 1)
    )
    host.receive(packet(A, PeerFrame(B, US, heartbeat), PeerFrame(A, B, heartbeat)))
    assert host.router.heard == [
        SpecialReceived(conn_id=1, address=("9.9.9.9", 1), frame=heartbeat),
        SpecialReceived(conn_id=1, address=("9.9.9.9", 1), frame=zero_frame(1000)),
    ]
    assert host.bridge.written == [] and host.sent() == []


def test_special_frames_of_the_router_travel_alone(host: Host) -> None:
    host.carrier.obey(SendSpecial(conn_id=1, frame=zero_frame(60000), dont_fragment=True), NOW)
    host.carrier.obey(SendSpecial(conn_id=1, frame=encode_heartbeat(7), dont_fragment=True), NOW)
    host.carrier.obey(SendSpecial(conn_id=1, frame=zero_frame(60001), dont_fragment=False), NOW)
    host.carrier.obey(SendSpecial(conn_id=99, frame=zero_frame(60001), dont_fragment=False), NOW)
    host.carrier.flush(NOW)
    assert host.sent() == [
        (ADDRESS_A, True, [PeerFrame(US, A, zero_frame(60000))]),
        (ADDRESS_A, True, [PeerFrame(US, A, encode_heartbeat(7))]),
        (ADDRESS_A, False, [PeerFrame(US, A, zero_frame(60001))]),
    ]


def test_the_path_mtu_is_told_once_for_each_link(host: Host) -> None:
    host.network.refusal = Refusal("Message too long", 1400)
    found = PathMtuFound(conn_id=1, path_mtu=1400)
    for _ in range(2):
        host.tell(SendSpecial(conn_id=1, frame=zero_frame(60000), dont_fragment=True))
    assert host.router.heard == [found]
    host.tell(neighbour(1, A, ADDRESS_A))
    host.tell(SendSpecial(conn_id=1, frame=zero_frame(60000), dont_fragment=True))
    assert host.router.heard == [found, found]


def test_other_refusals_are_told_once_a_second(host: Host) -> None:
    host.network.refusal = Refusal("No route to host")
    for later in (0, 0.5, 1):
        host.now = NOW + later
        host.tell(SendSpecial(conn_id=1, frame=encode_heartbeat(7), dont_fragment=True))
    assert host.router.heard == [SendRefused(conn_id=1, reason="No route to host")] * 2


def test_a_big_df_packet_is_answered_to_the_container(host: Host) -> None:
    host.capture(arp(1))
    host.receive(packet(A, PeerFrame(A, US, arp(2, mac(1)))))
    host.sent()
    host.bridge.written.clear()
    host.capture(ip_frame(bytes(1450), flags=DF, macs=mac(2) + mac(1)))
    assert host.sent() == []
    (answer,) = host.bridge.written
    assert answer[:12] == mac(1) + mac(2) and answer[34:36] == b"\3\4"
    assert int.from_bytes(answer[40:42], "big") == 1438


def test_a_big_df_packet_of_another_peer_is_answered_through_the_mesh(host: Host) -> None:
    big = ip_frame(bytes(1450), flags=DF, macs=mac(2) + mac(3))
    host.receive(packet(B, PeerFrame(C, A, big)))
    ((address, _, (answer,)),) = host.sent()
    assert address == ADDRESS_B and (answer.source, answer.destination) == (A, C)
    assert answer.frame[34:36] == b"\3\4" and host.bridge.written == []


def test_a_big_df_broadcast_is_dropped(host: Host) -> None:
    host.capture(ip_frame(bytes(1450), flags=DF, macs=ALL + mac(1)))
    assert host.sent() == [] and host.bridge.written == []


def test_a_big_packet_is_fragmented_where_the_stack_cannot(host: Host) -> None:
    host.tell(SetRoutes(unicast={A: A}, broadcast=(A,)))
    big = ip_frame(bytes(3000), macs=ALL + mac(1))
    host.capture(big)
    assert host.sent() == [(ADDRESS_A, False, [PeerFrame(US, A, big)])]
    host.tell(neighbour(1, A, ADDRESS_A, fragments_pass=False))
    host.capture(big)
    sent = host.sent()
    assert all(df for _, df, _ in sent)
    assert [len(one.frame) - 34 for _, _, packed in sent for one in packed] == [1416, 1416, 168]


def test_a_broadcast_waits_for_the_next_hops_of_its_source(host: Host) -> None:
    host.receive(packet(B, PeerFrame(C, US, arp(3))))
    assert host.bridge.written == [arp(3)] and host.sent() == []
    assert BroadcastWanted(source=C) in host.router.heard
    host.tell(SetBroadcast(source=C, next_hops=(A,)))
    assert host.sent() == [(ADDRESS_A, False, [PeerFrame(C, A, arp(3))])]
    host.receive(packet(B, PeerFrame(C, US, arp(3))))
    assert host.sent() == [(ADDRESS_A, False, [PeerFrame(C, A, arp(3))])]


def test_what_waits_is_asked_for_again_after_a_change_of_routes(host: Host) -> None:
    host.receive(packet(B, PeerFrame(C, US, arp(3))))
    host.router.heard.clear()
    host.tell(SetRoutes(unicast={A: A, B: B, C: B}, broadcast=(A, B)))
    assert host.router.heard == [BroadcastWanted(source=C)]
    host.tell(SetBroadcast(source=C, next_hops=(A, B)))
    assert host.sent() == [(ADDRESS_A, False, [PeerFrame(C, A, arp(3))])]


def test_frames_between_others_are_relayed(host: Host) -> None:
    host.receive(packet(A, PeerFrame(A, C, arp(2, mac(3)))))
    assert host.sent() == [(ADDRESS_B, False, [PeerFrame(A, C, arp(2, mac(3)))])]
    assert host.bridge.written == []


def test_vxlan_and_its_end_change_who_gets_what(host: Host) -> None:
    host.tell(neighbour(1, A, ADDRESS_A, carriage=Carriage.EVERYTHING, vxlan_address=("10.0.0.1", 6784)))
    host.capture(arp(1))
    assert [address for address, _, _ in host.sent()] == [ADDRESS_B]
    host.tell(neighbour(1, A, ADDRESS_A))
    host.capture(arp(1))
    assert {address for address, _, _ in host.sent()} == {ADDRESS_A, ADDRESS_B}


def test_to_a_relay_frames_for_its_containers_go_as_the_kernel_would_send_them(host: Host) -> None:
    there = ("10.0.0.1", 6784)
    host.tell(neighbour(1, A, ADDRESS_A, carriage=Carriage.UNICAST, vxlan_address=there))
    host.receive(packet(A, PeerFrame(A, US, arp(2))))
    host.sent()
    frames = [arp(1, mac(2)), mac(2) + mac(1) + b"\x08\x00" + bytes(5000)]
    host.capture(*frames)
    assert host.network.sent == [
        (bytes.fromhex("0800000077657600") + frame, there, False) for frame in frames
    ]
    host.network.sent.clear()
    host.capture(arp(1))
    assert {address for address, _, _ in host.sent()} == {ADDRESS_A, ADDRESS_B}


def test_a_forgotten_neighbour_gets_and_gives_nothing(host: Host) -> None:
    host.tell(ForgetNeighbour(conn_id=1), ForgetNeighbour(conn_id=77))
    host.capture(arp(1))
    host.receive(packet(A, PeerFrame(A, US, arp(2))))
    assert [address for address, _, _ in host.sent()] == [ADDRESS_B] and host.bridge.written == []


def test_the_later_of_two_connections_is_used(host: Host) -> None:
    host.tell(neighbour(3, A, ("10.0.0.3", 6783)))
    host.capture(arp(1))
    assert {address for address, _, _ in host.sent()} == {("10.0.0.3", 6783), ADDRESS_B}
    host.tell(ForgetNeighbour(conn_id=1))
    host.capture(arp(1))
    assert {address for address, _, _ in host.sent()} == {("10.0.0.3", 6783), ADDRESS_B}


def test_nothing_is_sent_to_a_neighbour_without_an_address(host: Host) -> None:
    host.tell(neighbour(1, A, None))
    host.capture(arp(1))
    assert [address for address, _, _ in host.sent()] == [ADDRESS_B]


def test_verdicts_do_not_hide_that_an_address_is_silent_or_has_moved(host: Host) -> None:
    host.receive(packet(A, PeerFrame(A, US, arp(2))))
    host.capture(arp(2))
    assert host.sent() == []
    host.now += 2.5
    host.carrier.on_wake(host.now)
    host.capture(arp(2))
    assert len(host.sent()) == 2
    assert host.router.heard[-1] == MacForgotten(mac=mac(2))


def test_an_idle_carrier_wants_to_be_woken_for_its_addresses_only(host: Host) -> None:
    assert host.carrier.next_wake() is None
    host.capture(arp(1))
    assert host.carrier.next_wake() == NOW + 1
    host.carrier.on_wake(NOW + 1)
    assert host.carrier.next_wake() == NOW + 60


def test_the_frames_before_a_fault_count(host: Host) -> None:
    host.receive(packet(A, PeerFrame(A, US, arp(2))) + b"rest")
    assert host.bridge.written == [arp(2)]


_GARBAGE = st.one_of(
    st.binary(max_size=120),
    st.builds(
        lambda name, rest: pack_peer_name(name) + rest, st.sampled_from([A, B]), st.binary(max_size=120)
    ),
    st.builds(
        lambda name, frames: pack_peer_name(name) + encode_frames(frames),
        st.sampled_from([A, B]),
        st.lists(
            st.builds(
                PeerFrame,
                st.sampled_from([US, A, B, C]),
                st.sampled_from([US, A, B, C]),
                st.binary(max_size=60),
            ),
            max_size=4,
        ),
    ),
)


@given(
    st.lists(
        st.tuples(st.just("packet"), _GARBAGE, st.integers(1, 100))
        | st.tuples(st.just("frame"), st.binary(max_size=80), st.integers(1, 2))
        | st.tuples(st.just("message"), MESSAGES, st.just(0)),
        max_size=20,
    ),
    st.sampled_from([None, KEY]),
)
def test_no_input_does_harm(inputs: list[tuple[str, object, int]], key: bytes | None) -> None:
    host = Host(key)
    for kind, what, number in inputs:
        host.now += 0.3
        if isinstance(what, bytes) and kind == "packet":
            host.receive(what, size=number)
        elif isinstance(what, bytes):
            host.capture(what)
        elif isinstance(what, ToProcess):
            host.tell(what)
        host.carrier.on_wake(host.now)
