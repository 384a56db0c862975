"""The router's HTTP API as values: verb, path, form of each call (specification http-api). No I/O.

The contract between the router and its clients: what `weave_cli.router.http` serves, `RouterClient` and
`AsyncRouterClient` ask for through the functions below.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from weave_cli.addresses import Cidr, format_address

FORM_TYPE: Final = "application/x-www-form-urlencoded"
JSON_TYPE: Final = "application/json"

#: Body of a 200 answer when the router gave an operation up: the container died, or the router stops.
CANCELLED: Final = "cancelled"

#: On every answer of our router: changes when its process does, so names must be registered again.
INSTANCE_HEADER: Final = "X-Weave-Instance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: `path` is quoted already; `form` goes into the body, or into the query of a GET."""

    method: str
    path: str
    form: tuple[tuple[str, str], ...] = ()
    accept: str | None = None
    is_waiting: bool = False
    """The router answers when it can, perhaps never: no read timeout."""

    @property
    def target(self) -> str:
        """Path and query, as the request line has them."""
        in_query = self.form and self.method in ("GET", "DELETE")
        return f"{self.path}?{urlencode(self.form)}" if in_query else self.path

    @property
    def body(self) -> str | None:
        """The form of a POST or PUT; None for other methods."""
        return urlencode(self.form) if self.method in ("POST", "PUT") else None


def get_status(topics: Sequence[str] = ()) -> Call:
    """The page for `weave status TOPIC...`; 503 until the router is ready."""
    return Call(method="GET", path=_path("status", *topics))


def get_report() -> Call:
    """The whole report as JSON."""
    return Call(method="GET", path="/report", accept=JSON_TYPE)


def get_report_rendered(template: str) -> Call:
    """The report through a Go template."""
    return Call(method="GET", path="/report", form=(("format", template),))


def connect(peers: Iterable[str], *, replace: bool) -> Call:
    """Add targets, or put them in place of all that there are."""
    form = [("replace", "true")] if replace else []
    return Call(method="POST", path="/connect", form=(*form, *(("peer", peer) for peer in peers)))


def forget(peers: Iterable[str]) -> Call:
    """Drop targets, spelt as they were given to connect."""
    return Call(method="POST", path="/forget", form=tuple(("peer", peer) for peer in peers))


def get_domain() -> Call:
    """weaveDNS's domain, with final dot; 404 without weaveDNS."""
    return Call(method="GET", path="/domain")


def get_default_subnet() -> Call:
    """The subnet of `net:default`; 404 without allocator."""
    return Call(method="GET", path="/ipinfo/defaultsubnet")


def wait_for_ring() -> Call:
    """Answers once the peers agree on who owns which addresses."""
    return Call(method="GET", path="/ring", is_waiting=True)


def allocate(ident: str, subnet: Cidr | None = None, *, check_alive: bool = False) -> Call:
    """An address for `ident` in `subnet` (None: the default one); answers `A/P`, or CANCELLED."""
    form = (("check-alive", "true"),) if check_alive else ()
    return Call(method="POST", path=_path("ip", ident, *_parts(subnet)), form=form, is_waiting=True)


def lookup(ident: str, subnet: Cidr | None = None) -> Call:
    """What `ident` has in `subnet` (None: the default one): CIDRs with spaces between, perhaps none."""
    return Call(method="GET", path=_path("ip", ident, *_parts(subnet)))


def claim(ident: str, cidr: Cidr, *, no_error_on_unknown: bool = False, check_alive: bool = False) -> Call:
    """Make this very address `ident`'s."""
    form: list[tuple[str, str]] = []
    if no_error_on_unknown:
        form.append(("noErrorOnUnknown", "true"))
    if check_alive:
        form.append(("check-alive", "true"))
    return Call(method="PUT", path=_path("ip", ident, *_parts(cidr)), form=tuple(form), is_waiting=True)


def get_owned() -> Call:
    """All owners and their addresses as JSON."""
    return Call(method="GET", path="/ip", accept=JSON_TYPE)


def release(ident: str, address: int) -> Call:
    """Give one address of `ident` back; 400 when it is not its own."""
    return Call(method="DELETE", path=_path("ip", ident, format_address(address)))


def release_all(ident: str) -> Call:
    """Give all addresses of `ident` back; 400 when there are none."""
    return Call(method="DELETE", path=_path("ip", ident))


def inquire(want: str) -> Call:
    """What every peer answers to a question, as JSON; a call of our router's alone."""
    return Call(method="GET", path=_path("inquiry", want), accept=JSON_TYPE)


def leave() -> Call:
    """Hand all our space to another peer, for good."""
    return Call(method="DELETE", path="/peer")


def take_over(peer: str) -> Call:
    """Make all that a dead peer owns ours; by its nickname or name. Answers how many addresses that were."""
    return Call(method="DELETE", path=_path("peer", peer))


def expose(cidr: Cidr, *, masquerades: bool) -> Call:
    """Give the host this address on the network; with `masquerades`, translate what passes."""
    form = () if masquerades else (("skipNAT", "true"),)
    return Call(method="POST", path=_path("expose", *_parts(cidr)), form=form)


def hide(cidr: Cidr) -> Call:
    """Take it from the host; a call of our router's alone."""
    return Call(method="DELETE", path=_path("expose", *_parts(cidr)))


def ensure_realm(key: str) -> Call:
    """Make the devices of an isolated network; answers its bridge's name. Our router's alone."""
    return Call(method="PUT", path=_path("realm", key), is_waiting=True)


def drop_realm(key: str) -> Call:
    """Take them away; 404 when there are none, or containers use them."""
    return Call(method="DELETE", path=_path("realm", key))


def list_networks() -> Call:
    """Networks of all hosts as JSON, tombstones too."""
    return Call(method="GET", path="/network", accept=JSON_TYPE)


def create_network(name: str, subnet: str | None, options: Iterable[str], *, is_internal: bool) -> Call:
    """Let all hosts have a network; options as `KEY=VALUE`."""
    form = [("subnet", subnet)] if subnet else []
    form += [("option", option) for option in options]
    form += [("internal", "true")] if is_internal else []
    return Call(method="PUT", path=_path("network", name), form=tuple(form))


def remove_network(name: str) -> Call:
    """Let no host have it any more; 400 naming the hosts that use it."""
    return Call(method="DELETE", path=_path("network", name))


def add_name(container: str, address: int, fqdn: str, *, check_alive: bool = False) -> Call:
    """Register a name; one outside the domain is ignored."""
    form = [("fqdn", fqdn)]
    if check_alive:
        form.append(("check-alive", "true"))
    return Call(method="PUT", path=_path("name", container, format_address(address)), form=tuple(form))


def remove_names(container: str, address: int | None = None, *, fqdn: str | None = None) -> Call:
    """Remove the names of a container, or only those of one address, or only one name."""
    parts = ["name", container]
    if address is not None:
        parts.append(format_address(address))
    return Call(method="DELETE", path=_path(*parts), form=(("fqdn", fqdn),) if fqdn else ())


def get_names() -> Call:
    """All name records as JSON."""
    return Call(method="GET", path="/name", accept=JSON_TYPE)


def _path(*parts: str) -> str:
    return "/" + "/".join(quote(part, safe=":") for part in parts)


def _parts(cidr: Cidr | None) -> tuple[str, ...]:
    return () if cidr is None else (format_address(cidr.address), str(cidr.prefix_len))
