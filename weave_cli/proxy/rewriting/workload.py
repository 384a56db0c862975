"""A container as the proxy's work sees it, read from what Docker tells (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from weave_cli.containers.hostsfile import ExtraHost
from weave_cli.proxy.rewriting.documents import Document, get_object, get_text, get_texts
from weave_cli.proxy.rewriting.mark import has_mark
from weave_cli.proxy.rewriting.membership import LeftAlone, Member, decide

#: Docker puts the address of its own bridge in the place of this word.
_GATEWAY: Final = "host-gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A container that was made through the proxy."""

    id: str
    pid: int
    """Of its first process; 0 when it does not run."""
    network_mode: str
    environment: tuple[str, ...]
    extra_hosts: tuple[str, ...]
    has_own_hosts_file: bool
    """Whether /etc/hosts in it is Docker's own file for it; else it is the user's, and not ours to write."""
    program: str
    """The first word of what runs in it."""
    directory: str
    """Where the waiting program is mounted."""
    hostname: str

    def decide(self, *, wants_default_ipalloc: bool) -> Member | LeftAlone:
        """As `membership.decide`."""
        return decide(self.network_mode, self.environment, wants_default_ipalloc=wants_default_ipalloc)


def read_workload(facts: Document) -> Workload | None:
    """None for a container that does not wait for the proxy."""
    if not has_mark(facts):
        return None
    state, config, host_config = (get_object(facts, name) for name in ("State", "Config", "HostConfig"))
    container_id = get_text(facts, "Id")
    arguments = get_texts(facts, "Args") or []
    entrypoint = get_texts(config, "Entrypoint") or []
    return Workload(
        id=container_id,
        pid=int(state.get("Pid") or 0) if state.get("Running") else 0,
        network_mode=get_text(host_config, "NetworkMode"),
        environment=tuple(get_texts(config, "Env") or ()),
        extra_hosts=tuple(get_texts(host_config, "ExtraHosts") or ()),
        has_own_hosts_file=get_text(facts, "HostsPath").endswith(f"/{container_id}/hosts"),
        program=arguments[0] if arguments else "",
        directory=entrypoint[0].rpartition("/")[0],
        hostname=get_text(config, "Hostname"),
    )


def read_extra_hosts(lines: Sequence[str], gateway: str | None) -> tuple[ExtraHost, ...]:
    """`NAME:ADDRESS` lines as Docker keeps them (of late also `NAME=ADDRESS`); what is none is left out.

    gateway: the address of Docker's bridge, if it has one.
    """
    found: list[ExtraHost] = []
    for line in lines:
        at = min((place for place in (line.find(":"), line.find("=")) if place > 0), default=-1)
        name, address = line[:at], line[at + 1 :].strip("[]")
        if address == _GATEWAY:
            address = gateway or ""
        if at > 0 and address and f"{name}{address}".split() == [f"{name}{address}"]:
            found.append(ExtraHost(name, address))
    return tuple(found)


def explain_exit(status: int | None, program: str) -> str | None:
    """What Docker would have said, had it looked for the program itself; None: that was not the reason.

    The words are those by which Docker's clients know with which status they shall end.
    """
    match status:
        case 127 if "/" not in program:
            return f'exec: "{program}": executable file not found in $PATH'
        case 127:
            return f'exec: "{program}": no such file or directory'
        case 126:
            return f'exec: "{program}": permission denied'
    return None
