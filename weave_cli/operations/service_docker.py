"""Is it docker.service that runs this host's Docker? What is ordered before another unit comes too late."""

from __future__ import annotations

from typing import Any, Final

from weave_cli.containers.client import Docker, translated
from weave_cli.errors import HostProblem
from weave_cli.host import systemd

_UNIT: Final = "docker.service"
_STAY: Final = "Stay with 'weave launch', whose containers Docker starts at a boot"


def check_docker_unit(client: Docker) -> None:
    """Raises HostProblem, which says what runs it instead, as far as that can be told."""
    with translated("ask Docker about itself"):
        info: dict[str, Any] = client.api.info()
    state = systemd.read_properties(_UNIT, "ActiveState").get("ActiveState", "")
    if problem := find_obstacle(info, state):
        raise problem


def find_obstacle(info: dict[str, Any], state: str) -> HostProblem | None:
    """The same as a value. info: Docker's answer; state: of the unit, as systemctl shows it."""
    if any("rootless" in word for word in info.get("SecurityOptions") or ()):
        return HostProblem(
            "Docker runs without root here, in a network namespace of its own",
            hint="Let root run Docker (docker.service): no network of other hosts reaches that namespace.",
        )
    if state in ("active", "activating", "reloading"):
        return None
    root = str(info.get("DockerRootDir") or "")
    if root.startswith("/var/snap/"):
        return HostProblem(
            "Docker is a snap here: its service has another name, and what it sees of the host is its own",
            hint=f"{_STAY}; or install Docker as a package of your distribution.",
        )
    return HostProblem(
        f"{_UNIT} does not run this host's Docker ({_UNIT} is {state or 'unknown'})",
        hint=f"{_STAY}; or start the commands that 'weave install-service --dry-run' prints before Docker,"
        " by what starts it.",
    )
