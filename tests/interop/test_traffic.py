"""Containers on routers of both kinds talk to each other through sleeve."""

from __future__ import annotations

import itertools

import pytest

from tests.interop.conftest import MakePeer
from tests.interop.containers import (
    Container,
    exchange_by_tcp,
    find_path_mtu,
    send_datagram,
    wait_until_reachable,
)
from tests.interop.names import wait_for_name
from tests.interop.peers import wait_for_chain, wait_for_mesh
from tests.interop.test_connections import PAIRS, PASSWORDS

#: What sleeve leaves of an underlay of 1500 octets (specification overlay, section 2.3).
PLAIN_MTU = 1438
SEALED_MTU = 1414
NARROW_LINK = 1400


@PAIRS
@PASSWORDS
def test_tcp_both_ways_and_datagrams_of_all_sizes(
    make_peer: MakePeer, dialled: str, dialler: str, password: str
) -> None:
    one, two = make_peer(dialled), make_peer(dialler)
    one.start(password=password)
    two.start(one, password=password)
    wait_for_mesh(one, two)
    here, there = Container(one, "c1"), Container(two, "c2")
    wait_until_reachable(here, there)
    exchange_by_tcp(here, there, 8_000_000)
    exchange_by_tcp(there, here, 8_000_000)
    whole = SEALED_MTU if password else PLAIN_MTU
    for sender, receiver in ((here, there), (there, here)):
        for size in (0, 1, 1000, 1400, 1500, 4000, 9000, 20000, 40000, 65000):
            assert send_datagram(sender, receiver, size), f"{size} octets from {sender.namespace}"
        # The device of a container of ours may itself be narrower.
        assert find_path_mtu(sender, receiver) == min(whole, sender.device_mtu(), receiver.device_mtu())
    assert here.checksum_errors() == there.checksum_errors() == 0


@PAIRS
@PASSWORDS
def test_a_narrow_link_is_found_and_told_to_senders(
    make_peer: MakePeer, dialled: str, dialler: str, password: str
) -> None:
    one, two = make_peer(dialled), make_peer(dialler)
    two.host.narrow(NARROW_LINK)
    one.start(password=password)
    two.start(one, password=password)
    wait_for_mesh(one, two)
    here, there = Container(one, "c1"), Container(two, "c2")
    wait_until_reachable(here, there)
    exchange_by_tcp(here, there, 2_000_000)
    whole = (SEALED_MTU if password else PLAIN_MTU) - (1500 - NARROW_LINK)
    for sender, receiver in ((here, there), (there, here)):
        assert find_path_mtu(sender, receiver) == min(whole, sender.device_mtu(), receiver.device_mtu())
        assert send_datagram(sender, receiver, 20000)


@pytest.mark.parametrize(
    "kinds", [("go", "our", "go"), ("our", "go", "our"), ("go", "our", "our", "go")], ids="-".join
)
@PASSWORDS
def test_frames_names_and_addresses_pass_through_a_chain(
    make_peer: MakePeer, kinds: tuple[str, ...], password: str
) -> None:
    chain = [make_peer(kind) for kind in kinds]
    chain[0].start(password=password, options=("--no-discovery",))
    for before, peer in itertools.pairwise(chain):
        peer.start(before, password=password, options=("--no-discovery",))
    wait_for_chain(chain)
    containers = [Container(peer, f"c{number}") for number, peer in enumerate(chain)]
    assert len({one.address for one in containers}) == len(chain)
    for one in containers:
        one.peer.add_name(f"{one.ident}.weave.local", one.ident, one.address)
    for one in containers:
        for other in containers:
            wait_for_name(one.peer, f"{other.ident}.weave.local.", {other.address}, *chain)
            if one is not other:
                wait_until_reachable(one, other)
    exchange_by_tcp(containers[0], containers[-1], 4_000_000)
    for size in (1000, 1500, 9000, 60000):
        assert send_datagram(containers[0], containers[-1], size)
        assert send_datagram(containers[-1], containers[0], size)
    assert not any(one.checksum_errors() for one in containers)
