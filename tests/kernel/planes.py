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

#: What the router's container has for the network, and nothing else.
_LEAST_PRIVILEGE = ("setpriv", "--bounding-set=-all,+net_admin,+net_raw")


class Plane:
    """One DataPlane on a host; events wait in order of arrival."""

    def __init__(self, host: Host, name: int, *, linger_s: float = LINGER_S) -> None:
        self.host = host
        self.name = name
        self._peers: dict[int, Plane] = {}
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

    def attributes(self, conn: int) -> dict[str, Any]:
        self.order("attributes", conn=conn)
        return self.wait_for("attributes")

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
                    self._peers[event["conn"]].order("control", conn=event["conn"], payload=event["payload"])
                except (BrokenPipeError, ValueError):
                    pass  # the other one has ended, as a TCP connection would show
            else:
                self._events.put(event)


def join(one: Plane, other: Plane, conn: int) -> None:
    """Start a connection of that number at both ends."""
    one.expect_control_from(conn, other)
    other.expect_control_from(conn, one)
    for here, there in ((one, other), (other, one)):
        here.order(
            "start",
            conn=conn,
            uid=conn * 1_000_003,
            peer=there.name,
            nickname=f"host{there.host.number}",
            ip=there.host.address,
        )
