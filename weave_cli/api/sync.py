"""RouterClient: the router's HTTP API for the command line. Blocking; knows no Docker and prints nothing.

It rests on http.client rather than on requests, whose import alone costs more than all of `weave dns-args`.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from weave_cli.addresses import Cidr, parse_cidr
from weave_cli.api import endpoints
from weave_cli.api.endpoints import Call
from weave_cli.error_codes import Code
from weave_cli.errors import RouterProblem

_CONNECT_TIMEOUT_S: Final = 3.0
_ANSWER_TIMEOUT_S: Final = 60.0


def _reason(problem: Exception) -> str:
    """Without its number."""
    return getattr(problem, "strerror", None) or str(problem) or type(problem).__name__


class RouterUnreachable(RouterProblem):
    """Nobody answers at the router's address: it is not running, or not yet."""

    code = Code.ROUTER_UNREACHABLE


@dataclass(frozen=True, slots=True)
class Reply:
    """Status and body of an answer."""

    status: int
    text: str

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedNetwork:
    """A network of all hosts; `hosts`: where containers are on it, by nickname."""

    name: str
    subnet: str
    options: tuple[tuple[str, str], ...]
    is_internal: bool
    hosts: tuple[str, ...]

    def as_data(self) -> dict[str, object]:
        """As programs read it."""
        return {
            "name": self.name,
            "subnet": self.subnet,
            "options": dict(self.options),
            "internal": self.is_internal,
            "hosts": list(self.hosts),
        }


class RouterClient:
    """One connection per call: every command makes one or two."""

    def __init__(self, address: str) -> None:
        """address: `ip:port` of the API."""
        self._address = address

    def send(self, call: Call) -> Reply:
        """The answer, whatever its status; raises RouterUnreachable when there is none."""
        host, _, port = self._address.rpartition(":")
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=_CONNECT_TIMEOUT_S)
        headers = {"Accept": call.accept} if call.accept else {}
        if call.body is not None:
            headers["Content-Type"] = endpoints.FORM_TYPE
        try:
            connection.connect()
            connection.sock.settimeout(None if call.is_waiting else _ANSWER_TIMEOUT_S)
            connection.request(call.method, call.target, body=call.body, headers=headers)
            response = connection.getresponse()
            return Reply(response.status, response.read().decode("utf-8", "replace"))
        except (OSError, http.client.HTTPException) as problem:
            raise RouterUnreachable(
                f"the router does not answer at {self._address}: {_reason(problem)}",
                hint="Is it running? Start it with 'weave launch'; 'docker logs weave' shows what it says.",
            ) from problem
        finally:
            connection.close()

    def get_status(self, topics: Sequence[str] = ()) -> Reply:
        """The status page; the caller tells 404 (no such page) and 503 (not ready) apart."""
        return self.send(endpoints.get_status(topics))

    def is_ready(self) -> bool:
        """Does it answer, and is all of it up?"""
        try:
            return self.get_status().status == 200
        except RouterUnreachable:
            return False

    def get_report(self, template: str | None = None) -> str:
        """The report as JSON, or through a Go template; raises RouterProblem with what the router refuses."""
        call = endpoints.get_report() if template is None else endpoints.get_report_rendered(template)
        return self._succeed(call).text

    def connect(self, peers: Iterable[str], *, replace: bool) -> None:
        """Add or replace targets; raises RouterProblem naming peers that cannot be resolved."""
        self._succeed(endpoints.connect(peers, replace=replace))

    def forget(self, peers: Iterable[str]) -> None:
        """Drop targets; unknown ones are no error."""
        self._succeed(endpoints.forget(peers))

    def take_over(self, peer: str) -> str:
        """Make all that a dead peer owns the router's; its sentence that says how many addresses that were.

        Raises RouterProblem for a peer that is alive.
        """
        return self._succeed(endpoints.take_over(peer), refused=Code.TAKEOVER_REFUSED).text.strip()

    def find_domain(self) -> str | None:
        """weaveDNS's domain with final dot; None when weaveDNS is switched off."""
        reply = self.send(endpoints.get_domain())
        return None if reply.status == 404 else self._checked(reply).text

    def has_allocator(self) -> bool:
        """False when the router was launched without addresses to give out."""
        reply = self.send(endpoints.get_default_subnet())
        return reply.status != 404 and self._checked(reply).is_success

    def wait_for_ring(self) -> None:
        """Returns once the peers agree on who owns which addresses; raises without an allocator."""
        reply = self.send(endpoints.wait_for_ring())
        if reply.status == 404:
            raise RouterProblem(
                "IP address allocation is switched off",
                hint="The router was launched with --ipalloc-range=.",
                code=Code.ALLOCATION_OFF,
            )
        _refuse_cancelled(self._checked(reply))

    def allocate(self, ident: str, subnet: Cidr | None, *, check_alive: bool) -> Cidr | None:
        """An address, after as long as it takes; None without an allocator."""
        reply = self.send(endpoints.allocate(ident, subnet, check_alive=check_alive))
        if reply.status == 404:
            return None
        _refuse_cancelled(self._checked(reply))
        return parse_cidr(reply.text)

    def claim(self, ident: str, cidr: Cidr, *, check_alive: bool, no_error_on_unknown: bool = False) -> None:
        """Make this address `ident`'s; without an allocator nobody else gives it out, so all is well."""
        call = endpoints.claim(ident, cidr, check_alive=check_alive, no_error_on_unknown=no_error_on_unknown)
        reply = self.send(call)
        if reply.status != 404:
            _refuse_cancelled(self._checked(reply))

    def find_owned(self, ident: str, subnet: Cidr | None) -> tuple[Cidr, ...]:
        """What `ident` has in the subnet; nothing without an allocator."""
        reply = self.send(endpoints.lookup(ident, subnet))
        if reply.status == 404:
            return ()
        return tuple(parse_cidr(word) for word in self._checked(reply).text.split())

    def list_owners(self) -> list[str]:
        """Who has addresses on this host; nobody without an allocator."""
        reply = self.send(endpoints.get_owned())
        if reply.status == 404:
            return []
        return [row["containerid"] for row in json.loads(self._checked(reply).text)["owned"] or ()]

    def release_all(self, ident: str) -> None:
        """Give all addresses of an owner back; none is no error."""
        reply = self.send(endpoints.release_all(ident))
        if reply.status not in (400, 404):
            self._checked(reply)

    def release(self, ident: str, address: int) -> None:
        """Give an address back; raises RouterProblem when it is not `ident`'s."""
        self._succeed(endpoints.release(ident, address))

    def expose(self, cidr: Cidr, *, masquerades: bool) -> None:
        """Give the host this address on the network, and see that it keeps it."""
        self._succeed(endpoints.expose(cidr, masquerades=masquerades))

    def hide(self, cidr: Cidr) -> None:
        """Take it from the host; one that it does not have is no error."""
        self._succeed(endpoints.hide(cidr))

    def list_networks(self) -> list[SharedNetwork]:
        """The networks of all hosts, by name."""
        return [
            SharedNetwork(
                name=row["name"],
                subnet=row["subnet"],
                options=tuple(row["options"].items()),
                is_internal=row["internal"],
                hosts=tuple(row["hosts"]),
            )
            for row in json.loads(self._succeed(endpoints.list_networks()).text)
            if not row["removed"]
        ]

    def create_network(
        self, name: str, subnet: str | None, options: Iterable[str], *, is_internal: bool
    ) -> None:
        """Let all hosts have it; raises RouterProblem with what the router refuses."""
        self._succeed(endpoints.create_network(name, subnet, options, is_internal=is_internal))

    def remove_network(self, name: str) -> None:
        """Let no host have it; raises RouterProblem naming the hosts that use it."""
        self._succeed(endpoints.remove_network(name))

    def add_name(self, container: str, address: int, fqdn: str, *, check_alive: bool) -> None:
        """Register a name; one outside the domain is ignored by the router."""
        self._succeed(endpoints.add_name(container, address, fqdn, check_alive=check_alive))

    def remove_names(self, container: str, address: int, *, fqdn: str | None = None) -> None:
        """Remove a name of an address, or all names that it has from this owner."""
        self._succeed(endpoints.remove_names(container, address, fqdn=fqdn))

    def inquire(self, want: str) -> list[dict[str, Any]]:
        """`name`, `nickname` and `content` of each peer; content is None where it does not answer.

        A router that does not know the call answers nothing: an empty list.
        """
        reply = self.send(endpoints.inquire(want))
        if reply.status == 404:
            return []
        answers: list[dict[str, Any]] = json.loads(self._checked(reply).text)
        return answers

    def leave(self) -> None:
        """Make the router hand its addresses over; it allocates nothing from then on."""
        reply = self.send(endpoints.leave())
        if reply.status != 404:  # 404: it has no allocator, so nothing to hand over
            self._checked(reply)

    def _succeed(self, call: Call, *, refused: Code | None = None) -> Reply:
        return self._checked(self.send(call), refused=refused)

    def _checked(self, reply: Reply, *, refused: Code | None = None) -> Reply:
        if not reply.is_success:
            reason = reply.text.strip() or f"the router refused with status {reply.status}"
            raise RouterProblem(reason, code=refused)
        return reply


def _refuse_cancelled(reply: Reply) -> None:
    if reply.text == endpoints.CANCELLED:
        raise RouterProblem(
            "the router gave up before there was an address",
            hint="It may be stopping; try again.",
            code=Code.ALLOCATION_ENDED,
        )
