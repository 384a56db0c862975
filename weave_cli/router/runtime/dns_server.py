"""weaveDNS on its address: a thread for UDP, and a thread with an event loop for TCP and upstream servers.

Neither is the router's own event loop: names are answered while that one works, and a flood of questions
does not hold up the mesh.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import threading
from pathlib import Path
from typing import Any, Final

from weave_cli.router.nameserver.answers import Answerer, server_failure
from weave_cli.router.runtime.dns_datagrams import ChangingNames, DatagramLoop
from weave_cli.router.runtime.dns_resolv_conf import ResolvConf
from weave_cli.router.runtime.dns_sockets import ANY_ADDRESS, AnyAddressSocket, open_sockets, wake_reader
from weave_cli.router.runtime.dns_streams import StreamService
from weave_cli.router.runtime.dns_upstream import READ_TIMEOUT_S, Upstream

log = logging.getLogger(__name__)

_DNS_PORT: Final = 53


class DnsServer:
    """Serves the names of a registry; `start` and `stop` may be called from a program with an event loop.

    `domain`: absolute, with final dot. `ttl`: seconds. Servers of `resolv_conf` listen on `upstream_port`.
    """

    def __init__(
        self,
        listen_address: str,
        port: int,
        registry: ChangingNames,
        *,
        domain: str,
        ttl: int = 1,
        resolv_conf: str | Path = "/etc/resolv.conf",
        fallback_timeout_s: float = READ_TIMEOUT_S,
        upstream_port: int = _DNS_PORT,
        address_may_come: bool = False,
    ) -> None:
        """address_may_come: it need not be an address of this host yet."""
        self._address_may_come = address_may_come
        self.listen_address = listen_address
        self.port = port
        self._registry = registry
        self._answerer = Answerer(registry, domain=domain, ttl=ttl, rng=random.Random())
        self._resolv_conf = ResolvConf(resolv_conf, self._is_ours)
        self._fallback_timeout_s = fallback_timeout_s
        self._upstream_port = upstream_port
        self._serving: _Serving | None = None

    def start(self) -> None:
        """Listen and serve. Raises HostProblem that names the address and who is in the way."""
        assert self._serving is None, "started twice"
        upstream = Upstream(
            self._resolv_conf.servers, port=self._upstream_port, read_timeout_s=self._fallback_timeout_s
        )
        sockets = open_sockets(self.listen_address, self.port, may_come=self._address_may_come)
        self._serving = _Serving(sockets, self.listen_address, self._registry, self._answerer, upstream)
        self.port = self._serving.port
        self._serving.start()
        log.info("weaveDNS listens on %s:%d", self.listen_address, self.port)

    def stop(self) -> None:
        """Close the sockets and wait for the threads, which takes no longer than the work in hand."""
        serving, self._serving = self._serving, None
        if serving is not None:
            serving.stop()

    def upstream_servers(self) -> tuple[str, ...]:
        """The servers that names outside the mesh are asked from."""
        return self._resolv_conf.servers()

    def _is_ours(self, server: str) -> bool:
        """Would a question to that server come back to us?"""
        if self.listen_address == ANY_ADDRESS and self.port == _DNS_PORT:
            return server.startswith("127.")
        return server == self.listen_address


class _Serving:
    """The sockets and threads of a server that has been started."""

    def __init__(
        self,
        sockets: tuple[socket.socket, socket.socket],
        address: str,
        names: ChangingNames,
        answerer: Answerer,
        upstream: Upstream,
    ) -> None:
        """sockets: for UDP and TCP, on that address."""
        self._udp, self._tcp = sockets
        self.port: int = self._udp.getsockname()[1]
        self._datagrams = AnyAddressSocket(self._udp) if address == ANY_ADDRESS else self._udp
        self._loop = DatagramLoop(self._datagrams, names, answerer, self._ask_upstream)
        self._upstream = upstream
        self._streams = StreamService(answerer, upstream)
        self._relays: set[asyncio.Task[None]] = set()
        self._fast = threading.Thread(target=self._loop.run, name="dns-udp", daemon=True)
        self._slow = threading.Thread(target=self._run_slow_loop, name="dns-tcp", daemon=True)
        self._has_slow_loop = threading.Event()
        self._slow_loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event

    def start(self) -> None:
        self._slow.start()
        self._has_slow_loop.wait()
        self._fast.start()

    def stop(self) -> None:
        self._loop.stop()
        wake_reader(self._udp)
        self._fast.join()
        self._slow_loop.call_soon_threadsafe(self._stopping.set)
        self._slow.join()
        self._udp.close()

    def _run_slow_loop(self) -> None:
        asyncio.run(self._serve_slowly())

    async def _serve_slowly(self) -> None:
        self._slow_loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._has_slow_loop.set()
        server = await asyncio.start_server(self._streams.accept, sock=self._tcp)
        await self._stopping.wait()
        server.close()

    def _ask_upstream(self, query: bytes, client: Any) -> bytes | None:
        """Let the slow loop answer; called in the fast thread, which must not wait."""
        if not self._upstream.reserve():
            return server_failure(query)
        self._slow_loop.call_soon_threadsafe(self._start_relay, query, client)
        return None

    def _start_relay(self, query: bytes, client: Any) -> None:
        task = self._slow_loop.create_task(self._relay(query, client))
        self._relays.add(task)
        task.add_done_callback(self._relays.discard)

    async def _relay(self, query: bytes, client: Any) -> None:
        answer = await self._upstream.ask(query, over_tcp=False)
        try:
            self._datagrams.sendto(answer, client)
        except OSError as problem:
            log.debug("cannot answer %s: %s", client, problem)
