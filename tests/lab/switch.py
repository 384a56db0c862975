"""The underlay: a bridge in a namespace of its own, one port per host, which can be unplugged or filtered."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Collection


class Switch:
    """For hosts 1..253 of `subnet` (its first three octets); the default route ends at its own .254."""

    def __init__(self, prefix: str, subnet: str, mtu: int = 1500) -> None:
        self.namespace = f"{prefix}-net"
        self.subnet = subnet
        self.mtu = mtu
        self._filtering = False
        subprocess.run(["ip", "netns", "add", self.namespace], check=True)
        self._batch(
            "link set lo up",
            f"link add br0 mtu {mtu} type bridge forward_delay 0",
            "link set br0 up",
            f"addr add {subnet}.254/24 dev br0",
        )
        # It must not route what it may not switch.
        self._run("sysctl", "-qw", "net.ipv4.ip_forward=0")

    def address(self, number: int) -> str:
        """The underlay address of host `number`."""
        return f"{self.subnet}.{number}"

    def attach(self, number: int, namespace: str) -> None:
        """Give the host's namespace an `eth0` with its address and a default route."""
        # The same hardware address in each of its lives: else the others' ARP entries mislead them for 8 s.
        card = f"eth0 address 02:4c:41:42:00:{number:02x} mtu {self.mtu} netns {namespace}"
        self._batch(
            f"link add h{number} mtu {self.mtu} type veth peer name {card}",
            f"link set h{number} master br0 up",
        )
        _batch(
            namespace,
            "link set lo up",
            "link set eth0 up",
            f"addr add {self.address(number)}/24 dev eth0",
            f"route add default via {self.subnet}.254",
        )

    def detach(self, number: int) -> None:
        """Remove the host's port, if it is there."""
        subprocess.run(
            ["ip", "-n", self.namespace, "link", "delete", f"h{number}"], check=False, capture_output=True
        )

    def cut(self, number: int) -> None:
        """Pull the host's cable: its carrier goes too."""
        self._batch(f"link set h{number} down")

    def heal(self, number: int) -> None:
        """Plug the host's cable in."""
        self._batch(f"link set h{number} up")

    def partition(self, *groups: Collection[int]) -> None:
        """Let no packet pass between hosts of different groups; hosts in no group are left alone."""
        for left, right in itertools.combinations(groups, 2):
            for one, other in itertools.product(left, right):
                self._drop("-s", self.address(one), "-d", self.address(other))
                self._drop("-s", self.address(other), "-d", self.address(one))

    def block_udp(self, port: int, *hosts: int) -> None:
        """Drop UDP packets to this port that one of the hosts sends or receives; no hosts named: all."""
        to_port = ("-p", "udp", "--dport", str(port))
        if not hosts:
            self._drop(*to_port)
        for number in hosts:
            self._drop(*to_port, "-s", self.address(number))
            self._drop(*to_port, "-d", self.address(number))

    def unblock(self) -> None:
        """Remove all partitions and blocks."""
        if self._filtering:
            self._run("iptables", "-w", "-F", "FORWARD")
            self._run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0")
            self._filtering = False

    def _drop(self, *match: str) -> None:
        if not self._filtering:
            # Off until needed: bridged packets then take the short way.
            self._run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1")
            self._filtering = True
        self._run("iptables", "-w", "-A", "FORWARD", *match, "-j", "DROP")

    def _run(self, *command: str) -> None:
        subprocess.run(
            ["ip", "netns", "exec", self.namespace, *command], check=True, stdin=subprocess.DEVNULL
        )

    def _batch(self, *lines: str) -> None:
        _batch(self.namespace, *lines)


def _batch(namespace: str, *lines: str) -> None:
    subprocess.run(
        ["ip", "-n", namespace, "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True
    )
