"""The systemd units of router and plugin as texts, and the commands in them. Pure: touches no file.

What has to hold at a boot: the sockets listen before Docker starts, since a driver that does not answer
costs Docker 15 s a call; router and plugin start before it, but it need not wait for them; and neither of
them, broken, keeps Docker from starting.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from weave_cli.containers.specs import RESOLVER_DIRECTORY
from weave_cli.names import GLOBAL_DRIVER, MESH_DRIVER, PASSWORD_FILE, PLUGIN_SOCKET_DIRECTORY

ROUTER_UNIT: Final = "weave-router.service"
PLUGIN_UNIT: Final = "weave-plugin.service"
SOCKET_UNIT: Final = "weave-plugin.socket"
#: Docker's own unit gets this one beside it.
DROP_IN: Final = "docker.service.d/weave.conf"

#: What the volume is for containers. Kubernetes has something of the original at `/var/lib/weave`.
SERVICE_STATE: Final = "/var/lib/weave-service"
SERVICE_PASSWORD: Final = f"{SERVICE_STATE}/password"
SERVICE_JOURNAL: Final = f"{SERVICE_STATE}/plugin.db"

_HEAD: Final = "# Written by `weave install-service`.\n"
_DOCUMENTATION: Final = "Documentation=man:systemd.service(5)"

#: May read an installation in a home directory that nobody else may enter.
_READS_ANYWHERE: Final = "CAP_DAC_READ_SEARCH"
_ROUTER_RIGHTS: Final = f"CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE {_READS_ANYWHERE}"
_PLUGIN_RIGHTS: Final = f"CAP_NET_ADMIN {_READS_ANYWHERE}"

#: Arguments that are different for a service, by their beginnings.
_OF_PLACE: Final = (
    "--password-file=", "--resolv-conf=", "--state-dir=", "--dns-address-may-come", "--journal=",
    "--http-addr=",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePlan:
    """What the services run: whole commands, interpreter first; no plugin when none is wanted."""

    router: tuple[str, ...]
    plugin: tuple[str, ...] | None
    docker_host: str
    """Where the plugin finds Docker."""
    router_restarts: bool = True
    plugin_restarts: bool = True
    """Whether each comes back after a crash, and at boots."""


def router_service_command(
    command: Sequence[str], *, interpreter: str, resolver_file: str, has_password: bool
) -> tuple[str, ...]:
    """A router's command for a service, from that of its container or of its service."""
    options, peers = _split(command)
    return (
        *_start(interpreter, "router"),
        *options,
        *([f"--password-file={SERVICE_PASSWORD}"] if has_password else []),
        f"--state-dir={SERVICE_STATE}",
        f"--resolv-conf={resolver_file}",
        f"--http-addr={find_http_address(command)}",
        "--dns-address-may-come",
        *peers,
    )


def router_container_arguments(command: Sequence[str], *, resolver_name: str) -> tuple[str, ...]:
    """The way back: of a container, which takes the peers of the last time up again."""
    options, _ = _split(command)
    return (
        *(one for one in options if one != "--resume"),
        *([f"--password-file={PASSWORD_FILE}"] if has_password_file(command) else []),
        f"--resolv-conf={RESOLVER_DIRECTORY}/{resolver_name}",
        f"--http-addr={find_http_address(command)}",
        "--resume",
    )


def plugin_service_command(command: Sequence[str], *, interpreter: str, http_address: str) -> tuple[str, ...]:
    """The same of the plugin."""
    options, _ = _split(command)
    return (
        *_start(interpreter, "plugin"),
        *options,
        f"--http-addr={http_address}",
        f"--journal={SERVICE_JOURNAL}",
    )


def plugin_container_arguments(command: Sequence[str]) -> tuple[str, ...]:
    return tuple(_split(command)[0])


def has_password_file(command: Sequence[str]) -> bool:
    return any(word.startswith("--password-file=") for word in command)


def find_http_address(command: Sequence[str]) -> str:
    """Where a router with that command has its API. Raises StopIteration for one that we did not make."""
    prefix = "--http-addr="
    return next(word.removeprefix(prefix) for word in command if word.startswith(prefix))


def write_units(plan: ServicePlan) -> dict[str, str]:
    """The files by their names below the directory of units."""
    units = {ROUTER_UNIT: _router(plan)}
    if plan.plugin is not None:
        units |= {PLUGIN_UNIT: _plugin(plan, plan.plugin), SOCKET_UNIT: _sockets()}
    return units | {DROP_IN: _beside_docker(units)}


def read_command(unit: str) -> tuple[str, ...]:
    """The command in the text of a unit that we wrote; empty when there is none."""
    prefix = "ExecStart="
    line = next((one for one in unit.splitlines() if one.startswith(prefix)), prefix)
    return tuple(
        word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line.removeprefix(prefix))
    )


def restarts(unit: str) -> bool:
    """Of the text of a unit that we wrote: does it come back?"""
    return "Restart=no" not in unit.splitlines()


def _split(command: Sequence[str]) -> tuple[list[str], list[str]]:
    """Options that mean the same everywhere, and peers; without the program in front."""
    module = next((place for place, word in enumerate(command) if word == "-m"), -1)
    words = [word for word in command[module + 2 :] if not word.startswith(_OF_PLACE)]
    return [one for one in words if one.startswith("--")], [one for one in words if not one.startswith("--")]


def _start(interpreter: str, program: str) -> tuple[str, ...]:
    return (interpreter, "-m", f"weave_cli.{program}")


def _router(plan: ServicePlan) -> str:
    return _HEAD + "\n".join(
        (
            "[Unit]",
            "Description=Router of the weave network",
            _DOCUMENTATION,
            # As in a container, which Docker starts when the network is there.
            "Wants=network-online.target",
            "After=network-online.target firewalld.service",
            "Before=docker.service",
            *_limits(),
            "",
            "[Service]",
            *_service(plan.router, _ROUTER_RIGHTS, has_restart=plan.router_restarts),
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        )
    )


def _plugin(plan: ServicePlan, command: Sequence[str]) -> str:
    return _HEAD + "\n".join(
        (
            "[Unit]",
            "Description=Docker network plugin of weave",
            _DOCUMENTATION,
            f"Requires={SOCKET_UNIT}",
            f"After={SOCKET_UNIT}",
            "Before=docker.service",
            *_limits(),
            "",
            "[Service]",
            *_service(command, _PLUGIN_RIGHTS, has_restart=plan.plugin_restarts),
            f"Environment={_quoted(f'DOCKER_HOST={plan.docker_host}', has_variables=False)}",
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        )
    )


def _sockets() -> str:
    return _HEAD + "\n".join(
        (
            "[Unit]",
            "Description=Sockets on which Docker calls the network plugin of weave",
            _DOCUMENTATION,
            "Before=docker.service",
            "",
            "[Socket]",
            *(f"ListenStream={PLUGIN_SOCKET_DIRECTORY}/{name}.sock" for name in (MESH_DRIVER, GLOBAL_DRIVER)),
            "SocketMode=0600",
            "DirectoryMode=0700",
            # A socket file without listener costs Docker 15 s a call.
            "RemoveOnStop=yes",
            "",
            "[Install]",
            "WantedBy=sockets.target",
            "",
        )
    )


def _beside_docker(units: Iterable[str]) -> str:
    names = " ".join(sorted(units))
    return _HEAD + "\n".join(
        (
            "[Unit]",
            # No Wants: what `weave stop` has switched off stays off.
            f"After={names}",
            "",
            "[Service]",
            # Docker waits for what does not answer; killed for that, it would never come up.
            "TimeoutStartSec=0",
            "",
        )
    )


def _limits() -> tuple[str, ...]:
    """One that cannot live is given up after half a minute, its sockets too: then Docker's calls fail."""
    return ("StartLimitIntervalSec=60", "StartLimitBurst=20")


def _service(command: Sequence[str], rights: str, *, has_restart: bool) -> tuple[str, ...]:
    return (
        # Docker starts beside them: its calls wait at the sockets, and the plugin waits for the router. The
        # order counts at the end only: they serve until Docker has stopped.
        "Type=exec",
        f"ExecStart={' '.join(map(_quoted, command))}",
        f"StateDirectory={SERVICE_STATE.rpartition('/')[2]}",
        "StateDirectoryMode=0700",
        f"WorkingDirectory={SERVICE_STATE}",
        f"CapabilityBoundingSet={rights}",
        "NoNewPrivileges=yes",
        "LimitNOFILE=65536",
        *(("Restart=always", "RestartSec=1") if has_restart else ("Restart=no",)),
        "TimeoutStopSec=10",
    )


def _quoted(word: str, *, has_variables: bool = True) -> str:
    """As systemd reads it: quotes, backslashes, its specifiers, and in commands its variables."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if has_variables:
        escaped = escaped.replace("$", "$$")
    return f'"{escaped}"'
