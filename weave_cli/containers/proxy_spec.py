"""The proxy's container as a value (pure): image, command, rights, mounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from weave_cli.containers.extra_options import parse_extra_options
from weave_cli.containers.specs import ContainerSpec, Mount, see_docker
from weave_cli.names import PROXY_CONTAINER, SYSCTL_NET_MOUNT, WAIT_DIRECTORY, WAIT_VOLUME
from weave_cli.settings import HOST_ROOT, Settings

_CAPABILITIES: Final = (
    "NET_ADMIN",  # veth pairs
    "NET_RAW",  # gratuitous ARP
    "SYS_ADMIN",  # enter the network namespaces of containers
    "SYS_PTRACE",  # find them, and the host's own files, below /proc
    "KILL",  # end a container that cannot be attached
    "DAC_OVERRIDE",  # /etc/hosts of containers, which another user owns where Docker maps user ids
    "FOWNER",  # and its mode
    "CHOWN",  # the owner of its socket is that of Docker's
    "NET_BIND_SERVICE",  # whatever port it is told to listen on
)
#: Where the proxy finds its certificates.
_CERTIFICATES: Final = "/weave/tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyTls:
    """Certificates of the proxy's TCP ports, as absolute paths of the host."""

    certificate: str
    key: str
    ca: str | None = None
    """Clients must have a certificate that it signed; None: anybody may come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyOptions:
    """What the user asks of the proxy; None = not asked for."""

    listen: tuple[str, ...] = ()
    """Where to listen; nothing: as the caller reaches Docker."""
    wants_dns: bool = True
    wants_default_ipalloc: bool = True
    rewrites_hosts: bool = True
    wants_multicast_route: bool = True
    hostname_from_label: str | None = None
    hostname_match: str | None = None
    hostname_replacement: str | None = None
    rewrites_inspect: bool = False
    log_level: str | None = None
    restarts: bool = True
    detects_tls: bool = True
    """Without any of the following, do as Docker does where it listens itself."""
    wants_tls: bool = False
    verifies: bool = False
    tls_ca: str | None = None
    tls_certificate: str | None = None
    tls_key: str | None = None


def make_proxy_spec(
    options: ProxyOptions,
    settings: Settings,
    *,
    image: str,
    tls: ProxyTls | None = None,
    docker_socket: str | None = None,
) -> ContainerSpec:
    """The proxy's container: it steps into other containers to attach them, as commands do.

    `options` must say where to listen. docker_socket: as for the plugin.
    """
    docker, docker_host = see_docker(docker_socket or settings.docker_socket)
    values: dict[str, str | None] = {
        "log-level": options.log_level,
        "hostname-from-label": options.hostname_from_label,
        "hostname-match": options.hostname_match,
        "hostname-replacement": options.hostname_replacement,
    }
    switches = {
        "without-dns": not options.wants_dns,
        "no-default-ipalloc": not options.wants_default_ipalloc,
        "no-rewrite-hosts": not options.rewrites_hosts,
        "no-multicast-route": not options.wants_multicast_route,
        "rewrite-inspect": options.rewrites_inspect,
    }
    files = {} if tls is None else {"cert": tls.certificate, "key": tls.key, "cacert": tls.ca}
    certificates = {name: path for name, path in files.items() if path is not None}
    environment = {
        "WEAVE_CIDR": "none",
        "WEAVE_HTTP_ADDR": settings.http_address,
        "WEAVE_CONTAINER_NAME": settings.router_container,
        "DOCKER_BRIDGE": settings.docker_bridge,
        "WEAVE_MTU": None if settings.mtu_bytes is None else str(settings.mtu_bytes),
        HOST_ROOT: "/proc/1/root",
        "DOCKER_HOST": docker_host,
    }
    return ContainerSpec(
        name=PROXY_CONTAINER,
        component="proxy",
        image=image,
        command=(
            *("python", "-m", "weave_cli.proxy"),
            *(f"-H={place}" for place in options.listen),
            *(f"--{name}={value}" for name, value in values.items() if value is not None),
            *(f"--{name}" for name, is_on in switches.items() if is_on),
            *(f"--tls{name}={_CERTIFICATES}/{name}.pem" for name in certificates),
        ),
        environment=tuple((name, text) for name, text in environment.items() if text is not None),
        capabilities=_CAPABILITIES,
        sees_host=True,
        mounts=(
            Mount(source=WAIT_VOLUME, target=WAIT_DIRECTORY),
            Mount(source="/proc/sys/net", target=SYSCTL_NET_MOUNT),
            docker,
            *(
                Mount(source=path, target=f"{_CERTIFICATES}/{name}.pem", is_read_only=True)
                for name, path in certificates.items()
            ),
        ),
        restarts=options.restarts,
        extra=parse_extra_options("WEAVEPROXY_DOCKER_ARGS", settings.proxy_arguments),
    )
