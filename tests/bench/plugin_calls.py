"""Says to the plugin of this host what Docker says in the life of a container: run inside a lab host.

    python -m tests.bench.plugin_calls COUNT

Prints the milliseconds that the plugin took for each life, one to a line. Its veth pairs are never moved into
a container, and the plugin deletes them itself.
"""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import sys
import time
from typing import Any, Final

_SOCKET: Final = "/run/docker/plugins/weavemesh.sock"


class _Plugin(http.client.HTTPConnection):
    """One connection to the plugin's socket."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(_SOCKET)

    def call(self, method: str, **body: Any) -> dict[str, Any]:
        self.request("POST", f"/{method}", json.dumps(body))
        answer: dict[str, Any] = json.loads(self.getresponse().read())
        if answer.get("Err"):
            sys.exit(f"{method}: {answer['Err']}")
        return answer


def main(count: int) -> None:
    plugin = _Plugin("localhost")
    pool = plugin.call("IpamDriver.RequestPool", AddressSpace="weavelocal")["PoolID"]
    network = secrets.token_hex(32)
    for _ in range(count):
        begun = time.perf_counter()
        _live(plugin, pool, network, secrets.token_hex(32))
        print((time.perf_counter() - begun) * 1000)


def _live(plugin: _Plugin, pool: str, network: str, endpoint: str) -> None:
    address = plugin.call("IpamDriver.RequestAddress", PoolID=pool, Address="", Options={})["Address"]
    names = {"NetworkID": network, "EndpointID": endpoint}
    interface = {"Address": address, "AddressIPv6": "", "MacAddress": ""}
    plugin.call("NetworkDriver.CreateEndpoint", **names, Interface=interface, Options={})
    plugin.call("NetworkDriver.Join", **names, SandboxKey=f"/run/docker/netns/{endpoint[:12]}", Options={})
    plugin.call("NetworkDriver.Leave", **names)
    plugin.call("NetworkDriver.DeleteEndpoint", **names)
    plugin.call("IpamDriver.ReleaseAddress", PoolID=pool, Address=address.partition("/")[0])


if __name__ == "__main__":
    main(int(sys.argv[1]))
