"""Whole routers with equal, different and missing passwords, in namespaces."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernel.namespaces import Underlay, call_in, udp_socket
from tests.kernel.programs import eventually
from tests.kernel.routers import Router
from weave_cli.router.overlay.vxlan_header import VXLAN_HEADER

PASSWORD = "correct horse"
_ALL_PROTOCOLS = 3


@pytest.fixture
def router(underlay: Underlay, tmp_path: Path) -> Iterator[Callable[[], Router]]:
    """Makes routers on hosts of the underlay; all are ended."""
    made: list[Router] = []

    def make() -> Router:
        host = underlay.host()
        made.append(Router(host, tmp_path / f"host{host.number}"))
        return made[-1]

    yield make
    for one in made:
        if one.is_running:
            one.kill()


def password_option(router: Router, password: str, mode: int = 0o600) -> str:
    file = router.state / "password"
    file.touch(mode=mode)
    file.write_text(password + "\n")
    return f"--password-file={file}"


def connections(router: Router) -> str:
    return router.ask("GET", "/status/connections")[1]


def logs_of(*routers: Router) -> str:
    return "\n".join(f"--- {one.state}\n{connections(one)}{one.log()}" for one in routers)


@contextmanager
def tapped(underlay: Underlay) -> Iterator[list[bytes]]:
    """All frames that cross the underlay meanwhile."""
    frames: list[bytes] = []
    ear = call_in(
        underlay.router,
        lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(_ALL_PROTOCOLS)),
    )
    ear.settimeout(0.2)
    is_over = threading.Event()

    def listen() -> None:
        while not is_over.is_set():
            with contextlib.suppress(TimeoutError):
                frames.append(ear.recv(65536))

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield frames
    finally:
        is_over.set()
        thread.join()
        ear.close()


def send_between(one: str, other: str, address: str) -> bytes:
    """Octets that nobody can guess, sent as datagrams until one has arrived."""
    octets = os.urandom(64)
    with udp_socket(one) as sender, udp_socket(other, port=5000) as receiver:
        receiver.settimeout(1)
        for _ in range(20):
            sender.sendto(octets, (address, 5000))
            with contextlib.suppress(TimeoutError):
                assert receiver.recv(1000) == octets
                return octets
    raise AssertionError("nothing arrived")


def joined(make: Callable[[], Router], *options: str) -> tuple[Router, Router]:
    """Two routers with the same password and options, connected."""
    one, two = make(), make()
    one.start(password_option(one, PASSWORD), *options)
    two.start(password_option(two, PASSWORD), *options, one.host.address)
    for here in (one, two):
        eventually(lambda: " established " in connections(here), lambda: logs_of(one, two))  # noqa: B023
    return one, two


def test_same_password_admits_and_is_told_nowhere(router: Callable[[], Router]) -> None:
    one, two = joined(router)
    for here, there in ((one, two), (two, one)):
        line = connections(here)
        who = f"7a:00:00:00:00:{there.host.number:02x}(host{there.host.number})"
        assert f" established encrypted   sleeve {who} encrypted=true" in line
        status, overview = here.ask("GET", "/status")
        assert (status, " Encryption: enabled\n" in overview) == (200, True)
        report = here.ask("GET", "/report", headers={"Accept": "application/json"})[1]
        assert '"Encryption": true' in report
        process = Path(f"/proc/{here.pid}")
        for text in (here.log(), line, overview, report, (process / "cmdline").read_text()):
            assert PASSWORD not in text
        assert PASSWORD not in (process / "environ").read_text()


@pytest.mark.parametrize("is_trusting", [False, True], ids=["untrusted", "trusted"])
def test_frames_are_sealed_but_between_sides_that_trust(
    router: Callable[[], Router], underlay: Underlay, is_trusting: bool
) -> None:
    one, two = joined(router, *(["--trusted-subnets=10.205.0.0/16"] if is_trusting else []))
    words = " unencrypted vxlan " if is_trusting else " encrypted   sleeve "
    for here in (one, two):
        eventually(lambda: words in connections(here), lambda: logs_of(one, two))  # noqa: B023
        trusted = "10.205.0.0/16" if is_trusting else "none"
        assert f" TrustedSubnets: {trusted}\n" in here.ask("GET", "/status")[1]
    near, far = one.host.container(), two.host.container()
    with tapped(underlay) as frames:
        sent = [
            send_between(near, far, f"10.32.{two.host.number}.1"),
            send_between(far, near, f"10.32.{one.host.number}.1"),
        ]
    assert len(frames) > 2
    assert [any(octets in frame for frame in frames) for octets in sent] == [is_trusting] * 2


@pytest.mark.parametrize("is_trusting", [False, True], ids=["untrusted", "trusted"])
def test_forged_frames_in_clear_reach_no_container_of_a_sealed_network(
    router: Callable[[], Router], underlay: Underlay, is_trusting: bool
) -> None:
    one, stranger = router(), underlay.host()
    trust = [f"--trusted-subnets={stranger.address}/32"] if is_trusting else []
    one.start(password_option(one, PASSWORD), *trust)
    container = one.host.container()
    octets = os.urandom(64)
    frame = bytes.fromhex("ffffffffffff0a000000009988b6") + octets
    with udp_socket(stranger.namespace) as sender:
        ear = call_in(
            container, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(_ALL_PROTOCOLS))
        )
        with ear:
            ear.settimeout(0.2)
            heard = []
            for _ in range(10):
                sender.sendto(VXLAN_HEADER + frame, (one.host.address, 6784))
                with contextlib.suppress(TimeoutError):
                    heard.append(ear.recv(65536))
    assert any(octets in one_heard for one_heard in heard) == is_trusting


def test_trust_of_one_side_only_seals(router: Callable[[], Router]) -> None:
    one, two = router(), router()
    one.start(password_option(one, PASSWORD), "--trusted-subnets=10.205.0.0/16")
    two.start(password_option(two, PASSWORD), one.host.address)
    for here in (one, two):
        eventually(
            lambda: " established encrypted   sleeve " in connections(here),  # noqa: B023
            lambda: logs_of(one, two),
        )


REFUSALS = {
    "different": (
        PASSWORD,
        "battery staple",
        "Unable to decrypt TCP msg: the password of the peer is not ours",
        "Unable to decrypt TCP msg: the password of the peer is not ours",
    ),
    "missing at the dialled": (
        None,
        PASSWORD,
        "no password specified, but peer requested an encrypted connection",
        "password specified, but peer requested an unencrypted connection",
    ),
    "missing at the dialler": (
        PASSWORD,
        None,
        "password specified, but peer requested an unencrypted connection",
        "no password specified, but peer requested an encrypted connection",
    ),
}


@pytest.mark.parametrize(
    ("dialled", "dialler", "dialled_says", "dialler_says"), REFUSALS.values(), ids=list(REFUSALS)
)
def test_other_password_is_refused_with_the_reason_on_both_sides(
    router: Callable[[], Router],
    dialled: str | None,
    dialler: str | None,
    dialled_says: str,
    dialler_says: str,
) -> None:
    one, two = router(), router()
    one.start(*(() if dialled is None else [password_option(one, dialled)]))
    two.start(*(() if dialler is None else [password_option(two, dialler)]), one.host.address)
    eventually(lambda: f"failed      {dialler_says}" in connections(two), lambda: logs_of(one, two))
    eventually(lambda: dialled_says in one.log(), lambda: logs_of(one, two))
    assert dialler_says in two.log()
    for here in (one, two):
        assert here.ask("GET", "/status/peers")[1].count("(host") == 1
    assert connections(one) == ""


def test_router_refuses_a_password_file_that_others_can_read(router: Callable[[], Router]) -> None:
    one = router()
    option = password_option(one, PASSWORD)
    (one.state / "password").chmod(0o644)
    assert one.fail_to_start(option) == 1
    assert "is open to others (mode 0644)" in one.log()
    assert "chmod 600" in one.log()
