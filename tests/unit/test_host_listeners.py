"""find_listener against sockets of our own and against a /proc made by hand."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from weave_cli.host.listeners import UNSEEN_OWNER, find_listener

pytestmark = pytest.mark.unit


@contextmanager
def listening(protocol: str, address: str, family: int = socket.AF_INET) -> Iterator[int]:
    """The port of a socket that listens for as long as the context lasts."""
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as opened:
        opened.bind((address, 0))
        if protocol == "tcp":
            opened.listen()
        yield opened.getsockname()[1]


def ourselves() -> str:
    return f"{Path('/proc/self/comm').read_text().strip()} (pid {os.getpid()})"


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_our_own_listener_is_found_until_it_closes(protocol: Literal["tcp", "udp"]) -> None:
    with listening(protocol, "127.0.0.1") as port:
        assert find_listener(protocol, port) == ourselves()
        other: Literal["tcp", "udp"] = "udp" if protocol == "tcp" else "tcp"
        assert find_listener(other, port) is None
    assert find_listener(protocol, port) is None


@pytest.mark.parametrize(
    ("listens_on", "wanted", "is_in_the_way"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "0.0.0.0", True),
        ("0.0.0.0", "127.0.0.2", True),
    ],
)
def test_only_listeners_in_the_way_count(listens_on: str, wanted: str, is_in_the_way: bool) -> None:
    with listening("udp", listens_on) as port:
        assert (find_listener("udp", port, wanted) is not None) == is_in_the_way


def test_a_dual_stack_listener_is_in_the_way_and_a_plain_ipv6_one_is_not(tmp_path: Path) -> None:
    mapped = "0000000000000000FFFF00000100007F"
    fake_proc(tmp_path, {"udp6": [("0" * 32, 53, "07", 11), ("0" * 24 + "01000000", 54, "07", 12)]})
    assert find_listener("udp", 53, "127.0.0.1", proc=tmp_path) == UNSEEN_OWNER
    assert find_listener("udp", 54, "127.0.0.1", proc=tmp_path) is None
    fake_proc(tmp_path, {"udp6": [(mapped, 53, "07", 11)]})
    assert find_listener("udp", 53, "127.0.0.1", proc=tmp_path) == UNSEEN_OWNER
    assert find_listener("udp", 53, "127.0.0.2", proc=tmp_path) is None


def test_connected_sockets_do_not_count(tmp_path: Path) -> None:
    fake_proc(tmp_path, {"tcp": [("0100007F", 53, "01", 11)], "udp": [("0100007F", 53, "01", 12)]})
    assert find_listener("tcp", 53, proc=tmp_path) is None
    assert find_listener("udp", 53, proc=tmp_path) is None


def test_the_owner_is_named_after_the_process_that_holds_the_socket(tmp_path: Path) -> None:
    fake_proc(tmp_path, {"udp": [("0100007F", 53, "07", 4711)]})
    for pid, name, inode in ((7, "init", 1), (812, "dnsmasq", 4711)):
        descriptors = tmp_path / str(pid) / "fd"
        descriptors.mkdir(parents=True)
        (descriptors / "3").symlink_to(f"socket:[{inode}]")
        (tmp_path / str(pid) / "comm").write_text(f"{name}\n")
    assert find_listener("udp", 53, proc=tmp_path) == "dnsmasq (pid 812)"


def fake_proc(proc: Path, tables: dict[str, list[tuple[str, int, str, int]]]) -> None:
    """Socket tables with (hex address, port, state, inode), in the kernel's columns."""
    directory = proc / "thread-self" / "net"
    directory.mkdir(parents=True, exist_ok=True)
    for table, rows in tables.items():
        lines = ["sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode"]
        lines += [
            f"0: {address}:{port:04X} 0:0 {state} 0:0 0:0 0 0 0 {inode}"
            for address, port, state, inode in rows
        ]
        (directory / table).write_text("\n".join(lines) + "\n")
