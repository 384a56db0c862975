"""The machine part of a lab host: its namespaces, its disk, and being switched on and off."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.lab.slots import Slot, remove_cgroups
from tests.lab.switch import Switch

_BOOT: Final = Path(__file__).with_name("boot.sh")
_REPOSITORY: Final = Path(__file__).resolve().parents[2]


class BoxBroken(Exception):
    """The namespaces of a host could not be set up; says where the log is."""


class Box:
    """Network, mount, pid, uts and ipc namespaces held by one init, on a disk that outlives them."""

    def __init__(self, slot: Slot, switch: Switch, number: int) -> None:
        self.name = f"host{number}"
        self.unique_name = f"{slot.prefix}-host{number}"
        self.disk = slot.directory / self.name
        self.init: int | None = None
        self.inner: int | None = None
        """A process of the box, by its number there, whose own namespaces are entered as well."""
        self._slot = slot
        self._switch = switch
        self._number = number
        self._holder: subprocess.Popen[bytes] | None = None

    @property
    def is_on(self) -> bool:
        """Whether the box is switched on."""
        return self.init is not None

    def switch_on(self) -> None:
        """Make the namespaces on the disk as it is. Raises BoxBroken."""
        self.disk.mkdir(parents=True, exist_ok=True)
        subprocess.run(["ip", "netns", "add", self.unique_name], check=True)
        self._switch.attach(self._number, self.unique_name)
        # May be inherited as 1; a fresh host has 0, and only then does dockerd set FORWARD's policy to DROP.
        in_network = ["ip", "netns", "exec", self.unique_name]
        subprocess.run([*in_network, "sysctl", "-qw", "net.ipv4.ip_forward=0"], check=True)
        log = self.disk / "boot.log"
        with open(log, "ab") as errors:
            self._holder = subprocess.Popen(
                [
                    *("nsenter", f"--net=/run/netns/{self.unique_name}"),
                    *("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL"),
                    *("bash", str(_BOOT), str(self.disk), self.name, f"{self._switch.subnet}.254"),
                    *_hidden(),
                ],
                stdin=subprocess.PIPE,  # the box lives until this pipe closes, so it dies with us
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert self._holder.stdout is not None
        with self._holder.stdout as said:
            words = said.readline().split()
        self._slot.remember(self._holder.pid)
        if words[:1] != [b"ready"]:
            raise BoxBroken(f"{self.name} did not start: {log.read_text().strip()}")
        self.init = int(words[1])
        self._slot.remember(self.init)

    def switch_off(self) -> None:
        """Pull the plug: every process ends at once, and the namespaces go; the disk stays."""
        if self.init is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.init, signal.SIGKILL)
            self.init = self.inner = None
        if self._holder is not None:
            self._holder.wait()
            if self._holder.stdin is not None:
                self._holder.stdin.close()
            self._holder = None
        self._switch.detach(self._number)
        subprocess.run(["ip", "netns", "delete", self.unique_name], check=False, capture_output=True)
        remove_cgroups(self.unique_name)

    def erase(self) -> None:
        """Throw the disk of a box away that is switched off."""
        shutil.rmtree(self.disk)

    def entry(self) -> list[str]:
        """What to put before a command to run it inside. Raises BoxBroken when switched off."""
        if self.init is None:
            raise BoxBroken(f"{self.name} is switched off")
        words = ["nsenter", "-t", str(self.init), "-m", "-n", "-u", "-i", "-p"]
        return words if self.inner is None else [*words, "nsenter", "-t", str(self.inner), "-m", "-p", "-C"]

    def outside(self, path: str) -> Path:
        """Where a file of the box is seen from outside."""
        return Path(f"/proc/{self.init}/root{path}")


def _hidden() -> Iterable[str]:
    """Directories that must stay visible in a host although its own /tmp and /run hide them."""
    needed = {_REPOSITORY, Path(sys.prefix), Path(sys.base_prefix)}
    return sorted(str(path) for path in needed if path.parts[1] in ("tmp", "run"))
