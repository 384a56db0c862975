"""What becomes of a request to create a container (pure; specification plugin, sections 9.3 and 9.5).

The container's program gets the waiting program before it, and its mount; the container gets weaveDNS, and a
host name after its name or a label. Whatever Docker would refuse stays as it is, so that Docker says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from weave_cli.names import WAIT_PROGRAM
from weave_cli.proxy.rewriting.documents import (
    Document,
    get_field,
    get_object,
    get_text,
    get_texts,
    set_field,
)
from weave_cli.proxy.rewriting.hostname import HostnameRule, fits
from weave_cli.proxy.rewriting.mark import add_mount, choose_directory, is_waiting_word


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What an image says of its containers."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """weaveDNS as a container is to use it."""

    address: str
    domain: str
    """With final dot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How a container gets its host name when its maker gives none."""

    rule: HostnameRule
    label: str | None = None


@dataclass(slots=True, kw_only=True)
class Creation:
    """A request to create a container, and what there is to know about it; the document is changed."""

    document: Document
    name: str
    """Of the container; empty: Docker makes one up."""
    image: ImageFacts
    warnings: list[str] = field(default_factory=list)
    """What the client should be told although it gets its container."""

    @property
    def network_mode(self) -> str:
        return get_text(get_object(self.document, "HostConfig"), "NetworkMode")

    @property
    def environment(self) -> Sequence[str]:
        """The maker's first: it counts before the image's."""
        return (*(get_texts(self.document, "Env") or ()), *self.image.environment)

    def put_wait_before(self) -> bool:
        """Let the waiting program begin; False, and nothing is changed, where there is nothing to begin."""
        given = get_texts(self.document, "Entrypoint")
        command = get_texts(self.document, "Cmd") or []
        entrypoint = [] if given == [""] else list(given or ())  # that empties the image's
        if not given:
            command = command or list(self.image.command)
            if given is None:
                entrypoint = list(self.image.entrypoint)
        if not (entrypoint or command):
            return False
        host_config = self._open_host_config()
        volumes = (*self.image.volumes, *get_object(self.document, "Volumes"))
        directory = choose_directory(host_config, volumes)
        while entrypoint and is_waiting_word(entrypoint[0]):
            del entrypoint[0]
        add_mount(host_config, directory)
        set_field(self.document, "Entrypoint", [f"{directory}/{WAIT_PROGRAM}", *entrypoint])
        set_field(self.document, "Cmd", command)
        return True

    def use_resolver(self, resolver: Resolver, naming: Naming) -> None:
        """A host name, weaveDNS after the maker's own name servers, and its domain to search in."""
        name = self._derive_name(naming)
        self._set_hostname(name, resolver.domain.rstrip("."))
        host_config = self._open_host_config()
        set_resolver(host_config, resolver, is_named=bool(name))

    def _derive_name(self, naming: Naming) -> str:
        label = ""
        if naming.label:
            label = get_text_exactly(get_object(self.document, "Labels"), naming.label)
        return naming.rule.apply(label or self.name.removeprefix("/"))

    def _set_hostname(self, name: str, domain: str) -> None:
        shares_names = get_text(get_object(self.document, "HostConfig"), "UTSMode") == "host"
        if not name or shares_names or get_text(self.document, "Hostname"):
            return
        if fits(name, domain):
            set_field(self.document, "Hostname", name)
            set_field(self.document, "Domainname", domain)
        else:
            self.warnings.append(f"Container name {name} too long to be used as hostname")

    def _open_host_config(self) -> Document:
        """The one of the document, made if it has none."""
        found = get_field(self.document, "HostConfig")
        if not isinstance(found, dict):
            found = {}
            set_field(self.document, "HostConfig", found)
        return found


def set_resolver(host_config: Document, resolver: Resolver, *, is_named: bool) -> None:
    """weaveDNS after those that are there; is_named: the container has a host name in the domain."""
    servers = get_texts(host_config, "Dns") or []
    set_field(host_config, "Dns", [*servers, resolver.address])
    if not get_texts(host_config, "DnsSearch"):
        # With "." there is no search list, and what the host name has behind its first dot is searched.
        set_field(host_config, "DnsSearch", ["." if is_named else resolver.domain])


def read_image(facts: Document) -> ImageFacts:
    """From what Docker tells of an image."""
    config = get_object(facts, "Config")
    return ImageFacts(
        entrypoint=tuple(get_texts(config, "Entrypoint") or ()),
        command=tuple(get_texts(config, "Cmd") or ()),
        environment=tuple(get_texts(config, "Env") or ()),
        volumes=tuple(get_object(config, "Volumes")),
    )


def get_text_exactly(document: Document, name: str) -> str:
    """A value whose name is the user's own, where case matters."""
    found: Any = document.get(name)
    return found if isinstance(found, str) else ""


def add_warnings(document: Document, warnings: Sequence[str]) -> None:
    """To Docker's answer about a new container, which clients show."""
    present = get_field(document, "Warnings") or []
    set_field(document, "Warnings", [*present, *warnings])
