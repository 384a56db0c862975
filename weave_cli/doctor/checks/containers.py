"""Router, plugin and proxy: do their containers run, stay up, and do they serve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from weave_cli.doctor.findings import Finding, failure, note, ok, warning


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonFacts:
    """A container or a service of ours, by the name that it should have.

    status: Docker's word; None: there is none.
    """

    component: str
    container: str
    status: str | None
    is_ours: bool = True
    restart_count: int = 0
    serves: bool = False
    """It answers, and all of it is up."""
    is_wanted: bool = True
    """False when nobody launched it, or the environment says that it is not used."""
    is_service: bool = False

    @property
    def thing(self) -> str:
        return f"{'service' if self.is_service else 'container'} {self.container}"

    @property
    def log(self) -> str:
        """The command that shows what it says."""
        return f"journalctl -u {self.container}" if self.is_service else f"docker logs {self.container}"

    @property
    def restart(self) -> str:
        """The command that starts it again."""
        return f"{'systemctl' if self.is_service else 'docker'} restart {self.container}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedFacts:
    """Docker's plugin for networks of a swarm; `name` is that of its driver."""

    name: str
    is_ours: bool
    is_enabled: bool
    serves: bool


#: The state of an allocator that could have addresses from nobody.
ALL_OUT_OF_REACH: Final = "all of the range belongs to hosts that are not in the mesh"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocatorFacts:
    """state: much as in `weave status`; unreachable: nicknames of owners of addresses not in the mesh."""

    state: str
    unreachable: tuple[str, ...] = ()


def check_daemon(facts: DaemonFacts) -> Iterator[Finding]:
    code, name = f"daemons.{facts.component}", f"the {facts.component}"
    if facts.status is None:
        if facts.is_wanted:
            yield note(code, f"{name} has not been launched", mend=_launch(facts))
        return
    if not facts.is_ours:
        yield failure(
            code,
            f"a container that is not ours has the name {facts.container}",
            why=f"{name} cannot be launched beside it",
            mend=f"docker rename {facts.container} {facts.container}-old, or docker rm -f {facts.container}",
        )
    elif facts.status != "running":
        yield failure(
            code,
            f"{facts.thing} is {facts.status}",
            why="no new address, name or connection until it runs",
            mend=f"docker unpause {facts.container}"
            if facts.status == "paused"
            else f"{facts.log}; {facts.restart if facts.is_service else _launch(facts)}",
        )
    elif not facts.serves:
        yield failure(
            code,
            f"{facts.thing} runs, but {name} does not serve",
            why="commands and docker run wait for it",
            mend=f"{facts.log}; {facts.restart}",
        )
    else:
        yield ok(code, f"{name} serves")
    if facts.is_ours and facts.restart_count > 0:
        yield warning(
            f"{code}-restarts",
            f"{'systemd' if facts.is_service else 'Docker'} has restarted {facts.thing}"
            f" {facts.restart_count} times",
            why="it died; its log says of what",
            mend=facts.log,
        )


def check_managed(facts: ManagedFacts) -> Iterator[Finding]:
    code, name = "daemons.swarm-plugin", facts.name.removesuffix(":latest")
    if not facts.is_ours:
        yield warning(
            code,
            f"Docker has a plugin {name} that is not ours",
            why="networks of a swarm with this driver are not weave's",
            mend=f"docker plugin rm {name}, when nobody uses it; then weave launch-plugin --managed",
        )
    elif not facts.is_enabled:
        yield failure(
            code,
            f"Docker's plugin {name} is switched off",
            why="containers on its networks of the swarm do not start on this host",
            mend=f"docker plugin enable {name}",
        )
    elif not facts.serves:
        yield failure(
            code,
            f"Docker's plugin {name} is switched on, and does not answer",
            why="each call to it takes Docker 15 s and more",
            mend=f"docker plugin disable -f {name}; docker plugin enable {name}",
        )
    else:
        yield ok(code, f"the plugin for networks of a swarm ({name}) serves")


def check_allocator(facts: AllocatorFacts) -> Iterator[Finding]:
    if facts.state.startswith(("awaiting", "priming", "idle")):
        yield warning(
            "daemons.addresses",
            f"no addresses can be given out yet: {facts.state}",
            why="docker run --net=weave and weave attach wait until the hosts have divided the range",
            mend="weave connect <another host>; with one host only: weave reset && weave launch"
            " --ipalloc-init consensus=1",
        )
    elif facts.state != ALL_OUT_OF_REACH:  # else the owners are named below, with what to do
        yield ok("daemons.addresses", f"address allocation: {facts.state}")
    for nickname in facts.unreachable:
        yield warning(
            "daemons.unreachable-owner",
            f"{nickname} owns addresses and is not in the mesh",
            why="its addresses are of no use to others while it is away",
            mend=f"Bring it back; or, if it is gone for good, on one host only: weave rmpeer {nickname}",
        )


def _launch(facts: DaemonFacts) -> str:
    return "weave launch" if facts.component == "router" else f"weave launch-{facts.component}"
