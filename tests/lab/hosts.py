"""Docker hosts for tests: many on one machine, each with an engine of its own and a shell to type into."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol

from tests.lab import busybox, slots
from tests.lab.box import Box
from tests.lab.engines import Engine
from tests.lab.shell import CommandFailed, Result, run_shell
from tests.lab.switch import Switch
from tests.lab.terminal import Terminal

_ENGINE_START: Final = 90.0
_OURS: Final = ("weave", "weaveplugin")


class EngineSilent(Exception):
    """An engine does not answer on its socket; says what its log ends with."""


class EngineKeeper(Protocol):
    """Who runs the engine of a host, in our place."""

    def start(self, host: LabHost) -> None: ...

    def stop(self, host: LabHost) -> None: ...

    def kill(self, host: LabHost) -> None: ...

    def is_alive(self, host: LabHost) -> bool: ...


def _path(engine: Engine) -> str:
    """Our commands first, then the engine's."""
    return os.pathsep.join((str(Path(sys.prefix) / "bin"), *engine.path))


class LabHost:
    """One Docker host: `name` (host1), `ip` on the underlay, `number` from 1."""

    def __init__(self, box: Box, number: int, ip: str, engine: Engine, env: dict[str, str]) -> None:
        self.name = box.name
        self.number = number
        self.ip = ip
        self.engine = engine
        self._box = box
        self._env = env
        self._daemon: subprocess.Popen[bytes] | None = None
        self._inner: subprocess.Popen[bytes] | None = None
        self._touched = False
        self.at_boot: Callable[[LabHost], None] | None = None
        """What happens at a boot before the engine starts."""
        self.engine_keeper: EngineKeeper | None = None
        """None: the engine is our child."""

    @property
    def unique_name(self) -> str:
        """Its name among those of all labs of this machine."""
        return self._box.unique_name

    @property
    def disk(self) -> Path:
        """What outlives a power cycle; logs of ours are there."""
        return self._box.disk

    @property
    def environment(self) -> dict[str, str]:
        """Of the operator's shell."""
        return self._env

    def entry(self) -> list[str]:
        """What to put before a command to run it on this host."""
        return self._box.entry()

    def enter_also(self, process: int, child: subprocess.Popen[bytes]) -> None:
        """Let commands enter the namespaces of this process of the host as well, while it is on.

        child: ours, which runs it, and ends with the host.
        """
        self._box.inner = process
        self._inner = child

    @property
    def is_on(self) -> bool:
        """Whether the host is switched on."""
        return self._box.is_on

    @property
    def engine_runs(self) -> bool:
        """Whether the engine's process is alive."""
        if self.engine_keeper is not None:
            return self.engine_keeper.is_alive(self)
        return self._daemon is not None and self._daemon.poll() is None

    def sh(self, command: str, *, timeout: float = 60, stdin: str = "") -> Result:
        """Type a command into this host's shell as root; any exit status is an answer.

        Raises CommandFailed when it is not done after `timeout` seconds; it is killed then.
        """
        self._touched = True
        return run_shell(self._box.entry(), self.name, command, env=self._env, timeout=timeout, stdin=stdin)

    def run(self, command: str, *, timeout: float = 60, stdin: str = "") -> str:
        """Type a command that must succeed; what it printed, right-stripped. Raises CommandFailed."""
        result = self.sh(command, timeout=timeout, stdin=stdin)
        if result.status != 0:
            raise CommandFailed(str(result))
        return result.stdout.rstrip()

    def terminal(self, command: str) -> Terminal:
        """Type a command at a terminal of this host, to converse with it."""
        self._touched = True
        return Terminal([*self.entry(), "bash", "-c", command], self._env)

    def start_engine(self, *options: str, **variables: str) -> None:
        """Start dockerd with these options and variables and wait until it answers. Raises EngineSilent."""
        if self.engine_keeper is not None:
            self.engine_keeper.start(self)
        else:
            self._start_child(options, variables)
        deadline = time.monotonic() + _ENGINE_START
        while not self._answers():
            is_gone = self._daemon is not None and self._daemon.poll() is not None
            if is_gone or time.monotonic() > deadline:
                raise EngineSilent(f"dockerd on {self.name}:\n{self.engine_log()}")
            time.sleep(0.02)

    def _start_child(self, options: Iterable[str], variables: Mapping[str, str]) -> None:
        with open(self._box.disk / "dockerd.log", "ab") as log:
            self._daemon = subprocess.Popen(
                [
                    *self.entry(),
                    "dockerd",
                    f"--cgroup-parent=/{self._box.unique_name}",
                    "--exec-opt=native.cgroupdriver=cgroupfs",
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self._env, **variables},
                cwd="/",
                start_new_session=True,
            )

    def change_engine(self, engine: Engine) -> None:
        """Another version's programs, for commands at once and for the engine from its next start on."""
        self.engine = engine
        self._env = self._env | {"PATH": _path(engine)}

    def stop_engine(self) -> None:
        """Stop dockerd and its containers in good order."""
        if self.engine_keeper is not None:
            self.engine_keeper.stop(self)
            return
        self._signal_engine("kill -TERM $(cat /run/docker.pid)")

    def kill_engine(self) -> None:
        """Kill dockerd and containerd as a crash would; containers go on running."""
        if self.engine_keeper is not None:
            self.engine_keeper.kill(self)
            return
        # containerd is dockerd's child and may already have gone with it.
        self._signal_engine(
            "read -r child </run/docker/containerd/containerd.pid"
            "; kill -KILL $(cat /run/docker.pid) && { kill -KILL $child || true; }"
        )

    def restart_engine(self) -> None:
        """Stop and start dockerd."""
        self.stop_engine()
        self.start_engine()

    def power_off(self) -> None:
        """Pull the plug: nothing is shut down, /run and /tmp are lost."""
        self._box.switch_off()
        for child in (self._daemon, self._inner):
            if child is not None:
                child.wait()
        self._daemon = self._inner = None

    def boot(self) -> None:
        """Switch the host on and start its engine."""
        self._box.switch_on()
        if self.at_boot is not None:
            self.at_boot(self)
        self.start_engine()

    def install(self) -> None:
        """First boot of an empty disk: also brings the image `busybox:latest`."""
        self.boot()
        self.run(f"docker import --change 'CMD [\"sh\"]' {busybox.image_tar()} busybox:latest")
        self._touched = False

    def replace(self) -> None:
        """A new host with an empty disk in the place of this one."""
        self.power_off()
        self.at_boot = self.engine_keeper = None
        self._box.erase()
        self.install()

    def engine_log(self, lines: int = 30) -> str:
        """The end of the engine's log."""
        log = self._box.disk / "dockerd.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])

    def describe(self) -> str:
        """What one wants to see of the host when a test has failed."""
        if not self.is_on:
            return "switched off"
        questions = (
            "docker ps -a",
            "docker logs --tail 40 weave",
            "docker logs --tail 40 weaveplugin",
            "weave status connections",
            "weave status dns",
            "tail -n 15 " + str(self._box.disk / "dockerd.log"),
        )
        return "\n".join(str(self.sh(f"timeout 10 {question}")) for question in questions)

    def clean(self) -> str | None:
        """Bring the host back to how it was installed; what went wrong on the way, or None.

        A host that cannot be cleaned is replaced by a new one.
        """
        if not self._touched and self.is_on and self.engine_runs:
            return None
        try:
            problem = self._try_clean()
        except (CommandFailed, EngineSilent, OSError) as failure:
            problem = str(failure)
        if problem:
            self.replace()
        self._touched = False
        return problem

    def _try_clean(self) -> str | None:
        if not self.is_on:
            self.boot()
        elif not self.engine_runs:
            self.start_engine()
        others = " ".join(f"-e {name}" for name in _OURS)
        self.sh(f"docker ps -a --format '{{{{.Names}}}}' | grep -vx {others} | xargs -r docker rm -fv")
        reset = self.sh("weave reset --force")
        if reset.status != 0:
            return str(reset)
        self.sh("docker ps -aq | xargs -r docker rm -fv")
        self.sh("docker network ls -q --filter type=custom | xargs -r docker network rm")
        self.sh("docker volume ls -q | xargs -r docker volume rm")
        left = self.sh(
            "docker ps -aq; docker network ls -q --filter type=custom; ip -o link | grep -E ': v?weave'"
        )
        return f"left behind: {left}" if left.stdout else None

    def _signal_engine(self, command: str) -> None:
        if self._daemon is None:
            raise EngineSilent(f"no engine runs on {self.name}")
        self.run(command)
        self._daemon.wait(60)
        self._daemon = None

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as asked, contextlib.suppress(OSError):
            asked.settimeout(2)
            asked.connect(str(self._box.outside("/run/docker.sock")))
            asked.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b"OK" in asked.recv(4096)
        return False


class Lab:
    """Hosts on one switch, started when they are first asked for. Use as a context manager: nothing stays."""

    def __init__(self, engine: Engine, *, mtu: int = 1500) -> None:
        self.engine = engine
        self._slot = slots.claim()
        self._hosts: dict[int, LabHost] = {}
        try:
            self.switch = Switch(self._slot.prefix, self._slot.subnet, mtu)
        except BaseException:
            self._slot.release()
            raise

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def host(self, number: int) -> LabHost:
        """Host `number` (from 1), up since it was first asked for."""
        if number not in self._hosts:
            box = Box(self._slot, self.switch, number)
            made = LabHost(box, number, self.switch.address(number), self.engine, self._environment())
            try:
                made.install()
            except BaseException:
                made.power_off()
                raise
            self._hosts[number] = made
        return self._hosts[number]

    def hosts(self, count: int) -> list[LabHost]:
        """The first `count` hosts."""
        return [self.host(number) for number in range(1, count + 1)]

    def cut(self, host: LabHost) -> None:
        """Pull the host's network cable."""
        self.switch.cut(host.number)

    def heal(self, host: LabHost) -> None:
        """Plug the host's network cable in again."""
        self.switch.heal(host.number)

    def partition(self, *groups: Iterable[LabHost]) -> None:
        """Let nothing pass between hosts of different groups, until `unblock`."""
        self.switch.partition(*([host.number for host in group] for group in groups))

    def block_udp(self, port: int, *hosts: LabHost) -> None:
        """Drop UDP packets to this port from and to the hosts (none named: all), until `unblock`."""
        self.switch.block_udp(port, *(host.number for host in hosts))

    def unblock(self) -> None:
        """End all partitions and blocks."""
        self.switch.unblock()

    def describe(self) -> dict[str, str]:
        """What is to be seen of each host, by its name."""
        return {host.name: host.describe() for host in self._hosts.values()}

    def clean(self) -> list[str]:
        """Bring every started host and the network back to the start; what went wrong, one text per host."""
        self.unblock()
        problems = []
        for host in self._hosts.values():
            if host.is_on:
                self.heal(host)
            if problem := host.clean():
                problems.append(problem)
        return problems

    def close(self) -> None:
        """End everything and leave no trace."""
        for host in self._hosts.values():
            host.power_off()
        self._slot.release()

    def _environment(self) -> dict[str, str]:
        """An operator's environment: our commands first, then the engine's, and $HOST1, $HOST2, ... ."""
        return {
            "DOCKER_CONFIG": "/run/docker-config",  # not that of the machine, which may point elsewhere
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PATH": _path(self.engine),
            "TERM": "dumb",
            # Its tests start it; for all others it would be a second of each launch.
            "WEAVE_NO_PROXY": "1",
            **{f"HOST{number}": self.switch.address(number) for number in range(1, 10)},
        }
