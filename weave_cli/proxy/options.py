"""The proxy's command line as values. Knows no socket and no Docker."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class RewritingOptions:
    """What is done to containers (specification plugin, section 9)."""

    wants_dns: bool = True
    """False: --without-dns."""
    wants_default_ipalloc: bool = True
    """False: --no-default-ipalloc; containers without WEAVE_CIDR are left alone."""
    rewrites_hosts: bool = True
    """False: --no-rewrite-hosts; /etc/hosts of containers stays as Docker writes it."""
    wants_multicast_route: bool = True
    """False: --no-multicast-route."""
    hostname_from_label: str | None = None
    hostname_match: str = "(.*)"
    hostname_replacement: str = "$1"
    rewrites_inspect: bool = False
    """--rewrite-inspect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """Certificates of the TCP listeners, as paths in the proxy's container."""

    certificate: str
    key: str
    ca: str | None = None
    """Clients must show a certificate that this one signed; None: anybody may come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The whole command line."""

    listen: tuple[str, ...]
    """`unix:///path` or `tcp://ip:port`, at least one."""
    tls: TlsOptions | None = None
    log_level: str = "info"
    http_address: str = ""
    """`ip:port` of the router's HTTP API."""
    rewriting: RewritingOptions = field(default_factory=RewritingOptions)
