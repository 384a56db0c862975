"""Data planes in processes of their own, and a stand-in for the mesh that carries their control messages."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from typing import Any

from tests.kernel.namespaces import Host
from tests.kernel.plane_process import LINGER_S
from weave_cli.names import PeerName
from weave_cli.router.mesh.routes import widen

#: What the router's container has for the network, and nothing else.
_LEAST_PRIVILEGE = ("setpriv", "--bounding-set=-all,+net_admin,+net_raw")


class Plane:
    """One DataPlane on a host; events wait in order of arrival."""

    def __init__(self, host: Host, name: int, *, linger_s: float = LINGER_S) -> None:
        self.host = host
        self.name = name
        self._peers: dict[int, Plane] = {}
        self._passed_over: list[dict[str, Any]] = []
        self.neighbours: dict[int, Plane] = {}
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        program = [sys.executable, "-m", "tests.kernel.plane_process", f"{name:x}", f"{linger_s}"]
        enter = ["ip", "netns", "exec", host.namespace]
        self._process = subprocess.Popen(
            [*enter, *_LEAST_PRIVILEGE, *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def order(self, do: str, **facts: Any) -> None:
        """Send one order."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **facts}) + "\n")
        self._process.stdin.flush()

    def wait_for(self, event: str, timeout_s: float = 40) -> dict[str, Any]:
        """The next event of that kind; others are passed over."""
        while True:
            found = self._events.get(timeout=timeout_s)
            if found["event"] == event:
                return found
            self._passed_over.append(found)

    def attributes(self, conn: int) -> dict[str, Any]:
        self.order("attributes", conn=conn)
        return self.wait_for("attributes")

    def sleeve_pid(self) -> int | None:
        """Process id of its sleeve process; None while there is none."""
        self.order("sleeve")
        pid = self.wait_for("sleeve")["pid"]
        return None if pid is None else int(pid)

    def carriage(self) -> dict[str, str]:
        """What the kernel carries, by the neighbour's address."""
        self.order("carriage")
        return dict(self.wait_for("carriage")["to"])

    def unexpected(self) -> list[dict[str, Any]]:
        """Failures that were told and not waited for."""
        self.attributes(0)
        return [event for event in self._passed_over if event["event"] in ("failed", "problem")]

    def expect_control_from(self, conn: int, other: Plane) -> None:
        """Control messages of the connection go to the other plane."""
        self._peers[conn] = other

    def stop(self) -> None:
        """End it the orderly way, unless it has ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        self._process.wait(20)
        self._reader.join()
        self._process.stdout.close()

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self.stop()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = json.loads(line)
            if event["event"] == "control" and event["conn"] in self._peers:
                try:
                    facts = {key: event[key] for key in ("conn", "tag", "payload")}
                    self._peers[event["conn"]].order("control", **facts)
                except (BrokenPipeError, ValueError):
                    pass  # the other one has ended, as a TCP connection would show
            else:
                self._events.put(event)


def join(one: Plane, other: Plane, conn: int, **facts: Any) -> None:
    """Start a connection of that number at both ends, `one` being the dialler; tell all of the new routes."""
    one.expect_control_from(conn, other)
    other.expect_control_from(conn, one)
    for here, there in ((one, other), (other, one)):
        here.neighbours[there.name] = there
        here.order(
            "start",
            conn=conn,
            uid=conn * 1_000_003,
            peer=there.name,
            nickname=f"host{there.host.number}",
            ip=there.host.address,
            outbound=here is one,
            **facts,
        )
    tell_routes(one)


def part(one: Plane, other: Plane, conn: int) -> None:
    """End the connection at both ends, `one` first, and tell all of the new routes."""
    for here, there in ((one, other), (other, one)):
        here.order("end", conn=conn)
        del here.neighbours[there.name]
    for plane in (one, other):
        tell_routes(plane)


def tell_routes(start: Plane) -> None:
    """Tell every plane that can be reached from this one of the routes of them all, as the mesh does."""
    known = _reachable(start)

    def linked(name: PeerName) -> frozenset[PeerName]:
        return frozenset(map(PeerName, known[name].neighbours))

    for name, plane in known.items():
        us = PeerName(name)
        broadcast = {}
        for source in map(PeerName, known):
            found, hops = widen(source, linked, len(known), stop=us)
            broadcast[f"{source:x}"] = sorted(linked(us) - hops.keys()) if found else []
        unicast = {f"{name:x}": hop for name, hop in unicast_table(plane).items()}
        plane.order("routes", unicast=unicast, broadcast=broadcast)


def unicast_table(plane: Plane) -> dict[PeerName, PeerName]:
    """The plane's next hops, its own name included, as the mesh computes them."""
    known = _reachable(plane)
    _, hops = widen(
        PeerName(plane.name), lambda name: frozenset(map(PeerName, known[name].neighbours)), len(known)
    )
    return hops


def _reachable(start: Plane) -> dict[int, Plane]:
    known = {start.name: start}
    waiting = [start]
    while waiting:
        for name, plane in waiting.pop().neighbours.items():
            if name not in known:
                known[name] = plane
                waiting.append(plane)
    return known
