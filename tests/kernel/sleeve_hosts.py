"""Real sleeve processes on hosts in namespaces, and a driver that plays the router for each of them.

The driver runs in one thread: it carries control messages from one SleeveConnection to the other as TCP
would, feeds the processes, and computes routes over the links that are established.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.kernel.namespaces import Host, call_in
from weave_cli.host.tap import open_tap
from weave_cli.names import PeerName, format_peer_name
from weave_cli.router.mesh.routes import widen
from weave_cli.router.overlay.roles import Carriage, ControlReady, Established, Failed, Neighbour
from weave_cli.router.overlay.sleeve import LinkChanged, SleeveConnection, SpecialReady
from weave_cli.router.sleeve.message_codec import decode_message, encode_message
from weave_cli.router.sleeve.messages import (
    LARGEST_MESSAGE,
    BroadcastWanted,
    ForgetNeighbour,
    PathMtuFound,
    SendRefused,
    SendSpecial,
    SetBroadcast,
    SetNeighbour,
    SetRoutes,
    SpecialReceived,
    ToProcess,
    ToRouter,
)

PORT = 6783
#: As for other programs of the router's container; the process needs even less.
_NO_PRIVILEGE = ("setpriv", "--bounding-set=-all,+net_admin,+net_raw")


def _udp(address: str = "0.0.0.0") -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, PORT))
    return made


@dataclass(slots=True)
class _End:
    """One end of a connection."""

    conn_id: int
    sleeve: SleeveConnection
    other: SleeveHost
    session_key: bytes | None
    is_initiator: bool
    is_established: bool = False
    carriage: Carriage = Carriage.NOTHING


@dataclass(slots=True)
class SleeveHost:
    """A host with bridge, TAP device and sleeve process."""

    host: Host
    name: PeerName
    process: subprocess.Popen[bytes]
    control: socket.socket
    ends: dict[int, _End] = field(default_factory=dict)
    told: list[ToRouter] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def say(self, message: ToProcess) -> None:
        """Give the process a message."""
        self.control.send(encode_message(message))

    def say_neighbour(self, end: _End) -> None:
        """Tell the process what is known about that connection now."""
        link = end.sleeve.link
        self.say(
            SetNeighbour(
                conn_id=end.conn_id,
                name=end.other.name,
                address=link.address,
                session_key=end.session_key,
                is_initiator=end.is_initiator,
                mtu=link.mtu,
                max_payload=link.max_payload,
                fragments_pass=link.fragments_pass,
                carriage=end.carriage,
            )
        )

    def link_mtu(self, other: SleeveHost) -> int:
        """What containers may send to that neighbour unfragmented."""
        return next(end.sleeve.link.mtu for end in self.ends.values() if end.other is other)


class SleeveMesh:
    """All hosts of a test."""

    def __init__(self) -> None:
        self.hosts: list[SleeveHost] = []
        self._gone: list[SleeveHost] = []
        self._next_conn = 1
        self._lock = threading.RLock()
        self._stopping = False
        self._thread = threading.Thread(target=self._run)

    def launch(self, host: Host, *, mtu: int = 1500) -> SleeveHost:
        """Make bridge and TAP device, start the process. Call all launches before `start`."""
        name = PeerName(0x7A0000000000 + host.number)
        host.run(f"ip link add weave mtu {mtu} type bridge")
        host.run("ip link set weave up")
        tap = call_in(host.namespace, open_tap)
        host.run(f"ip link set weave-tap mtu {mtu} master weave up")
        host.run("bridge link set dev weave-tap learning off flood on")
        udp = call_in(host.namespace, _udp)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = [sys.executable, "-m", "weave_cli.router.sleeve", "--name", format_peer_name(name)]
        program += ["--tap", str(tap), "--udp", str(udp.fileno()), "--control", str(theirs.fileno())]
        process = subprocess.Popen(
            ["ip", "netns", "exec", host.namespace, *_NO_PRIVILEGE, *program],
            pass_fds=(tap, udp.fileno(), theirs.fileno()),
            stderr=subprocess.PIPE,
        )
        os.close(tap)
        udp.close()
        theirs.close()
        self.hosts.append(SleeveHost(host, name, process, ours))
        return self.hosts[-1]

    def start(self) -> None:
        """Begin to play the routers."""
        self._thread.start()

    def join(self, one: SleeveHost, other: SleeveHost, *, session_key: bytes | None = None) -> int:
        """Begin a connection that `one` dialled; its number."""
        with self._lock:
            conn_id = self._next_conn
            self._next_conn += 1
            for here, there in ((one, other), (other, one)):
                neighbour = Neighbour(
                    conn_id=conn_id,
                    uid=conn_id * 1_000_003,
                    name=there.name,
                    nickname=f"host{there.host.number}",
                    address=there.host.address,
                    udp_port=PORT,
                )
                is_initiator = here is one
                sleeve = SleeveConnection(
                    neighbour, us=here.name, is_initiator=is_initiator, is_sealed=session_key is not None
                )
                here.ends[conn_id] = _End(conn_id, sleeve, there, session_key, is_initiator)
                sleeve.start(time.monotonic())
            self._settle()
            return conn_id

    def part(self, conn_id: int) -> None:
        """End a connection."""
        with self._lock:
            for host in self.hosts:
                if host.ends.pop(conn_id, None) is not None:
                    host.say(ForgetNeighbour(conn_id=conn_id))
            self._route()

    def serve_by_vxlan(self, one: SleeveHost, other: SleeveHost) -> None:
        """Tell `one` that the kernel carries frames to `other`."""
        with self._lock:
            end = next(end for end in one.ends.values() if end.other is other)
            end.carriage = Carriage.EVERYTHING
            one.say_neighbour(end)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is read from the processes meanwhile."""
        with self._lock:
            yield

    def wait_until(self, is_true: Callable[[], bool], timeout_s: float = 20) -> None:
        """Wait for a condition that the thread makes true."""
        deadline = time.monotonic() + timeout_s
        while True:
            with self._lock:
                if is_true():
                    return
            assert time.monotonic() < deadline, [host.failures for host in self.hosts]
            time.sleep(0.02)

    def wait_established(self) -> None:
        """All connections carry frames, their path MTU is known, and all routes are told."""
        self.wait_until(
            lambda: all(
                end.is_established and end.sleeve.link.fragments_pass and not end.sleeve._search.is_searching
                for host in self.hosts
                for end in host.ends.values()
            )
        )

    def forget(self, host: SleeveHost) -> None:
        """The process of that host has ended, as the test wanted."""
        with self._lock:
            self.hosts.remove(host)
            self._gone.append(host)
        assert host.process.stderr is not None
        host.process.stderr.close()

    def stop(self) -> list[str]:
        """Let go of all processes, which must end by themselves and well; what they logged."""
        self._stopping = True
        if self._thread.ident is not None:
            self._thread.join()
        logs = []
        for host in self._gone:
            host.control.close()
        for host in self.hosts:
            host.control.close()
            _, errors = host.process.communicate(timeout=10)
            logs.append(errors.decode())
        hosts, self.hosts = self.hosts, []
        assert [host.process.returncode for host in hosts] == [0] * len(hosts), logs
        assert not any("Traceback" in log for log in logs), logs
        return logs

    def _run(self) -> None:
        poll = select.poll()
        by_fd = {host.control.fileno(): host for host in self.hosts}
        for fd in by_fd:
            poll.register(fd, select.POLLIN)
        while not self._stopping:
            ready = poll.poll(20)
            with self._lock:
                for fd, _ in ready:
                    self._hear(by_fd[fd])
                now = time.monotonic()
                for host in self.hosts:
                    for end in list(host.ends.values()):
                        wake = end.sleeve.next_wake()
                        if wake is not None and wake <= now:
                            end.sleeve.on_wake(now)
                self._settle()

    def _hear(self, host: SleeveHost) -> None:
        now = time.monotonic()
        while True:
            try:
                packet = host.control.recv(LARGEST_MESSAGE, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            if not packet:
                return
            message = decode_message(packet)
            host.told.append(message)  # type: ignore[arg-type]
            match message:
                case SpecialReceived(conn_id=conn_id, address=address, frame=frame):
                    if conn_id in host.ends:
                        host.ends[conn_id].sleeve.receive_special(frame, address, now)
                case PathMtuFound(conn_id=conn_id, path_mtu=path_mtu):
                    if conn_id in host.ends:
                        host.ends[conn_id].sleeve.on_path_mtu(path_mtu, now)
                case SendRefused(conn_id=conn_id, reason=reason):
                    if conn_id in host.ends:
                        host.ends[conn_id].sleeve.on_refusal(reason)
                case BroadcastWanted(source=source):
                    host.say(SetBroadcast(source=source, next_hops=self._broadcast(host, source)))

    def _settle(self) -> None:
        busy = True
        while busy:
            busy = False
            for host in self.hosts:
                for end in list(host.ends.values()):
                    while (event := end.sleeve.next_event()) is not None:
                        busy = True
                        self._do(host, end, event)

    def _do(self, host: SleeveHost, end: _End, event: object) -> None:
        match event:
            case LinkChanged():
                host.say_neighbour(end)
            case SpecialReady(frame=frame, dont_fragment=dont_fragment):
                host.say(SendSpecial(conn_id=end.conn_id, frame=frame, dont_fragment=dont_fragment))
            case ControlReady(sub_tag=sub_tag, body=body):
                there = end.other.ends.get(end.conn_id)
                if there is not None:
                    there.sleeve.receive_control(sub_tag, body, time.monotonic())
            case Established():
                end.is_established = True
                self._route()
            case Failed(reason=reason):
                host.failures.append(reason)

    def _neighbours(self, name: PeerName) -> frozenset[PeerName]:
        host = next(host for host in self.hosts if host.name == name)
        return frozenset(
            end.other.name
            for end in host.ends.values()
            if end.is_established and end.other.ends[end.conn_id].is_established
        )

    def _broadcast(self, host: SleeveHost, source: PeerName) -> tuple[PeerName, ...]:
        found, hops = widen(source, self._neighbours, len(self.hosts), stop=host.name)
        return tuple(sorted(self._neighbours(host.name) - hops.keys())) if found else ()

    def _route(self) -> None:
        for host in self.hosts:
            _, hops = widen(host.name, self._neighbours, len(self.hosts))
            unicast = {name: hop for name, hop in hops.items() if name != host.name}
            host.say(SetRoutes(unicast=unicast, broadcast=self._broadcast(host, host.name)))
