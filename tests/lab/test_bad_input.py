"""Wrong words, a wrong machine, garbage on every port: each is told, nothing is left behind or broken."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.lab.asking import connections, launch_joined, report, start
from tests.lab.checks import is_refused, pings, until
from tests.lab.hosts import LabHost
from tests.lab.mesh_garbage import PACKETS, STRANGERS

_TRACES: Final = """
ip -o link | grep -E ': v?weave|: vethw'
(iptables-nft-save; iptables-legacy-save) 2>/dev/null | grep -i weave
ls /run/docker/plugins | grep weave
ss -Hlntu '( sport = :6783 or sport = :6784 )'
true
"""
_ENGINE_TRACES: Final = "docker ps -aq; docker volume ls -q; docker network ls -q --filter type=custom"

#: A process that holds a port: kind of socket, address and port are its arguments.
_OCCUPANT: Final = """
import signal, socket, sys
held = socket.socket(socket.AF_INET, getattr(socket, sys.argv[1]))
held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of an earlier router may linger
held.bind((sys.argv[2], int(sys.argv[3])))
if held.type == socket.SOCK_STREAM:
    held.listen()
signal.pause()
"""

#: An engine of the version and API version that its arguments tell, on /run/fake.sock.
_FAKE_ENGINE: Final = """
import http.server, json, socketserver, sys
class Engine(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        facts = {"Version": sys.argv[1], "ApiVersion": sys.argv[2]}
        body = b"OK" if self.path.endswith("_ping") else json.dumps(facts).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
socketserver.UnixStreamServer("/run/fake.sock", Engine).serve_forever()
"""

#: Something on /run/fake.sock that is no engine.
_NO_ENGINE: Final = """
import socketserver
class Babbler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 mail.example ESMTP\\r\\n")
socketserver.UnixStreamServer("/run/fake.sock", Babbler).serve_forever()
"""


_REPOSITORY: Final = Path(__file__).resolve().parents[2]
_GARBAGE: Final = f"cd {_REPOSITORY} && exec python -m tests.lab"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "Commands:"),
        ("lunch", "unknown command: lunch"),
        ("--no-such-option", "--no-such-option"),
        ("launch --ipalloc-range=10.32.0.0", "--ipalloc-range: "),
        ("launch --ipalloc-range=10.32.0.0/33", "10.32.0.0/33"),
        ("launch --ipalloc-range=fd00::/64", "fd00::/64"),
        ("launch --ipalloc-range=10.320.0.0/12", "10.320.0.0/12"),
        ("launch-router --ipalloc-default-subnet=10.32.0.1/24", "--ipalloc-default-subnet: "),
        ("launch-plugin --log-level=INFO", "'INFO' is not one of 'debug', 'info', 'warning', 'error'"),
        ("launch --name=host1", "--name: invalid peer name: 'host1'"),
        ("launch --name=7a:42:00:00:00:01:02", "--name: invalid peer name: '7a:42:00:00:00:01:02'"),
        ("launch --init-peer-count=-1", "--init-peer-count"),
        ("stop now", "now"),
    ],
)
def test_wrong_words_are_named_and_start_nothing(host: LabHost, words: str, says: str) -> None:
    is_refused(host.sh(f"weave {words}"), says)
    _has_no_trace(host)


def test_wrong_variables_are_named_and_start_nothing(host: LabHost) -> None:
    for variable in ("WEAVE_PORT=none", "WEAVE_MTU=3", "WEAVE_HTTP_ADDR=localhost"):
        name, _, value = variable.partition("=")
        is_refused(host.sh(f"{variable} weave launch"), f"invalid value in {name}: '{value}'")
    _has_no_trace(host)


def test_a_stopped_engine_is_told(host: LabHost) -> None:
    host.stop_engine()
    for command in ("launch", "launch-plugin", "setup", "stop", "reset", "ps"):
        refused = host.sh(f"weave {command}")
        is_refused(refused, "cannot reach Docker at unix:///var/run/docker.sock: No such file or directory")
        assert "Is the Docker daemon running?" in refused.stderr, refused
    status = host.sh("weave status")
    assert status.status == 1 and "127.0.0.1:6784" in status.stderr, status
    host.start_engine()
    _has_no_trace(host)


@pytest.mark.parametrize(
    "where", ["unix:///run/nowhere.sock", "tcp://127.0.0.1:1", "bogus://there", "tcp://:99999", "/run"]
)
def test_a_wrong_docker_host_is_told(host: LabHost, where: str) -> None:
    for command in ("launch", "reset"):
        refused = host.sh(f"DOCKER_HOST={where} weave {command}")
        is_refused(refused, f"cannot reach Docker at {where}: ")
        assert "DOCKER_HOST" in refused.stderr, refused
    _has_no_trace(host)


@pytest.mark.parametrize(
    ("engine_script", "says"),
    [
        (f"{shlex.quote(_FAKE_ENGINE)} 19.03.15 1.40", "Docker Engine 19.03.15 is too old"),
        (f"{shlex.quote(_FAKE_ENGINE)} 1.11.2 1.23", "Docker Engine at unix:///run/fake.sock is too old: "),
        (shlex.quote(_NO_ENGINE), "cannot reach Docker at unix:///run/fake.sock: "),
    ],
    ids=["19.03", "1.11", "no engine"],
)
def test_an_engine_that_will_not_do_is_told(host: LabHost, engine_script: str, says: str) -> None:
    with _running(host, f"python3 -c {engine_script}", "test -S /run/fake.sock"):
        for command in ("launch", "reset"):
            is_refused(host.sh(f"DOCKER_HOST=unix:///run/fake.sock weave {command}"), says)
    host.run("rm /run/fake.sock")
    _has_no_trace(host)


def test_users_other_than_root_are_told(host: LabHost) -> None:
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    for command in ("launch", "launch-router", "launch-plugin", "setup", "stop", "reset --force"):
        is_refused(host.sh(f"{nobody} weave {command}"), "weave must be run as root\nTry again with sudo.")
    is_refused(host.sh(f"{nobody} weave ps foo"), "cannot reach Docker at unix:///var/run/docker.sock: ")
    _has_no_trace(host)


@pytest.mark.parametrize(
    ("kind", "address", "port", "place"),
    [
        ("SOCK_STREAM", "0.0.0.0", 6783, "port 6783/tcp for the mesh"),
        ("SOCK_STREAM", "127.0.0.1", 6784, "127.0.0.1:6784/tcp for the HTTP API"),
        ("SOCK_DGRAM", "127.0.0.1", 6784, "port 6784/udp for VXLAN"),
        ("SOCK_DGRAM", "172.17.0.1", 53, "172.17.0.1:53/udp for weaveDNS"),
        ("SOCK_STREAM", "0.0.0.0", 53, "172.17.0.1:53/tcp for weaveDNS"),
    ],
)
def test_who_has_our_port_is_named(host: LabHost, kind: str, address: str, port: int, place: str) -> None:
    occupant = f"python3 -c {shlex.quote(_OCCUPANT)} {kind} {address} {port}"
    with _running(host, occupant, f"ss -Hlntu '( sport = :{port} )' | grep -q .") as process:
        refused = host.sh("weave launch")
        is_refused(refused, f"cannot use {place}: in use by python3 (pid {process})")
        assert "Stop that program, or " in refused.stderr, refused
    _has_no_trace(host)


def test_a_default_range_that_the_host_routes_elsewhereis_refused(host: LabHost) -> None:
    with _route(host, "10.33.0.0/16"):
        refused = host.sh("weave launch")
        is_refused(refused, "10.32.0.0/12 overlaps with the route 10.33.0.0/16 of this host (lo)")
        assert "--ipalloc-range" in refused.stderr, refused
    _has_no_trace(host)


def test_a_given_range_that_the_host_routes_elsewhere_is_taken_with_a_warning(host: LabHost) -> None:
    with _route(host, "10.33.0.0/16"):
        launched = host.sh("weave launch-router --ipalloc-range=10.32.0.0/12", timeout=120)
    assert launched.status == 0, launched
    assert "WARNING: the address range 10.32.0.0/12 overlaps with the route 10.33.0.0/16" in launched.stderr
    assert "Range: 10.32.0.0/12" in host.run("weave status")


@pytest.mark.timeout(600)
def test_garbage_on_every_port_is_refused_and_breaks_nothing(two_hosts: tuple[LabHost, LabHost]) -> None:
    one, two = two_hosts
    launch_joined(two_hosts)
    one.run("weave stop-plugin")
    one.run("WEAVEPLUGIN_DOCKER_ARGS='-e WEAVE_PLUGIN_LOOK_S=5' weave launch-plugin", timeout=120)
    target = start(one, "target")
    before, devices, owned = _lives(two_hosts), _devices(one), _addresses_in_use(one)

    two.run(f"{_GARBAGE}.mesh_garbage tcp $HOST1", timeout=120)
    with two.terminal(f"{_GARBAGE}.mesh_garbage hold $HOST1") as strangers:
        strangers.wait_for(f"holding {STRANGERS}")
        assert "(1 established)" in one.run("weave status")
    names = " ".join(host.run("weave report -f '{{.Router.Name}}'") for host in (two, one))
    heard = _frames_heard(one)
    two.run(f"{_GARBAGE}.mesh_garbage udp $HOST1 {names}", timeout=120)
    assert _frames_heard(one) - heard > PACKETS / 4, "the garbage did not arrive"
    for driver in ("weavemesh", "weave"):
        one.run(f"{_GARBAGE}.plugin_garbage /run/docker/plugins/{driver}.sock", timeout=240)

    assert _lives(two_hosts) == before
    for host in two_hosts:
        assert "(1 established)" in host.run("weave status")
        assert len(host.run("weave status peers").splitlines()) == 4, "two peers with a connection each"
    _tells_why_it_refused(one)
    # What nobody has goes when the plugin has looked at it twice.
    until(lambda: _devices(one) == devices, 90, "no device is left of the plugin's garbage", every=1)
    until(lambda: _addresses_in_use(one) == owned, 90, "no address is left of it", every=1)
    start(one, "later")
    start(two, "other")
    pings(two, "other", target)


def _lives(hosts: tuple[LabHost, LabHost]) -> list[str]:
    """Which processes and which connection there are."""
    inspect = "docker inspect -f '{{.State.StartedAt}} {{.State.Pid}} {{.RestartCount}}' weave weaveplugin"
    links = [f"{one['Address']} {one['State']}" for host in hosts for one in connections(host)]
    return [*(host.run(inspect) for host in hosts), *links]


def _devices(host: LabHost) -> set[str]:
    """But for those of isolated networks, which go when no container was there for a minute."""
    return set(host.run("ip -o link | cut -d: -f2 | grep -vE 'weave(br|vx|tp)-'").split())


def _addresses_in_use(host: LabHost) -> int:
    return report(host)["IPAM"]["ActiveIPs"]


def _frames_heard(host: LabHost) -> int:
    return int(host.run("cat /sys/class/net/weave-vxlan/statistics/rx_packets"))


def _tells_why_it_refused(host: LabHost) -> None:
    log = host.run("docker logs weave 2>&1")
    for reason in (
        "not the weave protocol",
        "no common protocol version",
        "no password specified, but peer requested an encrypted connection",
        "invalid encryption flag",
        "exceeds the limit",
        "gob: ",
        "too many connections without introduction",
    ):
        assert reason in log
    assert "sleeve process ended" not in log
    assert "Traceback" not in log, log[log.index("Traceback") - 300 :][:3000]


def _has_no_trace(host: LabHost) -> None:
    assert host.run(f"{_ENGINE_TRACES}; {_TRACES}") == ""


@contextmanager
def _running(host: LabHost, command: str, is_up: str) -> Iterator[str]:
    """The command in the background of the host, from when `is_up` succeeds; gives its process id."""
    process = host.run(f"{command} >/dev/null 2>&1 & echo $!")
    try:
        until(lambda: host.sh(is_up).status == 0, 20, f"{command} is up")
        yield process
    finally:
        host.run(f"kill {process}; while kill -0 {process} 2>/dev/null; do read -t 0.05 <> <(:); done; true")


@contextmanager
def _route(host: LabHost, subnet: str) -> Iterator[None]:
    host.run(f"ip route add {subnet} dev lo")
    try:
        yield
    finally:
        host.run(f"ip route del {subnet}")
