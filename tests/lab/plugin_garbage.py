"""Sends garbage to a socket of the plugin; a program for the inside of a lab host. The seed is fixed.

    python -m tests.lab.plugin_garbage SOCKET

Octets that are no HTTP, HTTP that is odd, and calls whose every field is wrong in every way. Ends with status
0 when all were answered, and none with an unforeseen error; else it tells what was answered to what.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

_OCTETS: Final = 10_000
#: Longer than the plugin's deadline for a call.
_PATIENCE_S: Final = 20.0

_ID: Final = "0badf00d0badf00d0badf00d0badf00d0badf00d0badf00d0badf00d0badf00d"
_ENDPOINT: Final = {"NetworkID": _ID, "EndpointID": _ID}
_POOL: Final = "weave-10.40.0.0/16-10.40.0.0/16"
#: Calls with all fields of specification plugin, sections 4 and 5, as Docker would fill them.
_CALLS: Final[Mapping[str, dict[str, Any]]] = {
    "Plugin.Activate": {},
    "NetworkDriver.GetCapabilities": {},
    "NetworkDriver.AllocateNetwork": {
        "NetworkID": _ID,
        "Options": {"a": "b"},
        "IPv4Data": [],
        "IPv6Data": [],
    },
    "NetworkDriver.FreeNetwork": {"NetworkID": _ID},
    "NetworkDriver.CreateNetwork": {
        "NetworkID": _ID,
        "Options": {"com.docker.network.generic": {"works.weave.multicast": "true"}},
        "IPv4Data": [{"AddressSpace": "weavelocal", "Pool": "10.40.0.0/16"}],
    },
    "NetworkDriver.DeleteNetwork": {"NetworkID": _ID},
    "NetworkDriver.CreateEndpoint": {
        **_ENDPOINT,
        "Interface": {"Address": "10.40.0.77/16", "MacAddress": "02:00:00:00:00:01"},
    },
    "NetworkDriver.EndpointOperInfo": _ENDPOINT,
    "NetworkDriver.DeleteEndpoint": _ENDPOINT,
    "NetworkDriver.Join": {**_ENDPOINT, "SandboxKey": "/var/run/docker/netns/0badf00d", "Options": {}},
    "NetworkDriver.Leave": _ENDPOINT,
    "NetworkDriver.DiscoverNew": {"DiscoveryType": 1, "DiscoveryData": {"Address": "10.0.0.1", "Self": True}},
    "NetworkDriver.DiscoverDelete": {"DiscoveryType": 1, "DiscoveryData": {}},
    "NetworkDriver.ProgramExternalConnectivity": {**_ENDPOINT, "Options": {}},
    "NetworkDriver.RevokeExternalConnectivity": _ENDPOINT,
    "IpamDriver.GetCapabilities": {},
    "IpamDriver.GetDefaultAddressSpaces": {},
    "IpamDriver.RequestPool": {
        "AddressSpace": "weavelocal",
        "Pool": "10.40.0.0/16",
        "SubPool": "10.40.1.0/24",
        "Options": {},
        "V6": False,
    },
    "IpamDriver.ReleasePool": {"PoolID": _POOL},
    "IpamDriver.RequestAddress": {
        "PoolID": _POOL,
        "Address": "10.40.0.77",
        "Options": {"RequestAddressType": "com.docker.network.gateway"},
    },
    "IpamDriver.ReleaseAddress": {"PoolID": _POOL, "Address": "10.40.0.78"},
}

#: Nothing that an address, an id, a path, an option or a list of them may be.
_WRONG: Final[tuple[Any, ...]] = (
    *(None, True, 5, -1, 1e300, [], {}, [[]], [None], {"": None}, {"\ud800": 1}, [5, "x"]),
    *("", " ", "%d", "..", "a/b", "a\0b", "a\nb", "\ud800", "\U0001f574" * 9, "x" * 5000, "'; DROP TABLE"),
    *("10.40.0.0/99", "10.40.0.300", "fd00::1/64", "weave-1/2-3/4", "weave-10.40.0.1/16-10.40.0.0/8"),
    *("zz:zz:zz:zz:zz:zz", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "02:00"),
)


def _spoiled(good: Any) -> Iterator[Any]:
    """The value with each of its parts, at every depth, missing or replaced by each wrong one."""
    if isinstance(good, dict):
        for key in good:
            yield {other: good[other] for other in good if other != key}
            for part in (*_WRONG, *_spoiled(good[key])):
                yield {**good, key: part}
    elif isinstance(good, list):
        for part in good:
            yield from ([changed] for changed in _spoiled(part))


def _odd_requests(rng: random.Random) -> Iterator[bytes]:
    """Each is answered with a status of the 400s."""
    path = b"/NetworkDriver.Join"
    for method in (b"GET", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH", b"NONSENSE"):
        yield method + b" " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    for wrong in (
        b"/",
        b"//",
        b"/NetworkDriver",
        b"/../etc/passwd",
        b"/%00",
        b"/" + b"a" * 7000,
        b"*",
        b"http://x",
    ):
        yield b"POST " + wrong + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    yield b"POST " + b"/" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    yield b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 100_000 + b"\r\n\r\n"
    headers = b"".join(b"X-%d: %s\r\n" % (number, rng.randbytes(8).hex().encode()) for number in range(5000))
    yield b"POST " + path + b" HTTP/1.1\r\n" + headers + b"\r\n"
    for header in (
        *(b"Content-Length: -1", b"Content-Length: x", b"Content-Length: 99999999", b"Transfer-Encoding: x"),
        *(b"no colon", b"\0: \0", b"Content-Length: 2\r\nContent-Length: 3"),
    ):
        yield b"POST " + path + b" HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n\r\n{}"
    yield b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"
    yield b"POST " + path + b" HTTP/9.9\r\nHost: x\r\n\r\n"
    yield b"POST\r\n\r\n"


def _odd_bodies() -> Iterator[bytes]:
    """None is a JSON object."""
    yield from (b"{", b"[]", b"null", b"5", b'"x"', b"\xff\xfe", b"\0", b"{}{}", b'{"a":}', b"1" * 5000)
    yield from (b"[" * 100_000, b'{"a":' * 50_000, b" " * (1 << 20) + b"{}")


class Attack:
    """One socket of the plugin, and what it answered that it should not."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.wrong: list[str] = []

    def send_noise(self, rng: random.Random) -> None:
        """Nothing is expected but the end."""
        for _ in range(20):
            self._exchange(rng.randbytes(_OCTETS // 20), hangs_up=True)

    def send_odd_http(self, rng: random.Random) -> None:
        for request in _odd_requests(rng):
            answer = self._exchange(request)
            if not answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")):
                self.wrong.append(f"{request[:200]!r}: {answer[:200]!r}")
        for body in _odd_bodies():
            self._call("NetworkDriver.Join", body, allowed=(400,))

    def send_spoiled_calls(self) -> None:
        for name, good in _CALLS.items():
            for changed in _spoiled(good):
                reply = self._call(name, json.dumps(changed).encode())
                if reply is not None:
                    self._take_back(name, changed, reply)

    def _take_back(self, name: str, body: Mapping[str, Any], reply: Mapping[str, Any]) -> None:
        """Undo a call that was agreed to in spite of its wrong field."""
        if name == "IpamDriver.RequestAddress":
            given = {"PoolID": _POOL, "Address": reply["Address"].partition("/")[0]}
            self._call("IpamDriver.ReleaseAddress", json.dumps(given).encode(), allowed=(200,))
        elif name in ("NetworkDriver.CreateNetwork", "NetworkDriver.CreateEndpoint"):
            self._call(name.replace("Create", "Delete"), json.dumps(body).encode(), allowed=(200,))

    def _call(
        self, name: str, body: bytes, *, allowed: tuple[int, ...] = (200, 400, 404, 500)
    ) -> Mapping[str, Any] | None:
        """What a call was answered with; None for a refusal."""
        connection = http.client.HTTPConnection("plugin")
        with self._connect() as opened:
            connection.sock = opened
            connection.request("POST", f"/{name}", body)
            answer = connection.getresponse()
            text = answer.read()
        if answer.status not in allowed or b"defect" in text:
            self.wrong.append(f"{name} {body[:300]!r}: {answer.status} {text[:300]!r}")
        if answer.status != 200:
            return None
        reply = json.loads(text)
        assert isinstance(reply, dict), text
        return reply

    def _exchange(self, octets: bytes, *, hangs_up: bool = False) -> bytes:
        """Say it, and read what there is to read until the end of the headers."""
        answer = b""
        with self._connect() as opened:
            try:
                opened.sendall(octets)
                if hangs_up:
                    opened.shutdown(socket.SHUT_WR)
                while b"\r\n\r\n" not in answer and (piece := opened.recv(65536)):
                    answer += piece
            except (ConnectionResetError, BrokenPipeError):
                pass
        return answer

    def _connect(self) -> socket.socket:
        opened = socket.socket(socket.AF_UNIX)
        opened.settimeout(_PATIENCE_S)
        opened.connect(self._path)
        return opened


def main(path: str) -> int:
    rng = random.Random(path)
    attack = Attack(path)
    attack.send_noise(rng)
    attack.send_odd_http(rng)
    attack.send_spoiled_calls()
    sys.stderr.write("".join(f"{line}\n" for line in attack.wrong))
    return 1 if attack.wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
