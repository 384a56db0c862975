"""weaveDNS under dnsperf, beside a loop that does nothing but send a ready answer back.

    python -m tests.bench.bench_dns [--runs 5] [--seconds 1]

Both servers are processes of their own on loopback, an idle event loop in the main thread, and take turns;
what counts is the ratio of the medians, since the machine is seldom ours alone.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import re
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from tests.bench.measure import BenchProblem, Row, alternate, paired_ratio, run_alone, spread
from weave_cli.names import PeerName
from weave_cli.router.nameserver.answers import Answerer, Ready
from weave_cli.router.nameserver.registry import NameRegistry
from weave_cli.router.runtime.dns_server import DnsServer

_DOMAIN = "weave.local."
_US = PeerName(0x7A0000000001)
_TARGET_RATIO = 0.7
_RUNS = 5
_SECONDS = 1
_ECHO = "ready answers, echoed"


class _Alone:
    """A mesh of one."""

    def is_known(self, name: PeerName) -> bool:
        return name == _US

    def nickname_of(self, name: PeerName) -> str:
        return ""


def _names() -> NameRegistry:
    """1000 names with an address each, and one name with 60."""
    registry = NameRegistry(name=_US, domain=_DOMAIN, directory=_Alone())
    for number in range(1000):
        registry.add(f"name{number}.{_DOMAIN}", f"c{number}", 0x0A200000 + number, 0.0)
    for number in range(60):
        registry.add(f"many.{_DOMAIN}", f"m{number}", 0x0A280000 + number, 0.0)
    return registry


def _serve_names(report: Connection) -> None:
    server = DnsServer("127.0.0.1", 0, _names(), domain=_DOMAIN)
    server.start()
    report.send(server.port)
    asyncio.run(_idle())


def _serve_echo(report: Connection) -> None:
    """The baseline: the least that a Python process can do for an answer."""
    import random

    question = bytes.fromhex("123401000001000000000000") + b"\5name0\5weave\5local\0\0\1\0\1"
    prepared = Answerer(_names(), domain=_DOMAIN, ttl=1, rng=random.Random(0)).prepare(
        question, is_limited=True
    )
    assert isinstance(prepared, Ready)
    body = next(prepared.bodies)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    threading.Thread(target=_echo, args=(udp, body), daemon=True).start()
    report.send(udp.getsockname()[1])
    asyncio.run(_idle())


def _echo(udp: socket.socket, body: bytes) -> None:
    receive, send = udp.recvfrom, udp.sendto
    while True:
        packet, client = receive(512)
        send(packet[:2] + body, client)


async def _idle() -> None:
    await asyncio.Event().wait()


@contextmanager
def _process(serve: Callable[[Connection], None]) -> Iterator[int]:
    """The port of a server in a process of its own, which ends with the context."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield int(ours.recv())
    finally:
        process.terminate()
        process.join()


def _measure(port: int, questions: Path, seconds: int) -> float:
    """Answers per second that dnsperf counts; fails when questions were lost or answered wrongly."""
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(questions), "-l", str(seconds)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Queries per second:\s+([\d.]+)", text)
    codes = re.search(r"Response codes:\s+(.*)", text)
    if not rate or not codes or codes[1] != "NOERROR " + codes[1].split()[1] + " (100.00%)":
        raise BenchProblem(f"dnsperf is not content:\n{text}")
    return float(rate[1])


def _take_rates(runs: int, seconds: int) -> dict[str, list[float]]:
    """Answers per second of the echo and of each kind of question, in turns."""
    if not shutil.which("dnsperf"):
        raise BenchProblem("dnsperf is not installed")
    wanted = {
        "1 name": [f"name0.{_DOMAIN} A"],
        "1000 names": [f"name{number}.{_DOMAIN} A" for number in range(1000)],
        "1 name of 60 addresses": [f"many.{_DOMAIN} A"],
        "AAAA of 1 name": [f"name0.{_DOMAIN} AAAA"],
    }
    with tempfile.TemporaryDirectory() as directory, _process(_serve_echo) as echo:
        files = {name: Path(directory) / f"{number}" for number, name in enumerate(wanted)}
        for name, lines in wanted.items():
            files[name].write_text("\n".join(lines) + "\n")
        with _process(_serve_names) as server:
            return alternate(
                runs,
                **{_ECHO: partial(_measure, echo, files["1 name"], seconds)},
                **{name: partial(_measure, server, files[name], seconds) for name in wanted},
            )


def take(runs: int = _RUNS, seconds: int = _SECONDS) -> list[Row]:
    """Each kind of question beside the echo."""
    rates = _take_rates(runs, seconds)
    echo = rates.pop(_ECHO)
    rows = []
    for name, found in rates.items():
        ratio = paired_ratio(found, echo)
        rows.append(
            Row(
                measure=f"weaveDNS, {name}",
                value=spread(found, "answers/s"),
                baseline=f"{_ECHO} {spread(echo, '/s')}",
                compared=f"{ratio:.2f} of it",
                target=f">= {_TARGET_RATIO}",
                is_met=ratio >= _TARGET_RATIO,
            )
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=_RUNS)
    parser.add_argument("--seconds", type=int, default=_SECONDS, help="length of each run of dnsperf")
    arguments = parser.parse_args()
    run_alone(partial(take, arguments.runs, arguments.seconds))


if __name__ == "__main__":
    main()
