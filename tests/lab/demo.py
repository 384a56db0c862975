"""`make demo`: two Docker hosts on this machine, and the example of README.md typed on them."""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from tests.lab import engines
from tests.lab.engines import EngineMissing
from tests.lab.hosts import Lab, LabHost
from tests.lab.shell import CommandFailed

_PROMPT: Final = r"(^|\n)/ # "
_ATTEMPTS: Final = 10


def main(arguments: list[str]) -> int:
    """Show the example; 0 when the ping was answered."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--engine", choices=engines.VERSIONS, default=engines.DEFAULT)
    chosen = parser.parse_args(arguments).engine
    signal.signal(signal.SIGTERM, _terminated)
    try:
        with Lab(engines.prepare(chosen)) as lab:
            return 0 if show(*prepare(*lab.hosts(2))) else 1
    except (CommandFailed, EngineMissing, AssertionError) as problem:
        say(f"\nThe demo failed: {problem}")
    except KeyboardInterrupt:
        say("\nInterrupted; everything is removed again.")
    return 1


def prepare(*hosts: LabHost) -> tuple[LabHost, ...]:
    """Give the hosts what they would pull from a registry."""
    for host in hosts:
        host.run("docker tag busybox ubuntu")
    addresses = ", ".join(f"${host.name.upper()} is {host.ip}" for host in hosts)
    say(f"Hosts with Docker {hosts[0].engine.version}; {addresses}; their ubuntu is a busybox.\n")
    return hosts


def show(*hosts: LabHost) -> bool:
    """Type the example; its last command is a shell in which the ping is typed. Whether it was answered."""
    commands, typed_inside = example()
    for name, command in commands[:-1]:
        type_on(_named(name, hosts), command)
    name, command = commands[-1]
    answered = _ping_from_inside(_named(name, hosts), command, typed_inside)
    say("\nThe container on the other host answered, by name." if answered else "\nNo answer.")
    return answered


def example() -> tuple[list[tuple[str, str]], str]:
    """README.md's first example: host name and command of each line, and the ping inside the last."""
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    block = re.search(r"(^    .+\n)+", readme, re.MULTILINE)
    assert block, "README.md shows nothing"
    commands: list[tuple[str, str]] = re.findall(r"^    (host\d)\$ (.+)$", block[0], re.MULTILINE)
    inside = re.search(r"^    # (ping .+)$", block[0], re.MULTILINE)
    assert commands and inside, "README.md shows no example"
    return commands, inside[1]


def _named(name: str, hosts: Sequence[LabHost]) -> LabHost:
    return next(host for host in hosts if host.name == name)


def _ping_from_inside(host: LabHost, command: str, ping: str) -> bool:
    """Type the ping in a container; again while it is not answered, since the hosts may just be meeting."""
    say(f"{host.name}$ {command}")
    with host.terminal(command) as terminal:
        say(terminal.wait_for(_PROMPT), end="")
        for _ in range(_ATTEMPTS):
            terminal.type(ping)
            shown = terminal.wait_for(_PROMPT)
            say(shown, end="")
            if ", 0% packet loss" in shown:
                terminal.type("exit")
                terminal.wait_for_end()
                return True
    return False


def type_on(host: LabHost, command: str) -> None:
    """Run a command that must succeed and print it with what it says."""
    say(f"{host.name}$ {command}")
    result = host.sh(command, timeout=180)
    if result.status != 0:
        raise CommandFailed(str(result))
    say(result.stderr + result.stdout, end="")


def say(text: str, end: str = "\n") -> None:
    """Print at once, also into a pipe."""
    print(text, end=end, flush=True)


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
