"""Which DNS names a container gets (specification plugin, section 7). Pure: facts in, names out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weave_cli.addresses import parse_address

if TYPE_CHECKING:
    from weave_cli.containers.attachments import AttachedContainer


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Name:
    """A name of a container at one of its addresses; `fqdn` is lower case and ends in a dot."""

    container: str
    address: int
    fqdn: str


def wanted_names(container: AttachedContainer, networks: Collection[str], domain: str) -> frozenset[Name]:
    """Its host name, its own name, its service's and its network aliases, as far as they are in the domain.

    networks: the ids of those that count; domain: with final dot. Nothing for one that does not run.
    """
    if not container.is_running:
        return frozenset()
    suffix = f".{domain.lower()}"
    found: set[Name] = set()
    for attachment in container.attachments:
        if attachment.network_id not in networks or not attachment.address:
            continue
        words = (
            f"{container.hostname}.{container.domainname}" if container.domainname else container.hostname,
            f"{container.name}{suffix}",
            f"{container.service}{suffix}",
            *attachment.aliases,
        )
        address = parse_address(attachment.address)
        for fqdn in map(absolute, words):
            if fqdn.endswith(suffix) and fqdn != suffix:
                found.add(Name(container=container.id, address=address, fqdn=fqdn))
    return frozenset(found)


def attached_names(container: AttachedContainer, addresses: Iterable[int], domain: str) -> frozenset[Name]:
    """What `weave attach` named it: its host name alone, at the addresses that it has from there."""
    whole = f"{container.hostname}.{container.domainname}".rstrip(".")
    fqdn, suffix = absolute(whole), f".{domain.lower()}"
    if not container.is_running or not fqdn.endswith(suffix) or fqdn == suffix:
        return frozenset()
    return frozenset(Name(container=container.id, address=address, fqdn=fqdn) for address in addresses)


def absolute(name: str) -> str:
    """Lower case, with one final dot: the form in which names are compared."""
    return f"{name.lower().rstrip('.')}."
