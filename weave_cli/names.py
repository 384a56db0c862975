"""Peer names, and the fixed names of interfaces, containers, drivers and files. Knows no I/O.

Peer names follow the specification mesh, section 2.1: 48-bit integers written like MAC addresses.
"""

from __future__ import annotations

import re
from typing import Final, NewType

from weave_cli import __version__
from weave_cli.error_codes import Code
from weave_cli.errors import UsageProblem

PeerName = NewType("PeerName", int)

#: Means "nobody" on the wire; never a router's own name.
UNKNOWN_PEER: Final = PeerName(0)

# Network devices (specification cli, section 2.3)
BRIDGE: Final = "weave"
VXLAN_DEVICE: Final = "weave-vxlan"
TAP_DEVICE: Final = "weave-tap"
#: Behind this port a router answers the trials of other hosts, for a while.
TEST_DEVICE: Final = "weave-test"
#: A container's interface on the network, when a command attached it; the plugin's have a number behind.
GUEST_LINK: Final = "ethwe"
#: The host ends of pairs that commands made have the container's first process id behind this.
HOST_LINK_PREFIX: Final = "vethwepl"
#: And their other ends this, before they are moved into the container.
MOVING_LINK_PREFIX: Final = "vethwepg"
#: The ends of a pair that ties another bridge to ours have that bridge's name behind these.
JOINT_PREFIX: Final = "vethwebl"
OTHER_JOINT_PREFIX: Final = "vethwebg"
DOCKER_BRIDGE: Final = "docker0"
DOCKER_GATEWAY_BRIDGE: Final = "docker_gwbridge"

#: Below /proc/sys/net, in the namespace of a container that waits: not 0 once it need not wait any more.
GO_SYSCTL: Final = "ipv4/conf/lo/tag"

# Containers, volume, image, labels
ROUTER_CONTAINER: Final = "weave"
PLUGIN_CONTAINER: Final = "weaveplugin"
PROXY_CONTAINER: Final = "weaveproxy"
STATE_VOLUME: Final = "weavedb"
STATE_DIRECTORY: Final = "/weavedb"
IMAGE_REPOSITORY: Final = "weave-cli"
LABEL: Final = "works.weave"
COMPONENT_LABEL: Final = "works.weave.component"
RUN_LABEL: Final = "works.weave.run"
#: On Docker networks that are the same on all hosts: their name.
SHARED_LABEL: Final = "works.weave.network"
#: Workloads of `weave connectivity test` carry it; its value is the run's.
TEST_LABEL: Final = "works.weave.test"

# Inside our containers, the host's /proc/sys/net is bound here, writable; at its own path it is not.
SYSCTL_NET_MOUNT: Final = "/weave/sys/net"
#: Where the plugin's container has the host's /proc, to find its own number there.
HOST_PROCESSES: Final = "/weave/proc"

# The proxy's waiting program: a volume, which Docker mounts into the containers that the proxy looks after.
WAIT_VOLUME: Final = "weavewait"
WAIT_DIRECTORY: Final = "/weave/wait"
WAIT_PROGRAM: Final = "w"

# In the router's container, in no volume: the password of the network lives and dies with the container.
PASSWORD_FILE: Final = "/weave/password"

# Docker network and drivers (specification plugin, section 1)
MESH_DRIVER: Final = "weavemesh"
GLOBAL_DRIVER: Final = "weave"
#: The managed plugin, and so the driver of a swarm's networks: Docker calls both by name and tag.
SWARM_DRIVER: Final = "weave:swarm"
MESH_NETWORK: Final = "weave"
#: What `weave status` calls on the plugin's sockets, beside Docker's calls.
LEAKS_CALL: Final = "Weave.Leaks"
PLUGIN_SOCKET_DIRECTORY: Final = "/run/docker/plugins"
#: Is nowhere; Docker names it when it looks for the plugin and there is none (see operations.plugin_absence).
ABSENCE_FILE: Final = "/the-weave-plugin-is-not-running"
#: Of a managed plugin; Docker shows it on the host in a directory that is called after the plugin's id.
SWARM_SOCKET: Final = "weave-swarm.sock"
MULTICAST_OPTION: Final = "works.weave.multicast"
ISOLATED_OPTION: Final = "works.weave.isolated"
REALM_OPTION: Final = "works.weave.network"
MTU_OPTION: Final = "com.docker.network.driver.mtu"

# The Docker API proxy (specification cli, section 2.3)
PROXY_PORT: Final = 12375
PROXY_DIRECTORY: Final = "/var/run/weave"
PROXY_SOCKET: Final = "/var/run/weave/weave.sock"
#: Abstract unix socket where a running proxy tells its addresses.
PROXY_BEACON: Final = "\0weave/proxy"

# The character device that TAP devices are made through.
TUN_CONTROL: Final = "/dev/net/tun"

# Trials of the network: UDP and TCP port, multicast group (an administratively scoped one), owner
TEST_PORT: Final = 6785
TEST_GROUP: Final = 0xEFFF5765  # 239.255.87.101
TEST_OWNER: Final = "weave:test"

# Ports and defaults
MESH_PORT: Final = 6783
HTTP_ADDRESS: Final = "127.0.0.1:6784"
DEFAULT_RANGE: Final = "10.32.0.0/12"
DEFAULT_DOMAIN: Final = "weave.local."

# Owners of addresses and names that are no containers (specification ipam 1, dns 5)
EXPOSE_OWNER: Final = "weave:expose"
EXTERN_OWNER: Final = "weave:extern"
ANONYMOUS_OWNER: Final = "_"

_GROUP = re.compile(r"[0-9a-fA-F]{1,2}", re.ASCII)


def image_name() -> str:
    """Repository and tag of the image of this version."""
    return f"{IMAGE_REPOSITORY}:{__version__}"


def parse_peer_name(text: str) -> PeerName:
    """A peer name as a user or a peer writes it: six hex groups, or `::` for the missing ones.

    Raises UsageProblem naming the text when it is no such thing.
    """
    problem = UsageProblem(
        f"invalid peer name: {text!r}",
        hint="A peer name looks like a MAC address: 7a:42:00:00:00:01.",
        code=Code.BAD_PEER_NAME,
    )
    before, shortened, after = text.partition("::")
    if not shortened:
        groups = text.split(":")
        if len(groups) != 6:
            raise problem
    else:
        head = before.split(":") if before else []
        tail = after.split(":") if after else []
        if not 1 <= len(head) + len(tail) <= 4:
            raise problem
        groups = [*head, *["0"] * (6 - len(head) - len(tail)), *tail]
    if not all(_GROUP.fullmatch(group) for group in groups):
        raise problem
    return PeerName(int.from_bytes(bytes(int(group, 16) for group in groups), "big"))


def format_peer_name(name: int) -> str:
    """Six lower-case two-digit hex groups."""
    return ":".join(f"{octet:02x}" for octet in name.to_bytes(6, "big"))


def pack_peer_name(name: int) -> bytes:
    """The six octets of a name."""
    return name.to_bytes(6, "big")


def unpack_peer_name(octets: bytes) -> PeerName:
    """A name from its six octets; the caller has checked the length."""
    return PeerName(int.from_bytes(octets, "big"))
