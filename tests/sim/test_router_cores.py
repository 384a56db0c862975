"""Whole router cores through trouble: in the end one view, and at no moment an address twice.

Each seed is a life of a mesh: hosts that join, containers that come and go, slow and broken connections,
partitions, crashes; then calm, in which a disk is lost or put back, or a host leaves or dies; then trouble
again.
`--sim-seeds 1000` lives more of them, `--sim-seeds 300-399` those.
"""

from __future__ import annotations

import random

import pytest

from tests.fakes.network import peer_name
from tests.fakes.router_cores import RouterNetwork
from tests.fakes.router_disk import DiskCopy
from weave_cli.addresses import Cidr, parse_cidr
from weave_cli.router.ipam.allocator import Setup

pytestmark = pytest.mark.sim


class Life:
    """One seed's mesh and all that happens to it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.count = self.rng.choice([3, 4, 5, 6, 8, 10])
        self.discovery = self.rng.random() < 0.6
        self.first_ring = self.rng.choice(["consensus", "observers", "seeds"])
        whole = self.rng.choice(["10.32.0.0/26", "10.32.0.0/25", "10.32.0.0/22"])
        self.network = RouterNetwork(seed, whole=whole, make_setup=self.setup_of, discovery=self.discovery)
        self.network.delay_s, self.network.spread = self.rng.choice(
            [(0.002, 1), (0.002, 20), (0.02, 5), (0.02, 20), (0.2, 1), (0.2, 2)]
        )
        self.dead: list[int] = []

    def setup_of(self, number: int) -> Setup:
        if self.first_ring == "seeds":
            return Setup(seeds=tuple(peer_name(seed) for seed in range(1, max(2, self.count // 2) + 1)))
        is_observer = self.first_ring == "observers" and number > self.count - (self.count - 1) // 2
        return Setup(peer_count=self.count, is_observer=is_observer)

    def run(self) -> None:
        """From the first router to the last look."""
        self.join()
        for _ in range(2):
            self.trouble()
            self.calm()
            self.turn()
        self.network.check_agreement()
        self.check_waiting()

    def join(self) -> None:
        """Routers start one after the other, some of them long before they are needed."""
        self.network.add(self.count)
        for number in range(2, self.count + 1):
            others = {1, 2, number - 1} if self.discovery else {number - 1, self.rng.randrange(1, number)}
            self.network.connect(number, *sorted(others - {number}))
            self.network.run_for(self.rng.choice([0, 0, 0.1, 3]))
        if self.discovery:
            self.network.connect(1, 2)
        else:
            self.network.connect(1, self.count, self.count - 1)
            self.network.connect(2, self.count)

    # Trouble

    def trouble(self) -> None:
        for _ in range(25):
            self.take_step()
            self.network.run_for(self.rng.choice([0.01, 0.2, 1, 4]))
            self.network.check_addresses()

    def take_step(self) -> None:
        network, rng = self.network, self.rng
        running = network.running()
        number = rng.choice(running)
        host = network.hosts[number]
        match rng.randrange(16):
            case 0 | 1 | 2 | 3 | 4:
                network.run(number, rng.choice([None, None, self.small_subnet()]))
            case 5 | 6 | 7 if host.containers:
                network.remove(number, rng.choice(list(host.containers)))
            case 8:
                offset = rng.randrange(1, network.whole.network.size - 1)
                network.run_at(number, Cidr(network.whole.address + offset, network.whole.prefix_len))
            case 9:
                network.run_at(number, parse_cidr(f"192.168.{number}.{rng.randrange(1, 255)}/16"))
            case 10 | 11:
                network.cut(number, rng.choice(running))
            case 12:
                apart = rng.sample(running, rng.randrange(1, len(running)))
                network.partition(apart, [one for one in running if one not in apart])
            case 13:
                network.heal()
            case 14:
                network.restart_with(number)
            case _:
                host.copies.append(host.disk.copy())

    def small_subnet(self) -> Cidr:
        """A quarter of the range, which is the default subnet of nobody."""
        whole = self.network.whole
        quarter = whole.network.size // 4
        return Cidr(whole.address + self.rng.randrange(4) * quarter, whole.prefix_len + 2)

    # Calm

    def calm(self) -> None:
        """Nothing goes wrong any more, for long enough that everybody hears everything."""
        network = self.network
        network.heal()
        for number in network.running():
            if not network.cores[number].allocator.view().entries:
                network.run(number)
        self.settle(220)

    def settle(self, limit_s: float) -> None:
        """Everybody agrees within this time, and goes on to."""
        network = self.network
        network.run_for(10)
        network.run_until(network.agrees, limit_s - 10, every_s=10)
        network.check_agreement()
        network.run_for(40)
        network.check_agreement()
        network.check_addresses()

    def turn(self) -> None:
        """What an operator, or a disk, may do to one host while all is calm."""
        network, rng = self.network, self.rng
        number = rng.choice(network.running())
        host = network.hosts[number]
        match rng.randrange(6):
            case 0:
                network.restart_with(number, DiskCopy())
            case 1 if host.copies:
                network.restart_with(number, rng.choice(host.copies))
            case 2 if self.holds_without(number):
                network.leave(number)
                network.run_for(70)
                network.check_agreement()
                network.restart_with(number, DiskCopy())
                host.copies.clear()
            case 3 if not self.dead and self.holds_without(number):
                self.die(number)
            case 4 if self.dead:
                network.restart_with(self.dead.pop())
            case _:
                network.restart_with(number)
        self.settle(100)
        assert network.problems == [], "honest peers never quarrel"

    def holds_without(self, number: int) -> bool:
        """Whether the others can still reach each other, by the targets that they were given."""
        network = self.network
        others = set(network.running()) - {number}
        links = [(one, other) for one, targets in network.targets.items() for other in targets]
        reached = {min(others)}
        while grown := {
            there
            for link in links
            for here, there in (link, link[::-1])
            if here in reached and there in others - reached
        }:
            reached |= grown
        return self.discovery or reached == others

    def die(self, number: int) -> None:
        """A host is gone for good, and another takes its addresses over."""
        network = self.network
        network.stop(number)
        host = network.hosts[number]
        owned = sum(
            one.size
            for one in network.cores[network.running()[0]].allocator.view().entries
            if one.peer == peer_name(number)
        )
        host.containers.clear()
        host.waiting.clear()
        network.run_for(70)
        heir = self.rng.choice(network.running())
        assert network.take_over(heir, number) == owned
        self.dead.append(number)

    def check_waiting(self) -> None:
        """Whoever still waits for an address does so because there is none."""
        network = self.network
        used = {cidr.address for host in network.hosts.values() for cidr in host.containers.values()}
        for number in network.running():
            for pending in network.cores[number].allocator.view().pending_allocations:
                usable = pending.subnet.usable
                free = [address for address in range(usable.start, usable.end) if address not in used]
                assert not free, f"host{number} waits for {pending.subnet}, where {len(free)} are free"


def test_mesh_lives_through_trouble(sim_seed: int) -> None:
    try:
        Life(sim_seed).run()
    except Exception as failure:
        failure.add_note(
            f"repeat with: pytest tests/sim/test_router_cores.py --sim-seeds {sim_seed}-{sim_seed}"
        )
        raise


def test_two_hundred_routers_agree_though_each_knows_only_a_few() -> None:
    rng = random.Random(1)
    seeds = tuple(peer_name(number) for number in range(1, 9))
    network = RouterNetwork(1, whole="10.32.0.0/16", make_setup=lambda _: Setup(seeds=seeds), discovery=False)
    network.spread = 20
    network.add(200)
    for number in range(2, 201):
        network.connect(number, *{number - 1, rng.randrange(1, number)})
    network.run_for(15)
    hosts = rng.sample(range(1, 201), 16)
    for number in hosts:
        network.run(number)
        network.run_for(0.2)
    network.run_for(10)
    network.check_agreement()
    assert all(len(network.hosts[number].containers) == 1 for number in hosts)
    network.partition(range(1, 101), range(101, 201))
    network.run_for(5)
    for number in hosts[:8]:
        network.remove(number, *network.hosts[number].containers)
    network.run_for(5)
    network.heal()
    assert network.run_until(network.agrees, 150, every_s=10)
    network.check_addresses()
    assert network.problems == []
