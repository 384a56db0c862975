"""Small facts of this host, by the standard library alone so that asking costs nothing. Changes nothing."""

from __future__ import annotations

import fcntl
import socket
import struct
from typing import TYPE_CHECKING, Final

from weave_cli.host_files import on_host, real_host_path
from weave_cli.settings import Settings

if TYPE_CHECKING:
    from weave_cli.containers.specs import HostFacts

_SIOCGIFADDR: Final = 0x8915

_RESOLVER_FILE: Final = "/etc/resolv.conf"

#: Whatever tells this machine from its clones (specification cli, section 7.4).
_IDENTITY_FILES: Final = (
    "/etc/machine-id",
    "/var/lib/dbus/machine-id",
    "/sys/class/dmi/id/product_uuid",
    "/sys/hypervisor/uuid",
)


def read_host_facts(settings: Settings) -> HostFacts:
    """What the router's container is told of this host."""
    # Imported here: dns-args asks this room for an address and must be quick.
    from weave_cli.containers.specs import HostFacts

    return HostFacts(
        hostname=socket.gethostname(),
        docker_bridge_address=find_interface_address(settings.docker_bridge),
        resolver_file=real_host_path(_RESOLVER_FILE),
        identity_files=tuple(path for path in _IDENTITY_FILES if on_host(path).is_file()),
    )


def find_interface_address(interface: str) -> str | None:
    """The first IPv4 address of an interface; None when it has none, or does not exist."""
    request = struct.pack("256s", interface.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        try:
            answer = fcntl.ioctl(opened.fileno(), _SIOCGIFADDR, request)
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])
