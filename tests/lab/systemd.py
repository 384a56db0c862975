"""A real systemd as the first process of a lab host. It runs Docker there, with the units that Debian has."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from tests.lab.hosts import EngineSilent, LabHost

_BOOT: Final = Path(__file__).with_name("systemd_boot.sh")
_DOCKER: Final = "docker.service docker.socket containerd.service"


class _DockerUnit:
    """The engine of a host, in the hands of its systemd."""

    def start(self, host: LabHost) -> None:
        host.run(f"systemctl reset-failed {_DOCKER}; systemctl start --no-block docker.socket docker.service")

    def stop(self, host: LabHost) -> None:
        host.run(f"systemctl stop {_DOCKER}", timeout=120)

    def kill(self, host: LabHost) -> None:
        """systemd starts it again by itself, a moment later."""
        host.run(
            # Its unit allows for three starts a minute.
            "systemctl reset-failed docker.service;"
            " pid=$(systemctl show --property=MainPID --value docker.service)"
            " && kill -KILL $pid && while [ -e /proc/$pid ]; do sleep 0.01; done"
        )

    def is_alive(self, host: LabHost) -> bool:
        return host.sh("systemctl is-active --quiet docker.service").status == 0


def bring_systemd(host: LabHost) -> None:
    """From now on, and after each boot, until the host is replaced. Raises EngineSilent."""
    host.stop_engine()
    host.engine_keeper = _DockerUnit()
    host.at_boot = _boot
    _boot(host)
    host.run("systemctl enable docker.socket docker.service")
    host.start_engine()


def _boot(host: LabHost) -> None:
    with (host.disk / "boot.log").open("ab") as errors:
        started = subprocess.Popen(
            [*host.entry(), "bash", str(_BOOT), f"{host.unique_name}-systemd"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=host.environment,
            cwd="/",
            start_new_session=True,
        )
    assert started.stdout is not None
    with started.stdout as said:
        words = said.readline().split()
    if words[:1] != [b"ready"]:
        raise EngineSilent(f"systemd on {host.name}: {(host.disk / 'boot.log').read_text().strip()}")
    host.enter_also(int(words[1]), started)
    host.run("timeout 60 sh -c 'until systemctl list-jobs >/dev/null 2>&1; do sleep 0.05; done'", timeout=65)
