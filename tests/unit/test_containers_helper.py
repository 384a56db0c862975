"""The helper container: what is asked of Docker for it, and the conversation with it."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from weave_cli.containers.errand import Errand, pack_errand, read_errand
from weave_cli.containers.helper import FrameReader, converse, forwarded_signals, make_helper_request
from weave_cli.errors import UsageProblem
from weave_cli.settings import read_settings

pytestmark = pytest.mark.unit

ERRAND = Errand(
    words=("launch", "--nickname", "a\nb\udcff"),
    environment={"WEAVE_PASSWORD": "secret"},
    input=b"\x00password\n",
    terminals=frozenset({"stderr"}),
)


def frame(stream: int, octets: bytes) -> bytes:
    return struct.pack(">BxxxI", stream, len(octets)) + octets


def test_errand_arrives_as_it_was_sent_and_what_follows_is_left() -> None:
    pipe = io.BytesIO(pack_errand(ERRAND) + b"\x02")
    assert read_errand(lambda most: pipe.read(min(most, 3))) == ERRAND
    assert pipe.read() == b"\x02"


@pytest.mark.parametrize("octets", [b"", pack_errand(ERRAND)[:-1], b"\xff" * 8])
def test_errand_that_ends_early_is_none(octets: bytes) -> None:
    with pytest.raises(UsageProblem):
        read_errand(io.BytesIO(octets).read)


def test_errand_does_not_show_its_secrets() -> None:
    assert "secret" not in repr(ERRAND) and "password" not in repr(ERRAND)


def test_helper_has_listed_rights_leaves_nothing_and_shows_nothing() -> None:
    made = make_helper_request(read_settings({"WEAVE_PASSWORD": "secret"}), "sha256:1")
    host = made["HostConfig"]
    assert (
        host["AutoRemove"]
        and host["RestartPolicy"] == {"Name": "no"}
        and host["LogConfig"] == {"Type": "none"}
    )
    assert host["CapDrop"] == ["ALL"] and "SYS_MODULE" not in host["CapAdd"] and "Privileged" not in host
    assert "secret" not in json.dumps(made)
    assert (made["OpenStdin"], made["StdinOnce"], made.get("Tty", False)) == (True, True, False)


def test_helper_has_the_socket_that_docker_is_behind() -> None:
    mounts = make_helper_request(read_settings({"DOCKER_HOST": "unix:///srv/d.sock"}), "x")["HostConfig"][
        "Mounts"
    ]
    assert [mount["Source"] for mount in mounts] == ["/srv/d.sock"]


def test_helper_gets_what_the_operator_adds() -> None:
    made = make_helper_request(read_settings({"WEAVEEXEC_DOCKER_ARGS": "-v /a:/a -e A=b --memory 1g"}), "x")
    assert made["HostConfig"]["Binds"][-1] == "/a:/a" and len(made["HostConfig"]["Binds"]) == 3
    assert made["HostConfig"]["Memory"] == 1 << 30 and made["Env"] == ["WEAVE_CIDR=none", "A=b"]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_frames_come_apart_however_they_are_cut(size: int) -> None:
    whole = frame(1, b"one") + frame(2, b"two") + frame(1, b"") + frame(1, b"three")
    seen: list[tuple[int, bytes]] = []
    reader = FrameReader(lambda stream, octets: seen.append((stream, octets)))
    for start in range(0, len(whole), size):
        reader.receive(whole[start : start + size])
    assert seen == [(1, b"one"), (2, b"two"), (1, b""), (1, b"three")]


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


def test_signals_go_to_the_helper_whose_output_comes_until_it_ends(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    here, there = ends
    got: list[int] = []

    def play() -> None:
        assert read_errand(there.recv) == ERRAND
        there.sendall(frame(2, b"waiting\n"))
        os.kill(os.getpid(), signal.SIGTERM)
        got.append(there.recv(1)[0])
        there.sendall(frame(1, b"undone\n"))
        there.shutdown(socket.SHUT_RDWR)

    helper = threading.Thread(target=play)
    helper.start()
    seen: list[bytes] = []
    with forwarded_signals() as caught:
        converse(here, ERRAND, lambda _, octets: seen.append(octets), caught)
    helper.join()
    assert got == [signal.SIGTERM]
    assert seen == [b"waiting\n", b"undone\n"]


def test_third_interrupt_leaves_a_helper_that_does_not_react(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    here, _ = ends
    reader, writer = os.pipe()
    os.write(writer, bytes([signal.SIGINT] * 3))
    with pytest.raises(KeyboardInterrupt):
        converse(here, ERRAND, lambda *_: None, reader)
    os.close(reader)
    os.close(writer)


def test_handlers_of_signals_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with forwarded_signals():
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
