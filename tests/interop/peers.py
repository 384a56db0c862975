"""Routers of both kinds in namespaces, with the same verbs: ours, and the Go program that `WEAVER` names."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from tests.interop.go_version import ENVIRONMENT, WEAVER, go_version
from tests.kernel.namespaces import Host
from tests.kernel.programs import Answer, Program, eventually

RANGE: Final = "10.32.0.0/12"


class Peer(Program, ABC):
    """A router of the mesh, of either kind. It has an allocator and answers names on port 53."""

    kind: ClassVar[str]

    def __init__(self, host: Host, place: Path) -> None:
        self.nickname = f"{self.kind}{host.number}"
        self.name = f"7a:00:00:00:00:{host.number:02x}"
        super().__init__(host, place / self.nickname)
        (self.state / "resolv.conf").touch()

    def start(
        self, *targets: Peer, password: str = "", address_range: str = RANGE, options: tuple[str, ...] = ()
    ) -> None:
        """Start and wait until it answers. After an earlier life the targets are those that it remembers."""
        command = self._command(address_range)
        words, environment = self._password(password) if password else ([], {})
        addresses = [target.host.address for target in targets]
        self.run([*command, *words, *options, *addresses], environment)
        self.wait_until_ready()

    @abstractmethod
    def _command(self, address_range: str) -> list[str]:
        """The program and the options that every router here gets."""

    @abstractmethod
    def _password(self, password: str) -> tuple[list[str], dict[str, str]]:
        """How the program takes a password: options and environment."""

    def forget_everything(self) -> None:
        """What `weave reset` does to the host: the next start is the first one."""
        shutil.rmtree(self.state)
        self.state.mkdir()
        (self.state / "resolv.conf").touch()

    # What its API says

    def report(self) -> dict[str, Any]:
        """The whole report."""
        status, body = self.ask("GET", "/report", headers={"Accept": "application/json"})
        assert status == 200, (status, body, self.log())
        found: dict[str, Any] = json.loads(body)
        return found

    def connection_lines(self) -> str:
        return self.ask("GET", "/status/connections")[1]

    def states(self) -> dict[str, str]:
        """Address and state of all connections and targets."""
        return {one["Address"]: one["State"] for one in self.report()["Router"]["Connections"] or ()}

    def established_with(self) -> set[str]:
        """The names of the peers that the router has an established connection with."""
        peers = self.report()["Router"]["Peers"]
        ours = next(peer for peer in peers if peer["Name"] == self.name)
        return {one["Name"] for one in ours["Connections"] or () if one["Established"]}

    def known_peers(self) -> set[str]:
        return {peer["Name"] for peer in self.report()["Router"]["Peers"]}

    def is_connected_to(self, other: Peer) -> bool:
        """True when both ends call their connection established, and this one knows it of the other."""
        return self.knows_link(self, other)

    def knows_link(self, one: Peer, other: Peer) -> bool:
        """True when, as far as this peer knows, both ends call the connection of those two established."""
        peers = {peer["Name"]: peer["Connections"] or () for peer in self.report()["Router"]["Peers"]}
        return all(
            any(link["Name"] == there and link["Established"] for link in peers.get(here, ()))
            for here, there in ((one.name, other.name), (other.name, one.name))
        )

    # What it is asked to do

    def connect(self, other: Peer) -> None:
        assert self.ask("POST", f"/connect?peer={other.host.address}")[0] == 200

    def forget(self, other: Peer) -> None:
        assert self.ask("POST", f"/forget?peer={other.host.address}")[0] == 200

    def allocate(self, ident: str, subnet: str = "", timeout_s: float = 20) -> str:
        """An address with its prefix length for that container id."""
        status, body = self.ask("POST", f"/ip/{ident}{'/' if subnet else ''}{subnet}", timeout_s)
        assert status == 200, (status, body, self.connection_lines(), self.log())
        return body

    def release(self, ident: str) -> None:
        assert self.ask("DELETE", f"/ip/{ident}")[0] == 204

    def claim(self, ident: str, cidr: str) -> int:
        """Say that the container has that address already; status 204 when nobody else has it."""
        return self.ask("PUT", f"/ip/{ident}/{cidr}")[0]

    def claim_again(self, held: Mapping[str, str]) -> None:
        """What the launch script did after a start, where the router itself remembers no addresses."""

    def agreement(self, count: int) -> tuple[str, ...]:
        """The option by which more than half of so many peers must agree on the first division."""
        return "--ipalloc-init", f"consensus={count}"

    def owned(self) -> dict[str, list[str]]:
        """All addresses by container id."""
        status, body = self.ask("GET", "/ip")
        assert status == 200, body
        return {one["containerid"]: one["addrs"] for one in json.loads(body)["owned"] or ()}

    def add_name(self, fqdn: str, ident: str, address: str) -> None:
        assert self.ask("PUT", f"/name/{ident}/{address}?fqdn={fqdn}")[0] == 204

    def remove_name(self, fqdn: str, ident: str, address: str) -> None:
        assert self.ask("DELETE", f"/name/{ident}/{address}?fqdn={fqdn}")[0] == 204

    def take_over(self, other: Peer) -> None:
        """What `weave rmpeer` does."""
        status, body = self.ask("DELETE", f"/peer/{other.name}")
        assert status == 200, body
        assert "taken over" in body, body

    def leave(self) -> Answer:
        """What `weave reset` asks the router for before it ends it: give all space to others."""
        return self.ask("DELETE", "/peer")


class OurPeer(Peer):
    """The router of this package."""

    kind = "our"

    def _command(self, address_range: str) -> list[str]:
        return [
            *(sys.executable, "-m", "weave_cli.router"),
            *(f"--state-dir={self.state}", f"--name={self.name}", f"--nickname={self.nickname}"),
            *(f"--ipalloc-range={address_range}", f"--resolv-conf={self.state}/resolv.conf"),
        ]

    def _password(self, password: str) -> tuple[list[str], dict[str, str]]:
        file = self.state / "password"
        file.touch(mode=0o600)
        file.write_text(password)
        return [f"--password-file={file}"], {}


class GoPeer(Peer):
    """The Go router with its frames carried by sleeve, as on a host without its kernel module."""

    kind = "go"

    def __init__(self, host: Host, place: Path) -> None:
        super().__init__(host, place)
        self.version = go_version()
        if not self.version.makes_its_bridge:
            host.run("ip link add weave type bridge")
            host.run("ip link add vethwe-bridge type veth peer name vethwe-pcap")
            host.run("ip link set vethwe-bridge master weave")
            for device in ("weave", "vethwe-bridge", "vethwe-pcap"):
                host.run(f"ip link set {device} up")

    def _command(self, address_range: str) -> list[str]:
        return [
            os.environ[WEAVER],
            *("--port", "6783", "--name", self.name, "--nickname", self.nickname),
            *("--datapath", "", "--docker-api", "", "--http-addr", "127.0.0.1:6784"),
            *("--dns-listen-address", "0.0.0.0:53", "--ipalloc-range", address_range),
            *(self._own_bridge() if self.version.makes_its_bridge else ("--iface", "vethwe-pcap")),
        ]

    def _own_bridge(self) -> tuple[str, ...]:
        return (
            *("--no-fastdp", "--weave-bridge", "weave", "--status-addr", "127.0.0.1:6782"),
            *("--resolv-conf", f"{self.state}/resolv.conf", "--db-prefix", f"{self.state}/weave"),
        )

    def _password(self, password: str) -> tuple[list[str], dict[str, str]]:
        return [], {"WEAVE_PASSWORD": password}

    def run(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        super().run(command, {**ENVIRONMENT, **(environment or {})})

    def claim(self, ident: str, cidr: str) -> int:
        path = cidr if self.version.keeps_addresses else cidr.partition("/")[0]
        return self.ask("PUT", f"/ip/{ident}/{path}")[0]

    def claim_again(self, held: Mapping[str, str]) -> None:
        if not self.version.keeps_addresses:
            for ident, cidr in held.items():
                path = f"/ip/{ident}/{cidr.partition('/')[0]}?noErrorOnUnknown=true"
                assert self.ask("PUT", path)[0] == 204

    def agreement(self, count: int) -> tuple[str, ...]:
        if self.version.keeps_addresses:
            return super().agreement(count)
        return "--init-peer-count", str(count)

    def take_over(self, other: Peer) -> None:
        if self.version.keeps_addresses:
            super().take_over(other)
        else:
            assert self.ask("DELETE", f"/peer/{other.name}")[0] == 204


KINDS: Final[dict[str, type[Peer]]] = {"go": GoPeer, "our": OurPeer}


def wait_for_mesh(*peers: Peer, timeout_s: float = 30) -> None:
    """Wait until each is connected to each, and all know it."""
    for one in peers:
        for other in peers:
            if one is not other:
                wait_for_link(one, other, timeout_s)


def meet(one: Peer, two: Peer, address_range: str = RANGE) -> None:
    """Start both, the second one given the first, and wait until they know each other."""
    one.start(address_range=address_range)
    two.start(one, address_range=address_range)
    eventually(
        lambda: one.known_peers() == two.known_peers() == {one.name, two.name}, lambda: logs_of(one, two)
    )


def wait_for_link(one: Peer, other: Peer, timeout_s: float = 30) -> None:
    """Wait until the one knows of an established connection with the other."""
    eventually(lambda: one.is_connected_to(other), lambda: logs_of(one, other), timeout_s)


def wait_for_chain(chain: Sequence[Peer], timeout_s: float = 60) -> None:
    """Wait until every peer knows of all links of a line."""
    links = list(itertools.pairwise(chain))
    eventually(
        lambda: all(peer.knows_link(*link) for peer in chain for link in links),
        lambda: logs_of(*chain),
        timeout_s,
    )


def logs_of(*peers: Peer) -> str:
    """What a failed test shows."""
    return "\n".join(f"--- {peer.nickname}\n{peer.connection_lines()}{peer.log()}" for peer in peers)
