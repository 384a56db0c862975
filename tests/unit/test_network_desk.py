"""Networks of all hosts as the router's API has them: chosen subnets, refusals, and what survives."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.fakes.directory import FakeDirectory
from tests.unit.test_networks import US, A, Heard, news
from weave_cli.addresses import Cidr, parse_cidr
from weave_cli.errors import UsageProblem
from weave_cli.realms import realm_of
from weave_cli.router.networks.channel import NetworkChannel
from weave_cli.router.networks.definitions import realm_key
from weave_cli.router.runtime.network_desk import NetworkDesk

RANGE = parse_cidr("10.32.0.0/12")


class Memory:
    """A text that outlives the router."""

    def __init__(self) -> None:
        self.text: str | None = None

    def find_networks(self) -> str | None:
        return self.text

    def save_networks(self, text: str) -> None:
        self.text = text


class Router:
    """A desk over its channel."""

    def __init__(self, memory: Memory | None = None, whole: Cidr | None = RANGE) -> None:
        self.memory = memory or Memory()
        self.directory = FakeDirectory({US: "host1", A: "host2"})
        self.channel = NetworkChannel(US, self.directory, on_defined=lambda: self.desk.save())
        self.channel.attach(Heard())
        self.desk = NetworkDesk(
            self.channel,
            self.memory,
            whole=whole,
            nickname_of=self.directory.nickname_of,
            clock=lambda: 1000.0,
            pump=lambda: None,
        )
        self.desk.recall()

    def create(self, name: str, subnet: str = "") -> None:
        self.desk.create(name, parse_cidr(subnet) if subnet else None, {}, is_internal=False)

    def living(self) -> Sequence[tuple[str, str]]:
        return [(row["name"], row["subnet"]) for row in self.desk.networks() if not row["removed"]]


def test_a_subnet_is_chosen_that_nobody_has() -> None:
    router = Router()
    for number in range(30):
        router.create(f"n{number}")
    subnets = {parse_cidr(subnet) for _, subnet in router.living()}
    assert len(subnets) == 30
    assert all(one.prefix_len == 24 and one.address in RANGE.network for one in subnets)


def test_the_only_free_subnet_is_found() -> None:
    router = Router(whole=parse_cidr("10.32.0.0/22"))
    for number in range(4):
        router.create(f"n{number}")
    with pytest.raises(UsageProblem, match="no free subnet is left"):
        router.create("fifth")


@pytest.mark.parametrize(
    ("name", "subnet", "says"),
    [
        ("shop", "10.33.2.0/24", "exists already, with subnet 10.33.1.0/24"),
        ("other", "10.33.1.128/25", "overlaps with 10.33.1.0/24"),
        ("other", "10.33.0.0/16", "overlaps with 10.33.1.0/24"),
        ("other", "10.99.0.0/16", "not inside the range 10.32.0.0/12"),
        ("other", "10.0.0.0/8", "not inside the range"),
        ("two words", "", "invalid name of a network"),
    ],
)
def test_what_cannot_be_is_refused(name: str, subnet: str, says: str) -> None:
    router = Router()
    router.create("shop", "10.33.1.0/24")
    with pytest.raises(UsageProblem, match=says):
        router.create(name, subnet)
    assert router.living() == [("shop", "10.33.1.0/24")]


def test_without_allocator_or_room_there_are_none() -> None:
    with pytest.raises(UsageProblem, match="switched off"):
        Router(whole=None).create("shop")
    with pytest.raises(UsageProblem, match="too small"):
        Router(whole=parse_cidr("10.32.0.0/24")).create("shop")


def test_a_network_with_containers_is_not_removed_and_the_hosts_are_named() -> None:
    router = Router()
    router.create("shop")
    vni = realm_of(realm_key("shop")).vni
    router.channel.set_ours([vni], 1000.0)
    router.channel.on_gossip(news(a=(1, {vni})), 1000.0)
    with pytest.raises(UsageProblem, match="network shop has containers on host1, host2"):
        router.desk.remove("shop")
    router.channel.set_ours([], 1000.0)
    router.channel.on_gossip(news(a=(2, set())), 1000.0)
    router.desk.remove("shop")
    assert router.living() == []
    with pytest.raises(UsageProblem, match="there is no network shop"):
        router.desk.remove("shop")
    router.create("shop")
    assert len(router.living()) == 1


def test_networks_and_tombstones_outlive_the_router() -> None:
    first = Router()
    first.create("shop", "10.33.1.0/24")
    first.create("gone")
    first.desk.remove("gone")
    second = Router(first.memory)
    assert second.desk.networks() == first.desk.networks()
    first.memory.text = "garbage"
    assert Router(first.memory).desk.networks() == []
