"""A network plugin that does nothing: the least that any plugin can cost. Run inside a lab host.

    python -m tests.bench.idle_plugin DRIVER SUBNET PAIRS [leaving]

`leaving`: it goes without taking its socket along, as many plugins do. Each endpoint gets one of PAIRS pairs
of devices that were made before, and every answer is ready when the question comes. Says `ready`; SIGTERM
ends it, and what it made goes with it. Raw sockets, a thread for each connection: an HTTP library would cost
more than the answers.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Any, BinaryIO

from weave_cli.addresses import format_address, parse_subnet
from weave_cli.host.veth import create_endpoint_veth, delete_link
from weave_cli.names import PLUGIN_SOCKET_DIRECTORY

Answer = dict[str, Any]


class _IdlePlugin:
    def __init__(self, driver: str, subnet: str, pairs: int) -> None:
        self._path = f"{PLUGIN_SOCKET_DIRECTORY}/{driver}.sock"
        self._driver = driver
        self._subnet = parse_subnet(subnet)
        self._next = self._subnet.address
        self._names = [f"bi{number}" for number in range(pairs)]
        self._ready: queue.Queue[tuple[str, str]] = queue.Queue()
        self._taken: dict[str, str] = {}
        self._bare: set[str] = set()

    def prepare(self) -> socket.socket:
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        for name in self._names:
            delete_link(f"{name}l")  # of a life that ended in a crash
            made = create_endpoint_veth(f"{name}l", f"{name}g", second_name=f"{name}x")
            self._ready.put((f"{name}x", made.mac))
        os.makedirs(PLUGIN_SOCKET_DIRECTORY, exist_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self._path)
        listener.listen()
        return listener

    def clear(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        for name in self._names:
            delete_link(f"{name}l")

    def serve(self, connection: socket.socket) -> None:
        """Answer on one connection until it ends."""
        with connection, connection.makefile("rb") as asked:
            while question := _read(asked):
                method, body = question
                answer = json.dumps(self._answer(method, body)).encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)

    def _answer(self, method: str, body: Answer) -> Answer:
        match method:
            case "Plugin.Activate":
                return {"Implements": ["NetworkDriver", "IpamDriver"]}
            case "NetworkDriver.GetCapabilities":
                return {"Scope": "local"}
            case "IpamDriver.GetDefaultAddressSpaces":
                return {
                    "LocalDefaultAddressSpace": self._driver,
                    "GlobalDefaultAddressSpace": f"{self._driver}-global",
                }
            case "IpamDriver.RequestPool":
                gateway = {"com.docker.network.gateway": str(self._subnet)}
                return {"PoolID": self._driver, "Pool": str(self._subnet), "Data": gateway}
            case "IpamDriver.RequestAddress":
                self._next += 1
                return {"Address": f"{format_address(self._next)}/{self._subnet.prefix_len}"}
            case "NetworkDriver.CreateNetwork":
                if "bare" in body["Options"].get("com.docker.network.generic", {}):
                    self._bare.add(body["NetworkID"])
                return {}
            case "NetworkDriver.CreateEndpoint" | "NetworkDriver.Join" if body["NetworkID"] in self._bare:
                return {}
            case "NetworkDriver.CreateEndpoint":
                name, mac = self._ready.get_nowait()
                self._taken[body["EndpointID"]] = name
                return {"Interface": {"MacAddress": mac}}
            case "NetworkDriver.Join":
                return {
                    "InterfaceName": {"SrcName": self._taken[body["EndpointID"]], "DstPrefix": "ethwe"},
                    "StaticRoutes": [{"Destination": "224.0.0.0/4", "RouteType": 1, "NextHop": ""}],
                    "Gateway": "",
                    "GatewayIPv6": "",
                }
            case "NetworkDriver.EndpointOperInfo":
                return {"Value": {}}
            case _:
                return {}


def _read(asked: BinaryIO) -> tuple[str, Answer] | None:
    """Method and body of the next request; None at the end."""
    words = asked.readline().split()
    if not words:
        return None
    length = 0
    while (line := asked.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    body = asked.read(length)
    return words[1].decode().removeprefix("/"), json.loads(body) if body else {}


def main(driver: str, subnet: str, pairs: int, *, leaves_socket: bool) -> None:
    plugin = _IdlePlugin(driver, subnet, pairs)

    def end(*_: object) -> None:
        if leaves_socket:
            os._exit(0)
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    try:
        listener = plugin.prepare()
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=plugin.serve, args=(connection,), daemon=True).start()
    finally:
        plugin.clear()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), leaves_socket=sys.argv[4:] == ["leaving"])
