"""Network namespaces for tests: an underlay of hosts, containers on them, and sockets inside any of them."""

from __future__ import annotations

import ctypes
import itertools
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_numbers = itertools.count(1)


def call_in(namespace: str, function: Callable[[], T]) -> T:
    """What the function gives in a thread that has entered the namespace; sockets made there stay there."""
    answers: list[T] = []
    problems: list[BaseException] = []

    def run() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/run/netns/{namespace}") as file:
                if libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
            answers.append(function())
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if problems:
        raise problems[0]
    return answers[0]


def udp_socket(namespace: str, address: str = "0.0.0.0", port: int = 0) -> socket.socket:
    """A bound UDP socket of that namespace that may broadcast and waits at most 5 s."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        made.settimeout(5)
        made.bind((address, port))
        return made

    return call_in(namespace, make)


class Underlay:
    """Namespaces of one test, removed by `close`: one router in the middle, one link to each host."""

    def __init__(self) -> None:
        self._prefix = f"wk{os.getpid() % 100000}x{next(_numbers)}"
        self._made: list[str] = []
        self._host_namespaces: list[str] = []
        self._hosts = 0
        self.router = self.namespace("r")
        self.run_in(self.router, "sysctl -qw net.ipv4.ip_forward=1")

    def namespace(self, name: str) -> str:
        """A new namespace with its loopback up."""
        full = f"{self._prefix}{name}"
        subprocess.run(["ip", "netns", "add", full], check=True)
        self._made.append(full)
        self.run_in(full, "ip link set lo up")
        return full

    def run_in(self, namespace: str, command: str) -> str:
        """Standard output of a command in the namespace; it must succeed."""
        done = subprocess.run(
            ["ip", "netns", "exec", namespace, *command.split()], check=True, capture_output=True, text=True
        )
        return done.stdout

    def host(self) -> Host:
        """The next host: network 10.205.N.0/24, the host is .1, the router in the middle .254."""
        self._hosts += 1
        number = self._hosts
        name = self.namespace(f"h{number}")
        self.run_in(name, f"ip link add eth0 type veth peer name h{number} netns {self.router}")
        self.run_in(name, f"ip addr add 10.205.{number}.1/24 dev eth0")
        self.run_in(name, "ip link set eth0 up")
        self.run_in(self.router, f"ip addr add 10.205.{number}.254/24 dev h{number}")
        self.run_in(self.router, f"ip link set h{number} up")
        self.run_in(name, f"ip route add default via 10.205.{number}.254")
        self._host_namespaces.append(name)
        return Host(self, name, number)

    def send_one_by_one(self) -> None:
        """Hosts that there are send as over a real wire: a veth hands on whole bundles of packets."""
        for name in self._host_namespaces:
            self.run_in(name, "ip link set eth0 gso_max_segs 1")

    def close(self) -> None:
        for name in self._made:
            subprocess.run(["ip", "netns", "del", name], check=True)


class Host:
    """One host of the underlay."""

    def __init__(self, underlay: Underlay, namespace: str, number: int) -> None:
        self.underlay = underlay
        self.namespace = namespace
        self.number = number
        self.address = f"10.205.{number}.1"
        self.gateway = f"10.205.{number}.254"
        self._containers = 0

    def run(self, command: str) -> str:
        """Run a command on the host."""
        return self.underlay.run_in(self.namespace, command)

    def narrow(self, mtu: int) -> None:
        """Make this host's link to the router carry smaller packets than its neighbours think."""
        self.underlay.run_in(self.underlay.router, f"ip link set h{self.number} mtu {mtu}")
        self.run(f"ip link set eth0 mtu {mtu}")

    def block_udp(self, port: int) -> None:
        """Drop, without a word, what comes for that UDP port through the router."""
        self.underlay.run_in(self.underlay.router, f"iptables -w -A {self._block(port)}")

    def unblock_udp(self, port: int) -> None:
        """Take a block back."""
        self.underlay.run_in(self.underlay.router, f"iptables -w -D {self._block(port)}")

    def drop_large(self, size: int) -> None:
        """Drop, without a word, what is larger than so many octets and comes for overlays on this host."""
        self.underlay.send_one_by_one()
        self.underlay.run_in(self.underlay.router, f"iptables -w -A {self._larger(size)}")

    def let_large_pass(self, size: int) -> None:
        """Take it back."""
        self.underlay.run_in(self.underlay.router, f"iptables -w -D {self._larger(size)}")

    def refuse_complaints(self) -> None:
        """Nothing that routers on the way say of this host's packets gets here."""
        self.run("iptables -w -A INPUT -p icmp --icmp-type fragmentation-needed -j DROP")

    def _larger(self, size: int) -> str:
        """Of all UDP: nobody sees a fragment's port."""
        return f"FORWARD -o h{self.number} -p udp -m length ! --length 0:{size} -j DROP"

    def _block(self, port: int) -> str:
        return f"FORWARD -o h{self.number} -p udp --dport {port} -j DROP"

    def cut(self) -> None:
        """Nothing reaches this host any more, nor leaves it, without a word to anybody."""
        for side in ("-i", "-o"):
            self.underlay.run_in(
                self.underlay.router, f"iptables -w -I FORWARD {side} h{self.number} -j DROP"
            )

    def heal(self) -> None:
        """Take back `cut`."""
        for side in ("-i", "-o"):
            self.underlay.run_in(
                self.underlay.router, f"iptables -w -D FORWARD {side} h{self.number} -j DROP"
            )

    def cut_from(self, other: Host) -> None:
        """Nothing passes between the two any more, without a word to anybody."""
        self._drop_between("-I", other)

    def heal_from(self, other: Host) -> None:
        """Take back `cut_from`."""
        self._drop_between("-D", other)

    def _drop_between(self, how: str, other: Host) -> None:
        for here, there in ((self, other), (other, self)):
            rule = f"FORWARD -i h{here.number} -o h{there.number} -j DROP"
            self.underlay.run_in(self.underlay.router, f"iptables -w {how} {rule}")

    def container(self, bridge: str = "weave") -> str:
        """A namespace attached to the bridge; its address is 10.32.HOST.NUMBER/16, device `eth0`."""
        from weave_cli.host.veth import create_endpoint_veth

        self._containers += 1
        number = self._containers
        name = self.underlay.namespace(f"h{self.number}c{number}")
        ends = f"vethwl{number}", f"vethwg{number}"
        call_in(self.namespace, lambda: create_endpoint_veth(*ends, bridge=bridge))
        self.run(f"ip link set vethwg{number} netns {name} name eth0")
        self.underlay.run_in(name, f"ip addr add 10.32.{self.number}.{number}/16 dev eth0")
        self.underlay.run_in(name, "ip link set eth0 up")
        return name
