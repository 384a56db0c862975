"""Hosts in a row, each with a cable to the next and no way to any other."""

from __future__ import annotations

import itertools

from tests.kernel.namespaces import Host, Underlay


def chain(underlay: Underlay, length: int) -> list[Host]:
    """The hosts, numbered from 1. The next one in the row reaches host N at its `address`, 10.206.N.1."""
    hosts = [_Link(underlay, underlay.namespace(f"l{number}"), number) for number in range(1, length + 1)]
    for left, right in itertools.pairwise(hosts):
        left.run(f"ip link add right type veth peer name left netns {right.namespace}")
        for host, device, octet in ((left, "right", 1), (right, "left", 2)):
            host.run(f"ip addr add 10.206.{left.number}.{octet}/24 dev {device}")
            host.run(f"ip link set {device} up")
    return list(hosts)


class _Link(Host):
    def __init__(self, underlay: Underlay, namespace: str, number: int) -> None:
        super().__init__(underlay, namespace, number)
        self.address = f"10.206.{number}.1"
