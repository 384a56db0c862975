"""AsyncRouterClient: the router's HTTP API for daemons, on aiohttp. Knows no Docker and no plugin.

Connections are kept open between calls. Cancelling a call closes its connection, and the router then gives
up what it was waiting for (specification http-api, section 1).
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
from yarl import URL

from weave_cli.addresses import Cidr, format_address, parse_address, parse_cidr
from weave_cli.api import endpoints
from weave_cli.api.endpoints import Call
from weave_cli.api.sync import RouterUnreachable
from weave_cli.errors import RouterProblem, UsageProblem
from weave_cli.names import ANONYMOUS_OWNER, PeerName, parse_peer_name

#: The original's own words, which scripts match (specification cli, section 3).
ABSENT: Final = "weave container is not present. Have you launched it?"

_CONNECT_TIMEOUT_S: Final = 3.0
_ANSWER_TIMEOUT_S: Final = 5.0
_KEEP_OPEN_S: Final = 60.0

_IPAM_STATUS = re.compile(r"Service: ipam\s+Status: ([^\n]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status and body of an answer, and which process of the router gave it (empty: it does not say)."""

    status: int
    text: str
    instance: str

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A router that answers: another `instance` means that it was restarted and has forgotten our names."""

    instance: str
    domain: str | None
    """weaveDNS's domain with final dot; None when weaveDNS is switched off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRecord:
    """A living name: `origin` is the peer that registered it."""

    container: str
    origin: int
    address: int
    fqdn: str


class AsyncRouterClient:
    """One client for a whole daemon; use it as an async context manager, or call `close`."""

    def __init__(self, address: str) -> None:
        """address: `ip:port` of the API."""
        self._base = f"http://{address}"
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, call: Call, *, timeout_s: float = _ANSWER_TIMEOUT_S) -> Answer:
        """The answer, whatever its status; raises RouterUnreachable when there is none.

        A waiting call has no time limit but the caller's own.
        """
        limit = aiohttp.ClientTimeout(
            total=None if call.is_waiting else timeout_s, sock_connect=_CONNECT_TIMEOUT_S
        )
        try:
            try:
                return await self._ask(call, limit)
            except (aiohttp.ServerDisconnectedError, ConnectionResetError):
                # A router that was restarted has closed the connection that we kept from the one before.
                return await self._ask(call, limit)
        except aiohttp.ClientConnectorError as problem:
            raise RouterUnreachable(ABSENT) from problem
        except TimeoutError as problem:
            raise RouterUnreachable(
                f"the router did not answer {call.method} {call.path} in time"
            ) from problem
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            raise RouterUnreachable(
                f"the router did not answer {call.method} {call.path}: {problem or type(problem).__name__}"
            ) from problem

    async def allocate(self, subnet: Cidr | None = None, *, ident: str = ANONYMOUS_OWNER) -> Cidr:
        """An address in the subnet (None: the default one), filed under its own dotted text if anonymous.

        Waits for as long as the allocator waits; raises RouterProblem with the router's words.
        """
        text = (await self._succeed(endpoints.allocate(ident, subnet))).text
        if text == endpoints.CANCELLED:
            raise RouterProblem("the router gave the allocation up: it stops or hands its addresses over")
        return _parsed(text)

    async def claim(
        self, cidr: Cidr, *, ident: str = ANONYMOUS_OWNER, no_error_on_unknown: bool = False
    ) -> None:
        """Make this very address ours; raises RouterProblem saying whose it is."""
        call = endpoints.claim(ident, cidr, no_error_on_unknown=no_error_on_unknown)
        if (await self._succeed(call)).text == endpoints.CANCELLED:
            raise RouterProblem(f"the router gave the claim of {cidr} up: it stops")

    async def release(self, address: int) -> bool:
        """Give an anonymous address back; False when the router did not hold it, which is no error."""
        return await self.release_all(format_address(address))

    async def release_all(self, ident: str) -> bool:
        """Give all addresses of an owner back; False when there are none, which is no error."""
        answer = await self.send(endpoints.release_all(ident))
        if answer.status in (400, 404):
            return False
        _checked(answer)
        return True

    async def owned(self) -> dict[str, list[Cidr]]:
        """All addresses that are given out on this host, by owner; empty without allocator."""
        answer = await self.send(endpoints.get_owned())
        if answer.status == 404:
            return {}
        rows = _json(_checked(answer).text)["owned"] or []
        return {row["containerid"]: [_parsed(text) for text in row["addrs"]] for row in rows}

    async def default_subnet(self) -> Cidr:
        """The subnet for those who ask for none."""
        answer = await self.send(endpoints.get_default_subnet())
        if answer.status == 404:
            raise RouterProblem(
                "the router has no address allocator: it was launched without --ipalloc-range"
            )
        return _parsed(_checked(answer).text.strip())

    async def ensure_realm(self, key: str) -> None:
        """Let this host have the isolated network of that key; waits for as long as the router waits."""
        await self._succeed(endpoints.ensure_realm(key))

    async def drop_realm(self, key: str) -> None:
        """Take it from this host, unless containers use it; twice is no error."""
        answer = await self.send(endpoints.drop_realm(key))
        if answer.status != 404:
            _checked(answer)

    async def networks(self) -> list[dict[str, Any]]:
        """Networks of all hosts as the router tells of them, tombstones too."""
        rows: list[dict[str, Any]] = _json((await self._succeed(endpoints.list_networks())).text)
        return rows

    async def add_name(self, container: str, address: int, fqdn: str) -> None:
        """Register a name; one outside the domain is ignored."""
        await self._succeed(endpoints.add_name(container, address, fqdn))

    async def remove_names(
        self, container: str, address: int | None = None, *, fqdn: str | None = None
    ) -> None:
        """Remove a container's names, or only those of one address, or only one; twice is no error."""
        await self._succeed(endpoints.remove_names(container, address, fqdn=fqdn))

    async def names(self) -> list[NameRecord]:
        """All living names that the router knows, those of its peers included."""
        rows = _json((await self._succeed(endpoints.get_names())).text) or []
        return [
            NameRecord(
                container=row["ContainerID"],
                origin=row["Origin"],
                address=parse_address(row["Addr"]),
                fqdn=row["Hostname"],
            )
            for row in rows
            if not row["Tombstone"]
        ]

    async def domain(self) -> str | None:
        """weaveDNS's domain with final dot; None when weaveDNS is switched off."""
        return (await self.contact()).domain

    async def contact(self) -> Contact:
        """Which router answers, and its domain; cheap enough to ask every other second."""
        answer = await self.send(endpoints.get_domain())
        domain = None if answer.status == 404 else _checked(answer).text.strip()
        return Contact(instance=answer.instance, domain=domain)

    async def own_name(self) -> PeerName:
        """The peer name of this router."""
        text = (await self._succeed(endpoints.get_report_rendered("{{.Router.Name}}"))).text
        try:
            return parse_peer_name(text.strip())
        except UsageProblem as problem:
            raise RouterProblem(f"the router gave no peer name but {text!r}") from problem

    async def allocator_status(self) -> str | None:
        """What the status says of the allocator, as in `awaiting consensus (...)`; None: it has none."""
        answer = await self.send(endpoints.get_status(), timeout_s=1.0)
        found = _IPAM_STATUS.search(answer.text)
        return found[1] if found else None

    async def _succeed(self, call: Call) -> Answer:
        return _checked(await self.send(call))

    async def _ask(self, call: Call, limit: aiohttp.ClientTimeout) -> Answer:
        session = self._opened()
        headers = {"Accept": call.accept} if call.accept else {}
        if call.body is not None:
            headers["Content-Type"] = endpoints.FORM_TYPE
        url = URL(self._base + call.target, encoded=True)
        async with session.request(
            call.method, url, data=call.body, headers=headers, timeout=limit
        ) as response:
            return Answer(
                status=response.status,
                text=await response.text(encoding="utf-8", errors="replace"),
                instance=response.headers.get(endpoints.INSTANCE_HEADER, ""),
            )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No limit: every allocation that waits holds a connection.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_OPEN_S)
            self._session = aiohttp.ClientSession(connector=connector, loop=asyncio.get_running_loop())
        return self._session


def _checked(answer: Answer) -> Answer:
    if not answer.is_success:
        raise RouterProblem(answer.text.strip() or f"the router refused with status {answer.status}")
    return answer


def _parsed(text: str) -> Cidr:
    try:
        return parse_cidr(text)
    except UsageProblem as problem:
        raise RouterProblem(f"the router answered with no address but {text!r}") from problem


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as problem:
        raise RouterProblem(f"the router answered with no JSON but {text[:40]!r}") from problem
