"""weaveDNS under dnsperf, beside a loop that does nothing but send a ready answer back.

    python -m tests.bench.bench_dns [--runs 5] [--seconds 2]

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
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from weave_cli.names import PeerName
from weave_cli.router.nameserver.answers import Answerer, Ready
from weave_cli.router.nameserver.registry import NameRegistry
from weave_cli.router.runtime.dns_server import DnsServer

_DOMAIN = "weave.local."
_US = PeerName(0x7A0000000001)
_TARGET_RATIO = 0.7


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
        sys.exit(f"dnsperf is not content:\n{text}")
    return float(rate[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    arguments = parser.parse_args()
    if not shutil.which("dnsperf"):
        sys.exit("dnsperf is not installed")
    wanted = {
        "1 name": [f"name0.{_DOMAIN} A"],
        "1000 names": [f"name{number}.{_DOMAIN} A" for number in range(1000)],
        "1 name of 60 addresses": [f"many.{_DOMAIN} A"],
        "AAAA of 1 name": [f"name0.{_DOMAIN} AAAA"],
    }
    rates: dict[str, list[float]] = {name: [] for name in ("ready answers, echoed", *wanted)}
    with tempfile.TemporaryDirectory() as directory, _process(_serve_echo) as echo:
        files = {name: Path(directory) / f"{number}" for number, name in enumerate(wanted)}
        for name, lines in wanted.items():
            files[name].write_text("\n".join(lines) + "\n")
        with _process(_serve_names) as server:
            for _ in range(arguments.runs):
                rates["ready answers, echoed"].append(_measure(echo, files["1 name"], arguments.seconds))
                for name in wanted:
                    rates[name].append(_measure(server, files[name], arguments.seconds))
    base = statistics.median(rates["ready answers, echoed"])
    print(f"{'':24} {'answers/s':>10} {'lowest':>9} {'highest':>9} {'of the echo':>12}")
    for name, found in rates.items():
        middle = statistics.median(found)
        print(f"{name:24} {middle:10.0f} {min(found):9.0f} {max(found):9.0f} {middle / base:12.2f}")
    print(f"wanted: at least {_TARGET_RATIO} of the echo")


if __name__ == "__main__":
    main()
