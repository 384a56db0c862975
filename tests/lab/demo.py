"""`make demo`: two Docker hosts on this machine, and the example of README.md typed on them."""

from __future__ import annotations

import argparse
import signal
import sys
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
            return 0 if _show(*_prepared(lab)) else 1
    except (CommandFailed, EngineMissing, AssertionError) as problem:
        say(f"\nThe demo failed: {problem}")
    except KeyboardInterrupt:
        say("\nInterrupted; everything is removed again.")
    return 1


def _prepared(lab: Lab) -> tuple[LabHost, LabHost]:
    one, two = lab.hosts(2)
    for host in (one, two):
        host.run("docker tag busybox ubuntu")
    say(f"Two hosts run Docker {lab.engine.version}; HOST1={one.ip}, HOST2={two.ip}; ubuntu is a busybox.\n")
    return one, two


def _show(one: LabHost, two: LabHost) -> bool:
    type_on(one, "weave launch")
    type_on(one, "docker run --net=weave -h foo.weave.local $(weave dns-args) -tdi ubuntu")
    type_on(two, "weave launch $HOST1")
    answered = _ping_from_inside(two, "docker run --net=weave $(weave dns-args) -ti ubuntu")
    say("\nfoo on host1 answered a container on host2, by name." if answered else "\nNo answer from foo.")
    return answered


def _ping_from_inside(host: LabHost, command: str) -> bool:
    """Type the ping in a container; again while it is not answered, since the hosts may just be meeting."""
    say(f"{host.name}$ {command}")
    with host.terminal(command) as terminal:
        say(terminal.wait_for(_PROMPT), end="")
        for _ in range(_ATTEMPTS):
            terminal.type("ping -c1 -q foo")
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
