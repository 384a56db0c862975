"""As much of systemd as our units need, for lab hosts, whose first process it is not: run inside one.

    python -m tests.lab.systemd boot        as at a boot: starts what is enabled, in the units' order; stays
    python -m tests.lab.systemd WORD...     as `systemctl WORD...`, asked of the one that stays

Reads the very files that are installed: order, sockets, rights, directories, restarts and readiness are
theirs.
A setting of theirs that it does not know is an error, not a guess. Knows nothing of weave.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

UNITS: Final = Path("/etc/systemd/system")
_RUN: Final = Path("/run/systemd")
_CONTROL: Final = _RUN / "lab-control"
_LOG: Final = "/var/lib/lab-services.log"
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FIRST_DESCRIPTOR: Final = 3
_HIGH_DESCRIPTOR: Final = 100

_IGNORED: Final = frozenset({"Description", "Documentation", "StartLimitIntervalSec", "Wants", "Type"})
_KNOWN: Final = _IGNORED | {
    "After", "Before", "Requires", "StartLimitBurst", "ExecStart", "StateDirectory", "StateDirectoryMode",
    "WorkingDirectory", "CapabilityBoundingSet", "NoNewPrivileges", "LimitNOFILE", "Restart", "RestartSec",
    "TimeoutStartSec", "TimeoutStopSec", "Environment", "ListenStream", "SocketMode", "DirectoryMode",
    "RemoveOnStop", "WantedBy",
}  # fmt: skip


class Unit:
    """One file, and how it is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.settings: dict[str, list[str]] = defaultdict(list)
        for line in (UNITS / name).read_text().splitlines():
            if line and line[0] not in "#[":
                key, _, value = line.partition("=")
                assert key in _KNOWN, f"{name}: {key}"
                self.settings[key].append(value)
        self.state = "inactive"
        self.restarts = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.sockets: list[socket.socket] = []
        self.wanted = False
        self.settled = threading.Event()
        """Ready, or not to be waited for."""

    def one(self, key: str, default: str = "") -> str:
        return self.settings[key][-1] if self.settings[key] else default

    def words(self, key: str) -> list[str]:
        return " ".join(self.settings[key]).split()


class Manager:
    """Starts and stops; one lock for all, as nothing here is quick."""

    def __init__(self) -> None:
        self._units: dict[str, Unit] = {}
        self._enabled = UNITS / ".enabled"

    def unit(self, name: str) -> Unit:
        if name not in self._units:
            self._units[name] = Unit(name)
        return self._units[name]

    def enabled(self) -> list[str]:
        return self._enabled.read_text().split() if self._enabled.exists() else []

    def boot(self) -> None:
        """Everything that is enabled, in order: each waits for those that it is after."""
        units = [self.unit(name) for name in self.enabled()]
        waiting = list(units)
        while waiting:
            names = {unit.name for unit in waiting}
            ready = next(unit for unit in waiting if not names & self._before(unit, waiting))
            waiting.remove(ready)
            for first in units:
                if first.name in self._before(ready, units):
                    self._await(first)
            self.start(ready.name)
        for unit in units:
            self._await(unit)

    def _await(self, unit: Unit) -> None:
        unit.settled.wait(float(unit.one("TimeoutStartSec", "0")))

    def _before(self, unit: Unit, others: Sequence[Unit]) -> set[str]:
        return {*unit.words("After"), *(one.name for one in others if unit.name in one.words("Before"))}

    def start(self, name: str) -> None:
        unit = self.unit(name)
        if unit.wanted:
            return
        for needed in unit.words("Requires"):
            self.start(needed)
        unit.wanted = True
        unit.settled.clear()
        if name.endswith(".socket"):
            self._listen(unit)
            unit.state = "active"
            unit.settled.set()
        else:
            unit.restarts = 0
            unit.state = "activating"
            threading.Thread(target=self._keep, args=(unit,), daemon=True).start()

    def stop(self, name: str) -> None:
        unit = self.unit(name)
        unit.wanted = False
        if unit.process is not None:
            unit.process.terminate()
            try:
                unit.process.wait(float(unit.one("TimeoutStopSec", "10")))
            except subprocess.TimeoutExpired:
                unit.process.kill()
                unit.process.wait()
        for listening in unit.sockets:
            path = listening.getsockname()
            listening.close()
            if unit.one("RemoveOnStop") == "yes":
                Path(path).unlink(missing_ok=True)
        unit.sockets = []
        unit.state = "inactive"

    def _listen(self, unit: Unit) -> None:
        for path in unit.settings["ListenStream"]:
            mode = int(unit.one("DirectoryMode", "0755"), 8)
            Path(path).parent.mkdir(mode=mode, parents=True, exist_ok=True)
            Path(path).unlink(missing_ok=True)
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(path)
            os.chmod(path, int(unit.one("SocketMode", "0666"), 8))
            listening.listen(128)
            unit.sockets.append(listening)

    def _keep(self, unit: Unit) -> None:
        """Run it, again and again while it is wanted."""
        while True:
            status = self._run(unit)
            if not self._is_wanted(unit):
                break
            unit.settled.set()
            unit.restarts += 1
            if unit.one("Restart") != "always" or unit.restarts >= int(unit.one("StartLimitBurst", "5")):
                unit.state, unit.wanted = "failed", False
                say(f"{unit.name} is given up, status {status}")
                break
            unit.state = "activating"
            time.sleep(float(unit.one("RestartSec", "0.1")))

    def _is_wanted(self, unit: Unit) -> bool:
        return unit.wanted

    def _run(self, unit: Unit) -> int:
        environment = {"PATH": _PATH, "LANG": "C.UTF-8"}
        for line in unit.settings["Environment"]:
            for word in shlex.split(line):
                name, _, value = word.partition("=")
                environment[name] = value
        directory = Path("/var/lib", unit.one("StateDirectory"))
        directory.mkdir(mode=int(unit.one("StateDirectoryMode", "0755"), 8), exist_ok=True)
        notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        environment["NOTIFY_SOCKET"] = str(_RUN / f"notify-{unit.name}")
        Path(environment["NOTIFY_SOCKET"]).unlink(missing_ok=True)
        notices.bind(environment["NOTIFY_SOCKET"])
        threading.Thread(target=self._hear, args=(unit, notices), daemon=True).start()
        handed = [
            listening
            for one in self._units.values()
            if one.name == unit.name.replace(".service", ".socket")
            for listening in one.sockets
        ]
        rights = ",".join(
            f"+{right.removeprefix('CAP_').lower()}" for right in unit.words("CapabilityBoundingSet")
        )
        descriptors = [fcntl.fcntl(one, fcntl.F_DUPFD, _HIGH_DESCRIPTOR) for one in handed]
        moved = " ".join(f"{_FIRST_DESCRIPTOR + place}<&{one}" for place, one in enumerate(descriptors))
        command = shlex.join(
            [
                *("setpriv", "--bounding-set", f"-all,{rights}"),
                *(["--no-new-privs"] if unit.one("NoNewPrivileges") == "yes" else []),
                *(word.replace("%%", "%").replace("$$", "$") for word in shlex.split(unit.one("ExecStart"))),
            ]
        )
        # The shell is replaced by the program, so that its id is the program's.
        handing = f"exec {moved}; export LISTEN_PID=$$ LISTEN_FDS={len(handed)};" if handed else ""
        with open(_LOG, "ab") as log:
            process = unit.process = subprocess.Popen(
                ["bash", "-c", f"{handing} exec {command}"],
                env=environment,
                cwd=unit.one("WorkingDirectory", "/"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=descriptors,
                start_new_session=True,
            )
        for descriptor in descriptors:
            os.close(descriptor)
        status = process.wait()
        unit.process = None
        notices.close()
        return status

    def _hear(self, unit: Unit, notices: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while message := notices.recv(4096):
                if b"READY=1" in message.splitlines():
                    unit.state = "active"
                    unit.settled.set()

    def control(self, words: list[str]) -> tuple[int, str]:
        """Status and output of one `systemctl`."""
        options = [word for word in words if word.startswith("-")]
        word, *names = [word for word in words if not word.startswith("-")]
        match word:
            case "daemon-reload":
                for name, unit in list(self._units.items()):
                    if not (UNITS / name).exists():
                        del self._units[name]
                    else:
                        unit.settings = Unit(name).settings
            case "enable" | "disable":
                kept = [one for one in self.enabled() if one not in names]
                self._enabled.write_text(" ".join([*kept, *(names if word == "enable" else [])]))
                if "--now" in options:
                    self.control(["start" if word == "enable" else "stop", *names])
            case "start":
                for name in names:
                    self.start(name)
            case "stop":
                for name in names:
                    self.stop(name)
            case "restart":
                for name in names:
                    self.stop(name)
                    self.start(name)
            case "reset-failed":
                pass
            case "show":
                return 0, self._show(self.unit(names[0]))
            case _:
                return 1, f"unknown word {word}\n"
        return 0, ""

    def _show(self, unit: Unit) -> str:
        state = "enabled" if unit.name in self.enabled() else "disabled"
        return f"ActiveState={unit.state}\nUnitFileState={state}\nNRestarts={unit.restarts}\n"


def say(line: str) -> None:
    """For whoever has started us."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def serve() -> None:
    """Boot, and then do what is asked, until the end of the host."""
    (_RUN / "system").mkdir(parents=True, exist_ok=True)
    manager = Manager()
    with socket.socket(socket.AF_UNIX) as listening:
        _CONTROL.unlink(missing_ok=True)
        listening.bind(str(_CONTROL))
        listening.listen()
        manager.boot()
        say("booted")
        while True:
            connection, _ = listening.accept()
            with connection, connection.makefile("rwb") as asked:
                try:
                    answer: Any = manager.control(json.loads(asked.readline()))
                except Exception as problem:
                    answer = 1, f"{problem!r}\n"
                asked.write(json.dumps(answer).encode() + b"\n")


def ask(words: Sequence[str]) -> int:
    """One `systemctl`."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(_CONTROL))
        with connection.makefile("rwb") as asked:
            asked.write(json.dumps(list(words)).encode() + b"\n")
            asked.flush()
            status, text = json.loads(asked.readline())
    (sys.stderr if status else sys.stdout).write(text)
    return int(status)


if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if sys.argv[1:] == ["boot"]:
        serve()
    else:
        sys.exit(ask(sys.argv[1:]))
