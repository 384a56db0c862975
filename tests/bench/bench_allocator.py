"""Addresses through the router's HTTP API: sequential and durable, the database on a disk.

    python -m tests.bench.bench_allocator

Beside it, of the same run: how often SQLite alone commits on that disk, and how often aiohttp answers when
its handler does nothing. The two together are the least that an allocation can cost.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import web

from tests.bench.measure import BenchProblem, Row, alternate, paired_ratio, run_alone, spread
from tests.bench.routers import Node, nodes
from weave_cli.names import HTTP_ADDRESS
from weave_cli.wal import reserve_log

_RUNS: Final = 5
_REQUESTS: Final = 1000
_TARGET: Final = 2500
_IDLE_ADDRESS: Final = "127.0.0.1:6799"


def take() -> list[Row]:
    """Allocations, lookups and releases per second."""
    with nodes(1) as (node,), _idle_server(node):
        node.start_router()
        node.wait_until_ready()
        found = alternate(
            _RUNS,
            sqlite=lambda: _commits_per_second(node.directory / "baseline.db"),
            aiohttp=partial(_requests_per_second, node, _IDLE_ADDRESS, "POST", "/ip/bench{}"),
            allocate=partial(_requests_per_second, node, HTTP_ADDRESS, "POST", "/ip/bench{}"),
            lookup=partial(_requests_per_second, node, HTTP_ADDRESS, "GET", "/ip/bench{}"),
            release=partial(_requests_per_second, node, HTTP_ADDRESS, "DELETE", "/ip/bench{}"),
        )
    least = [
        1 / (1 / commits + 1 / calls)
        for commits, calls in zip(found["sqlite"], found["aiohttp"], strict=True)
    ]
    baseline = f"{spread(found['sqlite'], 'commits/s')}, aiohttp {spread(found['aiohttp'], '/s')}"
    idle = f"aiohttp {spread(found['aiohttp'], '/s')}"
    rate = sorted(found["allocate"])[_RUNS // 2]
    return [
        Row(
            measure="allocations through the API",
            value=spread(found["allocate"], "/s"),
            baseline=baseline,
            compared=f"{paired_ratio(found['allocate'], least):.2f} of both together",
            target=f">= {_TARGET} /s",
            is_met=rate >= _TARGET,
        ),
        Row(
            measure="releases through the API",
            value=spread(found["release"], "/s"),
            baseline=baseline,
            compared=f"{paired_ratio(found['release'], least):.2f} of both together",
        ),
        Row(
            measure="lookups through the API",
            value=spread(found["lookup"], "/s"),
            baseline=idle,
            compared=f"{paired_ratio(found['lookup'], found['aiohttp']):.2f} of it",
        ),
    ]


def _requests_per_second(node: Node, address: str, method: str, path: str) -> float:
    load = [sys.executable, "-m", "tests.bench.http_load", address, method, path, str(_REQUESTS)]
    done = subprocess.run([*node.entry, *load], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchProblem(f"{method} {path}: {done.stderr.strip()}")
    return float(done.stdout)


def _commits_per_second(path: Path) -> float:
    """One row in one transaction each, as durable as the router's own."""
    path.unlink(missing_ok=True)
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
        database.execute(f"PRAGMA {pragma}")
    database.execute(
        "CREATE TABLE owned (address INTEGER PRIMARY KEY, prefix_len INTEGER, ident TEXT, kind INTEGER)"
    )
    reserve_log(database, path)
    begun = time.perf_counter()
    for number in range(_REQUESTS):
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO owned VALUES (?, 12, ?, 0)", (number, f"bench{number}"))
        database.execute("COMMIT")
    spent = time.perf_counter() - begun
    database.close()
    return _REQUESTS / spent


@contextmanager
def _idle_server(node: Node) -> Iterator[None]:
    """An aiohttp server in the namespace whose one handler does nothing."""
    server = subprocess.Popen(
        [*node.entry, sys.executable, "-m", "tests.bench.bench_allocator", "serve-nothing"],
        stdout=subprocess.PIPE,
    )
    try:
        assert server.stdout is not None
        if not server.stdout.readline():
            raise BenchProblem("the idle aiohttp server did not start")
        yield
    finally:
        server.terminate()
        server.communicate()


async def _serve_nothing() -> None:
    async def nothing(_request: web.Request) -> web.Response:
        return web.Response(text="10.32.0.1/12")

    application = web.Application()
    application.add_routes([web.post("/ip/{id}", nothing)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    host, _, port = _IDLE_ADDRESS.rpartition(":")
    await web.TCPSite(runner, host, int(port)).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve-nothing"]:
        asyncio.run(_serve_nothing())
    else:
        run_alone(take)
