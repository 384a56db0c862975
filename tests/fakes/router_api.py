"""The router's HTTP API in memory, as far as daemons use it (specification http-api). Also a program:
`python -m tests.fakes.router_api [PORT]` serves until it is killed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from weave_cli.addresses import Cidr, format_address, parse_address, parse_cidr
from weave_cli.api.endpoints import INSTANCE_HEADER

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

OWN_NAME = "7a:00:00:00:00:01"
OWN_ORIGIN = 0x7A0000000001
OTHER_ORIGIN = 0x7A0000000002


class FakeRouterApi:
    """Public attributes are what a test sets and looks at; `start`, `stop`: a router comes and goes."""

    def __init__(self) -> None:
        self.default_subnet = parse_cidr("10.32.0.0/12")
        self.domain: str | None = "weave.local."
        self.ipam_status = "ready"
        self.ring = asyncio.Event()
        """Allocations and claims wait for it."""
        self.ring.set()
        self.waiting = 0
        """Calls that wait for it."""
        self.owned: dict[str, list[Cidr]] = {}
        self.foreign: dict[int, str] = {}
        """Addresses of other peers, with the peer's name."""
        self.names: set[tuple[str, int, int, str]] = set()
        """Container, origin, address, fqdn."""
        self.requests: list[str] = []
        self.instance = ""
        self.address = ""
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def start(self, port: int = 0) -> None:
        """Listen on loopback, on the same port each time, as a new process of the router."""
        self.instance = uuid.uuid4().hex
        self._runner = web.AppRunner(self._application(), handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port or self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.address = f"127.0.0.1:{self._port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def restart_forgetting_names(self) -> None:
        """What clients see of a router that was restarted between two of their calls."""
        self.instance = uuid.uuid4().hex
        self.names.clear()

    def add_name(self, container: str, address: str, fqdn: str, *, origin: int = OWN_ORIGIN) -> None:
        self.names.add((container, origin, parse_address(address), fqdn))

    def fqdns(self, container: str) -> list[str]:
        """`fqdn=address` of all names of a container."""
        return sorted(
            f"{fqdn}={format_address(address)}"
            for owner, _, address, fqdn in self.names
            if owner == container
        )

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._stamp])
        application.add_routes(
            [
                web.get("/ipinfo/defaultsubnet", self._default_subnet),
                web.get("/ip", self._owned),
                web.post("/ip/{id}", self._allocate),
                web.post("/ip/{id}/{ip}/{prefix}", self._allocate),
                web.put("/ip/{id}/{ip}/{prefix}", self._claim),
                web.delete("/ip/{id}", self._delete),
                web.get("/domain", self._domain),
                web.get("/name", self._names),
                web.put("/name/{container}/{ip}", self._add_name),
                web.delete("/name/{container}", self._remove_names),
                web.delete("/name/{container}/{ip}", self._remove_names),
                web.get("/report", self._report),
                web.get("/status", self._status),
            ]
        )
        return application

    @web.middleware
    async def _stamp(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        response: web.StreamResponse
        try:
            response = await handler(request)
        except web.HTTPNotFound:
            response = web.Response(status=404, text="404 page not found\n")
        response.headers[INSTANCE_HEADER] = self.instance
        return response

    async def _default_subnet(self, _request: web.Request) -> web.Response:
        return web.Response(text=str(self.default_subnet))

    async def _owned(self, _request: web.Request) -> web.Response:
        rows = [
            {"containerid": ident, "addrs": [str(cidr) for cidr in cidrs]}
            for ident, cidrs in self.owned.items()
        ]
        return web.json_response({"owned": rows or None})

    async def _allocate(self, request: web.Request) -> web.Response:
        await self._wait_for_ring()
        subnet = self.default_subnet
        if "ip" in request.match_info:
            subnet = parse_cidr(f"{request.match_info['ip']}/{request.match_info['prefix']}")
        taken = {cidr.address for cidrs in self.owned.values() for cidr in cidrs} | set(self.foreign)
        usable = subnet.usable
        address = next(one for one in range(usable.start, usable.end) if one not in taken)
        cidr = Cidr(address, subnet.prefix_len)
        self.owned.setdefault(self._ident(request, cidr), []).append(cidr)
        return web.Response(text=str(cidr))

    async def _claim(self, request: web.Request) -> web.Response:
        await self._wait_for_ring()
        cidr = parse_cidr(f"{request.match_info['ip']}/{request.match_info['prefix']}")
        ident = self._ident(request, cidr)
        if cidr.address in self.foreign:
            owner = self.foreign[cidr.address]
            text = f"Unable to claim: address {cidr} is owned by other peer {owner}\n"
            return web.Response(status=400, text=text)
        for other, cidrs in self.owned.items():
            if other != ident and any(one.address == cidr.address for one in cidrs):
                text = f"Unable to claim: address {cidr} is already owned by {other}\n"
                return web.Response(status=400, text=text)
        self.owned[ident] = [cidr]
        return web.Response(status=204)

    async def _delete(self, request: web.Request) -> web.Response:
        ident = request.match_info["id"]
        if self.owned.pop(ident, None) is None:
            return web.Response(status=400, text=f"Delete: no addresses for {ident}\n")
        return web.Response(status=204)

    async def _domain(self, _request: web.Request) -> web.Response:
        if self.domain is None:
            raise web.HTTPNotFound
        return web.Response(text=self.domain)

    async def _names(self, request: web.Request) -> web.Response:
        if request.headers.get("Accept") != "application/json":
            return web.Response(status=405)
        rows = [
            {
                "ContainerID": container,
                "Origin": origin,
                "Addr": format_address(address),
                "Hostname": fqdn,
                "Version": 0,
                "Tombstone": 0,
            }
            for container, origin, address, fqdn in sorted(self.names)
        ]
        return web.Response(text=json.dumps(rows or None))

    async def _add_name(self, request: web.Request) -> web.Response:
        fqdn = str((await request.post())["fqdn"])
        address = parse_address(request.match_info["ip"])
        self.names.add((request.match_info["container"], OWN_ORIGIN, address, fqdn))
        return web.Response(status=204)

    async def _remove_names(self, request: web.Request) -> web.Response:
        address = request.match_info.get("ip")
        fqdn = request.query.get("fqdn")
        self.names = {
            name
            for name in self.names
            if name[0] != request.match_info["container"]
            or name[1] != OWN_ORIGIN
            or (address is not None and name[2] != parse_address(address))
            or (fqdn is not None and name[3] != fqdn)
        }
        return web.Response(status=204)

    async def _report(self, request: web.Request) -> web.Response:
        assert request.query["format"] == "{{.Router.Name}}"
        return web.Response(text=OWN_NAME)

    async def _status(self, _request: web.Request) -> web.Response:
        return web.Response(
            text="        Version: 2.8.1\n\n        Service: router\n\n        Service: ipam\n"
            f"         Status: {self.ipam_status}\n          Range: {self.default_subnet}\n"
        )

    async def _wait_for_ring(self) -> None:
        self.waiting += 1
        try:
            await self.ring.wait()
        finally:
            self.waiting -= 1

    @staticmethod
    def _ident(request: web.Request, cidr: Cidr) -> str:
        ident = request.match_info["id"]
        return format_address(cidr.address) if ident == "_" else ident


@asynccontextmanager
async def running_router() -> AsyncIterator[FakeRouterApi]:
    """A router that listens for as long as the context lasts."""
    router = FakeRouterApi()
    await router.start()
    try:
        yield router
    finally:
        await router.stop()


async def _serve(port: int) -> None:
    await FakeRouterApi().start(port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]) if len(sys.argv) > 1 else 6784))
