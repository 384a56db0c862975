"""The handlers of the HTTP API: parse, ask a role, answer (specification http-api, sections 2 to 6).

Errors are WeaveErrors; the server turns them into `400 text`. Nothing here knows how the work is done.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from multidict import MultiDict, MultiMapping

from weave_cli.addresses import Address, Cidr, format_address, parse_address, parse_cidr, parse_subnet
from weave_cli.errors import RouterProblem, UsageProblem, WeaveError
from weave_cli.reports import Report
from weave_cli.router.http import status_text
from weave_cli.router.http.roles import (
    AddressService,
    ExposureService,
    NameService,
    NetworkService,
    RealmService,
    RouterService,
)
from weave_cli.router.http.template import TemplateRunError, render_template
from weave_cli.router.http.template_syntax import TemplateSyntaxError

#: What a waiting call answers when we ended it ourselves: the container died, or we are leaving.
_CANCELLED: Final = "cancelled"
_TRUE_WORDS: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE_WORDS: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})

Pages = dict[str, Callable[[Report], str]]

STATUS_PAGES: Final[Pages] = {
    "/status": status_text.overview,
    "/status/targets": status_text.targets,
    "/status/connections": status_text.connections,
    "/status/peers": status_text.peers,
    "/status/dns": status_text.dns,
    "/status/ipam": status_text.ipam,
}


class RouterCalls:
    """Targets, status and report."""

    def __init__(self, router: RouterService) -> None:
        self._router = router

    def routes(self) -> list[web.RouteDef]:
        without_allocator = [web.delete("/peer/{id}", self.take_over_nothing)]
        return [
            *(without_allocator if self._router.addresses is None else ()),
            web.post("/connect", self.connect),
            web.post("/forget", self.forget),
            web.delete("/peer", self.leave),
            web.get("/inquiry/{want}", self.inquire, allow_head=False),
            *self.telling_routes(),
        ]

    def telling_routes(self) -> list[web.RouteDef]:
        """Those that only tell."""
        return [
            web.get("/report", self.report, allow_head=False),
            web.get("/metrics", self.metrics, allow_head=False),
            *(web.get(path, self.status, allow_head=False) for path in STATUS_PAGES),
        ]

    async def connect(self, request: web.Request) -> web.Response:
        form = await _form(request)
        problems = await self._router.connect(_all(form, "peer"), replace=_flag(form, "replace"))
        if problems:
            return text_answer("".join(f"{line}\n" for line in problems), status=400)
        return web.Response()

    async def forget(self, request: web.Request) -> web.Response:
        self._router.forget(_all(await _form(request), "peer"))
        return web.Response()

    async def leave(self, _request: web.Request) -> web.Response:
        await self._router.leave()
        return web.Response(status=204)

    async def inquire(self, request: web.Request) -> web.Response:
        """A call of ours: what the peers tell of themselves, as JSON."""
        answers = await self._router.inquire(request.match_info["want"])
        rows = [{"name": one.name, "nickname": one.nickname, "content": one.content} for one in answers]
        return web.json_response(rows)

    async def take_over_nothing(self, _request: web.Request) -> web.Response:
        """Without an allocator no peer has anything to take over."""
        return web.Response()

    async def status(self, request: web.Request) -> web.Response:
        try:
            text = STATUS_PAGES[request.path](self._router.report())
        except status_text.NoSuchPage:
            return text_answer("error during template execution\n", status=500)
        ready = request.path != "/status" or self._router.is_ready
        return text_answer(text, status=200 if ready else 503)

    async def metrics(self, _request: web.Request) -> web.Response:
        # Most routers are never asked for it, and the library costs memory and a tenth of a second.
        from weave_cli.router.http.metrics import CONTENT_TYPE, metrics

        return web.Response(body=metrics(self._router.report()), headers={"Content-Type": CONTENT_TYPE})

    async def report(self, request: web.Request) -> web.Response:
        report = self._router.report()
        if _accepts_json(request):
            text = json.dumps(report, indent=4, ensure_ascii=False)
            return web.Response(body=text.encode("utf-8", "replace"), content_type="application/json")
        formats = request.query.getall("format", [])
        if len(formats) != 1:
            return text_answer("error: must supply one format parameter\n", status=400)
        try:
            return text_answer(render_template(formats[0], {"IPAM": None, "DNS": None, **report}))
        except TemplateSyntaxError as problem:
            return text_answer(f"template: format:1: {problem}\n", status=400)
        except TemplateRunError:
            return text_answer("error during template execution\n", status=500)


class ExposureCalls:
    """The host's own addresses. Hiding is a call of ours: Go's script takes the address away itself."""

    def __init__(self, exposures: ExposureService) -> None:
        self._exposures = exposures

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/expose/{ip}/{prefix}", self.expose),
            web.delete("/expose/{ip}/{prefix}", self.hide),
        ]

    async def expose(self, request: web.Request) -> web.Response:
        cidr = _exposed(request)
        text = (await _form(request)).get("skipNAT", "false")
        if text not in _TRUE_WORDS | _FALSE_WORDS:
            raise UsageProblem(f"unable to parse skipNAT option: {text}")
        try:
            await self._exposures.expose(cidr, masquerades=text not in _TRUE_WORDS)
        except WeaveError as problem:
            return text_answer(f"unable to expose: {problem.message}\n", status=500)
        return web.Response(status=204)

    async def hide(self, request: web.Request) -> web.Response:
        cidr = _exposed(request)
        try:
            await self._exposures.hide(cidr)
        except WeaveError as problem:
            return text_answer(f"unable to hide: {problem.message}\n", status=500)
        return web.Response(status=204)


class RealmCalls:
    """Isolated networks: calls of ours, which the plugin makes."""

    def __init__(self, realms: RealmService) -> None:
        self._realms = realms

    def routes(self) -> list[web.RouteDef]:
        return [web.put("/realm/{key}", self.ensure), web.delete("/realm/{key}", self.drop)]

    async def ensure(self, request: web.Request) -> web.Response:
        return text_answer((await self._realms.ensure(request.match_info["key"])).bridge)

    async def drop(self, request: web.Request) -> web.Response:
        return web.Response(status=204 if await self._realms.drop(request.match_info["key"]) else 404)


class NetworkCalls:
    """Networks that are the same on all hosts: calls of ours, for the command line and the plugin."""

    def __init__(self, networks: NetworkService) -> None:
        self._networks = networks

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/network", self.listed, allow_head=False),
            web.put("/network/{name}", self.create),
            web.delete("/network/{name}", self.remove),
        ]

    async def listed(self, _request: web.Request) -> web.Response:
        return web.Response(text=_json(self._networks.networks()) + "\n", content_type="application/json")

    async def create(self, request: web.Request) -> web.Response:
        form = await _form(request)
        options = dict(word.partition("=")[::2] for word in _all(form, "option"))
        subnet = form.get("subnet")
        self._networks.create(
            request.match_info["name"],
            parse_subnet(subnet) if subnet else None,
            options,
            is_internal=_flag(form, "internal"),
        )
        return web.Response(status=204)

    async def remove(self, request: web.Request) -> web.Response:
        self._networks.remove(request.match_info["name"])
        return web.Response(status=204)


class AddressCalls:
    """The allocator's part."""

    def __init__(self, addresses: AddressService) -> None:
        self._addresses = addresses

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/ipinfo/defaultsubnet", self.default_subnet, allow_head=False),
            web.get("/ipinfo/tracker", self.tracker, allow_head=False),
            web.get("/ring", self.ring, allow_head=False),
            web.get("/ip", self.owned, allow_head=False),
            web.post("/ip/{id}", self.allocate),
            web.post("/ip/{id}/{ip}/{prefix}", self.allocate),
            web.get("/ip/{id}", self.lookup, allow_head=False),
            web.get("/ip/{id}/{ip}/{prefix}", self.lookup, allow_head=False),
            web.put("/ip/{id}/{ip}/{prefix}", self.claim),
            web.delete("/ip/{id}/{ip}", self.free),
            web.delete("/ip/{id}", self.delete),
            web.delete("/peer/{id}", self.take_over),
        ]

    async def default_subnet(self, _request: web.Request) -> web.Response:
        return text_answer(str(self._addresses.default_subnet))

    async def tracker(self, _request: web.Request) -> web.Response:
        return text_answer("\n")

    async def ring(self, _request: web.Request) -> web.Response:
        return web.Response() if await self._addresses.wait_for_ring() else text_answer(_CANCELLED)

    async def owned(self, _request: web.Request) -> web.Response:
        books = [
            {"containerid": ident, "addrs": [str(cidr) for cidr in cidrs]}
            for ident, cidrs in self._addresses.owned().items()
        ]
        return web.Response(text=_json({"owned": books or None}) + "\n", content_type="application/json")

    async def allocate(self, request: web.Request) -> web.Response:
        subnet = self._subnet(request)
        check_alive = _flag(await _form(request), "check-alive")
        cidr = await self._addresses.allocate(request.match_info["id"], subnet, is_container=check_alive)
        return text_answer(_CANCELLED if cidr is None else str(cidr))

    async def lookup(self, request: web.Request) -> web.Response:
        cidrs = self._addresses.lookup(request.match_info["id"], self._subnet(request))
        return text_answer(" ".join(str(cidr) for cidr in cidrs))

    async def claim(self, request: web.Request) -> web.Response:
        cidr = parse_cidr(_cidr_text(request))
        form = await _form(request)
        claimed = await self._addresses.claim(
            request.match_info["id"],
            cidr,
            no_error_on_unknown=_flag(form, "noErrorOnUnknown"),
            is_container=_flag(form, "check-alive"),
        )
        return web.Response(status=204) if claimed else text_answer(_CANCELLED)

    async def free(self, request: web.Request) -> web.Response:
        self._addresses.free(request.match_info["id"], parse_address(request.match_info["ip"]))
        return web.Response(status=204)

    async def delete(self, request: web.Request) -> web.Response:
        self._addresses.delete(request.match_info["id"])
        return web.Response(status=204)

    async def take_over(self, request: web.Request) -> web.Response:
        peer = request.match_info["id"]
        return text_answer(f"{self._addresses.take_over(peer)} IPs taken over from {peer}\n")

    def _subnet(self, request: web.Request) -> Cidr:
        return (
            parse_subnet(_cidr_text(request))
            if "ip" in request.match_info
            else self._addresses.default_subnet
        )


class NameCalls:
    """weaveDNS's part."""

    def __init__(self, names: NameService) -> None:
        self._names = names

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/domain", self.domain, allow_head=False),
            web.get("/dns-address", self.address, allow_head=False),
            web.get("/dns-address-port", self.address_port, allow_head=False),
            web.get("/name", self.records, allow_head=False),
            web.put("/name/{container}/{ip}", self.add),
            web.delete("/name", self.remove),
            web.delete("/name/{container}", self.remove),
            web.delete("/name/{container}/{ip}", self.remove),
        ]

    async def domain(self, _request: web.Request) -> web.Response:
        return text_answer(self._names.domain)

    async def address(self, _request: web.Request) -> web.Response:
        return text_answer(self._names.listen_address)

    async def address_port(self, _request: web.Request) -> web.Response:
        return text_answer(f"{self._names.listen_address}:{self._names.listen_port}")

    async def records(self, request: web.Request) -> web.Response:
        if not _accepts_json(request):
            return web.Response(status=405)
        records = [
            {
                "ContainerID": record.container_id,
                "Origin": record.origin,
                "Addr": format_address(record.address),
                "Hostname": record.hostname,
                "Version": record.version,
                "Tombstone": record.tombstone,
            }
            for record in self._names.records()
        ]
        return text_answer(_json(records or None) + "\n")

    async def add(self, request: web.Request) -> web.Response:
        address = parse_address(request.match_info["ip"])
        fqdn = (await _form(request)).get("fqdn", "")
        if not fqdn:
            raise UsageProblem("no name given: the parameter fqdn is missing")
        self._names.add(_absolute(fqdn), request.match_info["container"], address)
        return web.Response(status=204)

    async def remove(self, request: web.Request) -> web.Response:
        address: Address | None = None
        if "ip" in request.match_info:
            address = parse_address(request.match_info["ip"])
        fqdn = (await _form(request)).get("fqdn")
        container = request.match_info.get("container")
        self._names.remove(hostname=_absolute(fqdn) if fqdn else None, container=container, address=address)
        return web.Response(status=204)


def text_answer(text: str, status: int = 200) -> web.Response:
    """Plain text, as everything but the JSON answers is; a peer's nickname may hold what is no text."""
    if not text:
        return web.Response(status=status)
    body = text.encode("utf-8", "replace")
    return web.Response(body=body, status=status, content_type="text/plain", charset="utf-8")


async def _form(request: web.Request) -> MultiMapping[Any]:
    """The parameters of a call, from its query string and its form body alike (multi-valued)."""
    if not request.body_exists:
        return request.query
    try:
        form = await request.post()
    except ValueError as problem:
        raise RouterProblem(f"unable to parse form: {problem}") from problem
    joined = MultiDict(form)
    joined.extend(request.query)
    return joined


def _all(form: MultiMapping[Any], key: str) -> list[str]:
    return [value for value in form.getall(key, []) if isinstance(value, str)]


def _flag(form: MultiMapping[Any], key: str) -> bool:
    return form.get(key, "") in _TRUE_WORDS


def _cidr_text(request: web.Request) -> str:
    return f"{request.match_info['ip']}/{request.match_info['prefix']}"


def _exposed(request: web.Request) -> Cidr:
    try:
        return parse_cidr(_cidr_text(request))
    except UsageProblem as problem:
        raise UsageProblem(f"unable to parse ip addr: {problem.message}") from problem


def _accepts_json(request: web.Request) -> bool:
    return request.headers.get("Accept", "") == "application/json"


def _absolute(name: str) -> str:
    return name if name.endswith(".") else f"{name}."


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
