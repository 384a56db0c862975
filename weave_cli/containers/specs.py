"""The containers of router and plugin as values (pure): image, command, rights, mounts. Not the proxy's.

Knows no Docker. Least privilege: no `--privileged`, all capabilities dropped but the listed ones, each with
its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from weave_cli import __version__
from weave_cli.containers.extra_options import ExtraOptions, parse_extra_options
from weave_cli.names import (
    COMPONENT_LABEL,
    HOST_PROCESSES,
    LABEL,
    PASSWORD_FILE,
    PLUGIN_CONTAINER,
    PLUGIN_SOCKET_DIRECTORY,
    STATE_DIRECTORY,
    SYSCTL_NET_MOUNT,
    TUN_CONTROL,
)
from weave_cli.settings import Settings

#: Inside the router's container, the host's own files appear below this directory, with their whole paths.
HOST_FILES: Final = "/weave/host"
RESOLVER_DIRECTORY: Final = "/weave/host/resolv"

_ROUTER_CAPABILITIES: Final = (
    "NET_ADMIN",  # bridge, VXLAN and TAP devices, forwarding entries, firewall
    "NET_RAW",  # gratuitous ARP
    "NET_BIND_SERVICE",  # port 53 on Docker's bridge
)
_PLUGIN_CAPABILITIES: Final = ("NET_ADMIN",)  # veth pairs

#: The directory of Docker's socket appears here in our containers.
DOCKER_DIRECTORY: Final = "/weave/docker"

#: Docker writes logs without bound unless told otherwise.
LOG_LIMITS: Final = {"max-size": "10m", "max-file": "3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A bind of a host path; or a named volume when the source has no slash."""

    source: str
    target: str
    is_read_only: bool = False
    is_shallow: bool = False
    """Of a directory: without what is mounted below it, which could not go while we hold it."""

    def __str__(self) -> str:
        return f"{self.source}:{self.target}:{'ro' if self.is_read_only else 'rw'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFile:
    """A file that is put into a container when it is made, for its root only; its directory is there."""

    path: str
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """All that a container of ours is made from."""

    name: str
    component: str
    image: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    capabilities: tuple[str, ...]
    mounts: tuple[Mount, ...]
    devices: tuple[str, ...] = ()
    """Paths of the host's device files that it may use, at the same paths."""

    restarts: bool = True
    """Whether Docker starts it again after a crash and at its own start."""
    sees_host: bool = False
    """Has the host's processes and user ids, and with them its files, whatever security profiles say."""

    secret_files: tuple[SecretFile, ...] = ()
    extra: ExtraOptions = field(default_factory=ExtraOptions)
    """What the operator asks of Docker beyond that."""

    @property
    def volumes(self) -> tuple[str, ...]:
        """Names of the volumes that it has."""
        return tuple(mount.source for mount in self.mounts if "/" not in mount.source)

    @property
    def labels(self) -> dict[str, str]:
        return {LABEL: __version__, COMPONENT_LABEL: self.component}


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterOptions:
    """What the user asks of the router; None = not asked for."""

    peers: tuple[str, ...] = ()
    nickname: str | None = None
    name: str | None = None
    ipalloc_range: str | None = None
    """Empty text: no address allocator."""
    ipalloc_default_subnet: str | None = None
    ipalloc_init: str | None = None
    """How the first ring comes to be; see `weave_cli.first_ring`."""
    connection_limit: int | None = None
    password: str | None = field(default=None, repr=False)
    """Instead of WEAVE_PASSWORD; empty text: none."""
    password_file: str | None = None
    """Where the password stands; `-` is standard input."""
    trusted_subnets: str | None = None
    lowest_protocol_version: int | None = None
    wants_discovery: bool = True
    resumes: bool = False
    """Connect to the peers of the last time; then `peers` is empty."""
    restarts: bool = True
    wants_dns: bool = True
    dns_domain: str | None = None
    port: int | None = None
    """Instead of WEAVE_PORT."""
    log_level: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginOptions:
    """What the user asks of the plugin; None = not asked for."""

    log_level: str | None = None
    mesh_network_name: str | None = None
    """Empty text: make no network."""
    wants_multicast_route: bool = True
    restarts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What a router's command line says of the host it runs on."""

    hostname: str
    docker_bridge_address: str | None
    """Address of Docker's bridge, where weaveDNS listens; None: there is no such bridge."""
    resolver_file: str
    """Real path of /etc/resolv.conf."""
    identity_files: tuple[str, ...]
    """Those of the machine's identity files that exist (specification cli, section 7.4)."""


def make_router_spec(
    options: RouterOptions, settings: Settings, host: HostFacts, *, image: str, password: bytes | None = None
) -> ContainerSpec:
    """The router's container.

    A password goes into a file of the container: its command line and environment are in every
    `docker inspect`. The directory of resolv.conf is mounted, not the file: tools replace the file by
    renaming, and a bind would go on showing the old one.
    """
    resolver_directory, _, resolver_name = host.resolver_file.rpartition("/")
    return ContainerSpec(
        name=settings.router_container,
        component="router",
        image=image,
        command=(
            *("python", "-m", "weave_cli.router"),
            *_router_arguments(options, settings, host),
            *([] if password is None else [f"--password-file={PASSWORD_FILE}"]),
            f"--resolv-conf={RESOLVER_DIRECTORY}/{resolver_name}",
            *options.peers,
        ),
        environment=(("WEAVE_CIDR", "none"),),
        capabilities=_ROUTER_CAPABILITIES,
        devices=(TUN_CONTROL,),  # the TAP device of overlay sleeve
        mounts=(
            Mount(source=settings.state_volume, target=STATE_DIRECTORY),
            Mount(source="/proc/sys/net", target=SYSCTL_NET_MOUNT),
            Mount(source=resolver_directory or "/", target=RESOLVER_DIRECTORY, is_read_only=True),
            *(
                Mount(source=path, target=f"{HOST_FILES}{path}", is_read_only=True)
                for path in host.identity_files
            ),
        ),
        extra=parse_extra_options("WEAVE_DOCKER_ARGS", settings.router_arguments),
        restarts=options.restarts,
        # The newline is what the reader takes away, so that a password may end in one.
        secret_files=() if password is None else (SecretFile(path=PASSWORD_FILE, octets=password + b"\n"),),
    )


def _router_arguments(options: RouterOptions, settings: Settings, host: HostFacts) -> list[str]:
    """The router's options but for --resolv-conf, all as `--option=value`: values may be empty."""
    listens = options.wants_dns and host.docker_bridge_address is not None
    values: dict[str, object] = {
        "port": settings.port if options.port is None else options.port,
        "nickname": options.nickname or host.hostname,
        "http-addr": settings.http_address,
        "status-addr": settings.status_address,
        "docker-bridge": settings.docker_bridge,
        "name": options.name,
        "ipalloc-range": options.ipalloc_range,
        "ipalloc-default-subnet": options.ipalloc_default_subnet,
        "ipalloc-init": options.ipalloc_init,
        "conn-limit": options.connection_limit,
        "trusted-subnets": options.trusted_subnets or None,
        "min-protocol-version": options.lowest_protocol_version,
        "dns-domain": options.dns_domain,
        "dns-listen-address": f"{host.docker_bridge_address}:53" if listens else None,
        "log-level": options.log_level,
        "mtu": settings.mtu_bytes,
    }
    switches = {
        "no-discovery": not options.wants_discovery,
        "resume": options.resumes,
        "no-dns": not options.wants_dns,
        "no-fastdp": not settings.wants_fastdp,
    }
    return [
        *(f"--{name}={value}" for name, value in values.items() if value is not None),
        *(f"--{name}" for name, is_on in switches.items() if is_on),
    ]


def make_plugin_spec(
    options: PluginOptions, settings: Settings, *, image: str, docker_socket: str | None = None
) -> ContainerSpec:
    """The plugin's container: it talks to Docker, to the router's API, and makes veth pairs.

    docker_socket: where the links of the path that the settings have lead to.
    """
    docker, docker_host = see_docker(docker_socket or settings.docker_socket)
    command = ["python", "-m", "weave_cli.plugin"]
    if options.log_level is not None:
        command.append(f"--log-level={options.log_level}")
    if options.mesh_network_name is not None:
        command.append(f"--mesh-network-name={options.mesh_network_name}")
    if not options.wants_multicast_route:
        command.append("--no-multicast-route")
    return ContainerSpec(
        name=PLUGIN_CONTAINER,
        component="plugin",
        image=image,
        command=tuple(command),
        environment=(
            ("WEAVE_CIDR", "none"),
            ("WEAVE_HTTP_ADDR", settings.http_address),
            ("DOCKER_HOST", docker_host),
        ),
        capabilities=_PLUGIN_CAPABILITIES,
        mounts=(
            Mount(source=settings.state_volume, target=STATE_DIRECTORY),
            Mount(source="/proc/sys/net", target=SYSCTL_NET_MOUNT),
            Mount(source=PLUGIN_SOCKET_DIRECTORY, target=PLUGIN_SOCKET_DIRECTORY),
            Mount(source="/proc", target=HOST_PROCESSES, is_read_only=True),
            docker,
        ),
        restarts=options.restarts,
        extra=parse_extra_options("WEAVEPLUGIN_DOCKER_ARGS", settings.plugin_arguments),
    )


def see_docker(socket: str) -> tuple[Mount, str]:
    """What a container must have of the host to reach Docker, and DOCKER_HOST there.

    The directory of Docker's socket, for an engine that starts again makes a new one; with live-restore our
    containers go on meanwhile. Below it Docker mounts the containers' namespaces.
    """
    directory, _, name = socket.rpartition("/")
    mount = Mount(source=directory or "/", target=DOCKER_DIRECTORY, is_read_only=True, is_shallow=True)
    return mount, f"unix://{DOCKER_DIRECTORY}/{name}"


def find_mesh_network_name(command: Sequence[str], *, default: str) -> str:
    """The network that a plugin with this command line makes; empty when it makes none."""
    prefix = "--mesh-network-name="
    return next((word.removeprefix(prefix) for word in command if word.startswith(prefix)), default)
