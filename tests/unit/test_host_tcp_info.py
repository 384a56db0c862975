"""How long packets take, as the kernel measured it."""

from __future__ import annotations

import socket

import pytest

from weave_cli.host.tcp_info import read_round_trip_us

pytestmark = pytest.mark.unit


def test_round_trip_of_a_connection_on_loopback_is_a_moment() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as here, server.accept()[0] as there:
            there.sendall(b"x")
            assert here.recv(1) == b"x"
            here.sendall(b"x")
            assert there.recv(1) == b"x"
            told = read_round_trip_us(here)
            assert told is not None and 0 < told < 1_000_000


def test_nothing_is_known_of_sockets_without_connection() -> None:
    with socket.socket() as unconnected:
        assert read_round_trip_us(unconnected) is None
    assert read_round_trip_us(unconnected) is None
